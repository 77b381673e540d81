#include "support/toml_parser.hpp"

#include <hn/formats/text.hpp>

#include "support/cat.hpp"

namespace hn::host {
namespace {

constexpr std::size_t kMaxKeyParts = 64;

// Walks over texts and comments, and looks at what stands between them.
class Scan {
 public:
  explicit Scan(std::string_view text) : rest_(text) {}

  void run() {
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '#') {
        skip(std::min(rest_.find('\n'), rest_.size()));
      } else if (c == '"' || c == '\'') {
        quoted(c);
      } else {
        between(c);
        skip(1);
      }
    }
  }

 private:
  void skip(std::size_t count) {
    for (const char c : rest_.substr(0, count))
      if (c == '\n') ++line_;
    rest_.remove_prefix(std::min(count, rest_.size()));
  }

  void between(char c) {
    if (static_cast<unsigned char>(c) >= 0x80)
      throw TomlProblem{line_, "expected ASCII outside of texts and comments"};
    if (c != '.') {
      if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) dots_ = 0;
    } else if (++dots_ >= kMaxKeyParts) {
      throw TomlProblem{line_, cat("expected keys of at most ", kMaxKeyParts, " parts, got more")};
    }
  }

  // An end that never comes is the parser's to report.
  void quoted(char quote) {
    const std::string three(3, quote);
    const bool long_one = rest_.starts_with(three);
    skip(long_one ? 3 : 1);
    while (!rest_.empty()) {
      if (rest_.front() == '\\' && quote == '"') {
        skip(2);
      } else if (!long_one && (rest_.front() == quote || rest_.front() == '\n')) {
        return skip(1);
      } else if (long_one && rest_.starts_with(three)) {
        skip(3);
        // A long text may end in one or two quotes of its own.
        for (int i = 0; i < 2 && rest_.starts_with(quote); ++i) skip(1);
        return;
      } else {
        skip(1);
      }
    }
  }

  std::string_view rest_;
  std::uint32_t line_ = 1;
  std::size_t dots_ = 0;  // since the last mark that ends a key
};

}  // namespace

toml::table parse_toml(std::string_view text, std::string_view name) {
  if (const auto problem = text_problem(text))
    throw TomlProblem{static_cast<std::uint32_t>(problem->line), problem->text};
  text = without_mark(text);
  Scan(text).run();
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& e) {
    throw TomlProblem{e.source().begin.line, std::string(e.description())};
  }
}

}  // namespace hn::host
