#include <unicode/uregex.h>

#include <array>
#include <hn/cpp/error.hpp>
#include <hn/text/regex.hpp>
#include <hn/text/unicode.hpp>
#include <limits>

namespace hn::text {
namespace {

// Steps of ICU's engine, each about a millisecond: a pattern from a foreign file may be written to
// take for ever, on one match or on all matches of a text together.
constexpr std::int32_t kTimeLimit = 5000;

// Spellings of Python's re that Oniguruma, for which a tokenizer.json is written, does not have.
// Returns the first of them that stands in the pattern, or nothing.
std::string_view python_spelling(std::string_view pattern) {
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    for (const std::string_view spelling : {"(?P<", "(?P=", "(?P>", "(?L)", "(?L:"})
      if (pattern.substr(at).starts_with(spelling)) return spelling;
    if (pattern[at] == '\\') ++at;
  }
  return {};
}

// ICU calls this about once a millisecond of one match; `used` counts over all of a text.
UBool go_on(const void* used, std::int32_t) {
  return ++*static_cast<std::int32_t*>(const_cast<void*>(used)) <= kTimeLimit ? 1 : 0;
}

// What Oniguruma's Ruby syntax and ICU both accept and read differently.
void refuse_ambiguous(std::string_view pattern, const std::string& where) {
  constexpr std::array<std::string_view, 13> kAmbiguous = {"\\h", "\\H", "\\K",      "\\y", "\\Y",
                                                           "\\O", "\\N", "\\R",      "\\v", "\\Q",
                                                           "\\G", "(?m", "[:punct:]"};
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    for (const std::string_view sequence : kAmbiguous) {
      if (pattern.substr(at, sequence.size()) == sequence) {
        throw Error(HN_UNSUPPORTED,
                    where + ": expected a pattern without " + std::string(sequence) +
                        ", which engines read differently, got \"" + std::string(pattern) + "\"");
      }
    }
    if (pattern[at] == '\\') ++at;
  }
}

// Byte offset of every UTF-16 unit of `text`, and of its end.
std::vector<std::size_t> byte_offsets(std::string_view text, std::size_t units) {
  std::vector<std::size_t> offsets;
  offsets.reserve(units + 1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    offsets.push_back(begin);
    if (next_code_point(text, at) > 0xFFFF) offsets.push_back(begin);
  }
  offsets.push_back(text.size());
  return offsets;
}

class PartList {
 public:
  void match(std::size_t begin, std::size_t end) {
    if (covered_ != begin) parts_.push_back({covered_, begin, false});
    parts_.push_back({begin, end, true});
    covered_ = end;
  }
  std::vector<Part> finish(std::size_t size) {
    // An empty text is one part that is no match, as upstream has it.
    if (covered_ != size || (size == 0 && parts_.empty()))
      parts_.push_back({covered_, size, false});
    return std::move(parts_);
  }

 private:
  std::vector<Part> parts_;
  std::size_t covered_ = 0;
};

}  // namespace

struct Regex::Handle {
  URegularExpression* regex = nullptr;
  std::int32_t used = 0;  // steps on the text at hand
  std::string pattern;
  std::string where;
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { uregex_close(regex); }

  void check(UErrorCode status) const {
    if (U_FAILURE(status)) {
      throw Error(HN_INVALID_ARGUMENT, where + ": expected a text that the pattern \"" + pattern +
                                           "\" can search in time, got " + u_errorName(status));
    }
  }
};

Regex::Regex(std::string_view pattern, const std::string& where)
    : handle_(std::make_shared<Handle>()) {
  refuse_ambiguous(pattern, where);
  if (const std::string_view python = python_spelling(pattern); !python.empty())
    throw Error(HN_UNSUPPORTED, where + ": expected a pattern in Oniguruma's syntax, got \"" +
                                    std::string(pattern) + "\" with " + std::string(python) +
                                    ", which Python alone reads");
  handle_->pattern = pattern;
  handle_->where = where;
  const std::u16string wide = to_utf16(pattern);
  if (wide.empty() || wide.size() > 100000)
    throw Error(HN_UNSUPPORTED, where + ": expected a pattern of 1 to 100000 characters, got " +
                                    std::to_string(wide.size()));
  UErrorCode status = U_ZERO_ERROR;
  UParseError place{};
  constexpr std::uint32_t flags =
      std::uint32_t{UREGEX_MULTILINE} | std::uint32_t{UREGEX_UNIX_LINES};
  handle_->regex =
      uregex_open(wide.data(), static_cast<std::int32_t>(wide.size()), flags, &place, &status);
  if (U_SUCCESS(status)) uregex_setTimeLimit(handle_->regex, kTimeLimit, &status);
  if (U_FAILURE(status)) {
    throw Error(HN_UNSUPPORTED, where + ": expected a regular expression, got \"" +
                                    std::string(pattern) + "\": " + u_errorName(status) +
                                    " at character " + std::to_string(place.offset));
  }
  uregex_setMatchCallback(handle_->regex, go_on, &handle_->used, &status);
  handle_->check(status);
}

std::vector<Part> Regex::cut(std::string_view text) const {
  const std::u16string wide = to_utf16(text);
  if (wide.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(HN_INVALID_ARGUMENT, handle_->where + ": expected a text below 2 GiB, got " +
                                         std::to_string(text.size()) + " bytes");
  }
  const bool same_offsets = wide.size() == text.size();
  const std::vector<std::size_t> offsets =
      same_offsets ? std::vector<std::size_t>() : byte_offsets(text, wide.size());
  const auto to_bytes = [&](std::int32_t unit) {
    return same_offsets ? static_cast<std::size_t>(unit) : offsets[static_cast<std::size_t>(unit)];
  };

  URegularExpression* regex = handle_->regex;
  handle_->used = 0;
  UErrorCode status = U_ZERO_ERROR;
  uregex_setText(regex, wide.data(), static_cast<std::int32_t>(wide.size()), &status);
  PartList parts;
  std::int32_t last_end = -1;
  while (uregex_findNext(regex, &status) != 0 && U_SUCCESS(status)) {
    const std::int32_t begin = uregex_start(regex, 0, &status);
    const std::int32_t end = uregex_end(regex, 0, &status);
    handle_->check(status);
    // Oniguruma's iterator takes no empty match right behind the one before.
    if (begin == end && begin == last_end) continue;
    parts.match(to_bytes(begin), to_bytes(end));
    last_end = end;
  }
  handle_->check(status);
  uregex_setText(regex, u"", 0, &status);  // wide goes away with this call
  return parts.finish(text.size());
}

std::vector<Part> cut_by_literal(std::string_view text, std::string_view literal) {
  PartList parts;
  if (!literal.empty()) {
    for (std::size_t at = text.find(literal); at != std::string_view::npos;
         at = text.find(literal, at + literal.size())) {
      parts.match(at, at + literal.size());
    }
  }
  return parts.finish(text.size());
}

std::vector<Part> cut_by_character(std::string_view text,
                                   const std::function<bool(char32_t)>& matches) {
  PartList parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (matches(next_code_point(text, at))) parts.match(begin, at);
  }
  return parts.finish(text.size());
}

}  // namespace hn::text
