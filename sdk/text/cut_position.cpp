#include <hn/text/cut_position.hpp>
#include <vector>

namespace hn {
namespace {

constexpr std::size_t kShown = 100;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::size_t cut_position(std::string_view text, std::size_t limit,
                         const std::function<std::size_t(std::string_view)>& count) {
  std::vector<std::size_t> words;  // where each begins
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!is_space(text[i]) && (i == 0 || is_space(text[i - 1]))) words.push_back(i);
  // The most words that fit; a text never has fewer tokens than its beginning.
  std::size_t fits = 0, fails = words.size() + 1;
  while (fails - fits > 1) {
    const std::size_t middle = (fits + fails) / 2;
    const std::size_t end = middle < words.size() ? words[middle] : text.size();
    (count(text.substr(0, end)) <= limit ? fits : fails) = middle;
  }
  return fits < words.size() ? words[fits] : text.size();
}

std::string cut_warning(std::string_view name, std::string_view text, std::size_t tokens,
                        std::size_t limit, std::size_t position) {
  std::string_view rest = text.substr(position);
  const bool shortened = rest.size() > kShown;
  if (shortened) {
    std::size_t end = kShown;
    while (end > 0 && (static_cast<unsigned char>(rest[end]) & 0xC0) == 0x80) --end;
    rest = rest.substr(0, end);
  }
  return "[" + std::string(name) + "] a prompt of " + std::to_string(tokens) +
         " tokens is cut to " + std::to_string(limit) + ": \"" + std::string(rest) +
         (shortened ? "...\"" : "\"") + " is not read (said once; others may be cut too)";
}

}  // namespace hn
