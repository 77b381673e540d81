#include <algorithm>
#include <hn/generator/pipeline_problems.hpp>

namespace hn {
namespace {

// A message's buffer at the boundary ends at 4096 bytes: a long list of tensors of one part must
// not push another part out of it.
constexpr std::size_t kMostBytes = 3600;

std::string cut(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  const std::size_t line = text.rfind('\n', bytes);
  return text.substr(0, line == std::string::npos ? bytes : line) + "\n    ...";
}

std::string indented(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

}  // namespace

void PipelineProblems::add(hn_status code, const std::vector<std::string>& texts) {
  if (code_ == HN_OK) code_ = code;
  for (const std::string& text : texts)
    if (std::find(problems_.begin(), problems_.end(), text) == problems_.end())
      problems_.push_back(text);
}

void PipelineProblems::finish() const {
  if (problems_.empty()) return;
  if (problems_.size() == 1) throw Error(code_, problems_[0]);
  std::string text = "[" + model_ + "] " + folder_.string() + ": " +
                     std::to_string(problems_.size()) + " things are wrong:";
  bool whole = true;
  for (const std::string& problem : problems_) {
    const std::string part = cut(problem, kMostBytes / problems_.size());
    whole = whole && part == problem;
    text += "\n- " + indented(part);
  }
  if (!whole) text += "\nhnhost inspect --weights " + folder_.string() + " lists every tensor";
  throw Several(code_, text, problems_);
}

}  // namespace hn
