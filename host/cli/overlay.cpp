#include "overlay.hpp"

#include <array>
#include <charconv>
#include <hn/formats/text.hpp>
#include <sstream>

#include "numbers.hpp"

namespace hn::cli {

std::string toml_text(std::string_view text) {
  if (const std::size_t bad = invalid_utf8(text); bad != std::string_view::npos)
    throw UsageError(HN_INVALID_ARGUMENT, "[command line] expected text in UTF-8, got '" +
                                              escaped_bytes(text) + "' (byte " +
                                              std::to_string(bad) + ")");
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
          out += c;
        } else {
          static constexpr char kDigits[] = "0123456789abcdef";
          out += std::string("\\u00") + kDigits[byte >> 4] + kDigits[byte & 15];
        }
      }
    }
  }
  return out + "\"";
}

std::string toml_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) out += (out.size() > 1 ? ", " : "") + toml_text(text);
  return out + "]";
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// TOML's decimal numbers: no leading zero, underscores only between digits.
bool is_toml_number(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&](bool may_lead_with_zero) {
    const std::size_t begin = at;
    while (at < text.size() && (is_digit(text[at]) || (text[at] == '_' && at > begin))) {
      if (text[at] == '_' && (at + 1 == text.size() || !is_digit(text[at + 1]))) return false;
      ++at;
    }
    return at > begin && (may_lead_with_zero || at == begin + 1 || text[begin] != '0');
  };
  const auto sign = [&] {
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  };
  sign();
  if (!digits(false)) return false;
  if (at < text.size() && text[at] == '.' && (++at, !digits(true))) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    sign();
    if (!digits(true)) return false;
  }
  return at == text.size();
}

// "train.lr", "reward_options.\"a b\"": parts of letters, digits, '_' and '-', or, after the first,
// in quotes.
bool is_dotted_key(std::string_view key) {
  for (bool first = true;; first = false) {
    std::size_t end = 0;
    if (!first && key.starts_with('"')) {
      end = key.find('"', 1);
      if (end == std::string_view::npos || end == 1) return false;
      ++end;
    } else {
      const auto bare = [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               c == '-';
      };
      while (end < key.size() && bare(key[end])) ++end;
      if (end == 0) return false;
    }
    if (end == key.size()) return true;
    if (key[end] != '.') return false;
    key.remove_prefix(end + 1);
  }
}

// In a pair of marks, such as quotes.
bool is_between(std::string_view text, char open, char close) {
  return text.size() >= 2 && text.front() == open && text.back() == close;
}

}  // namespace

std::string toml_value(const std::string& text) {
  const bool toml = text == "true" || text == "false" || is_toml_number(text) ||
                    is_between(text, '"', '"') || is_between(text, '\'', '\'') ||
                    is_between(text, '[', ']') || is_between(text, '{', '}');
  return toml ? text : toml_text(text);
}

std::string toml_number(const std::string& text, const std::string& where) {
  const double value = parse_number(text, where);
  std::array<char, 32> digits{};
  std::string out(digits.data(),
                  std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

NamedWeight parse_reward(const std::string& text) {
  // The last '=', so that a path with one can still be named.
  const std::size_t equals = text.rfind('=');
  NamedWeight reward{text.substr(0, equals),
                     equals == std::string::npos ? "" : text.substr(equals + 1)};
  if (reward.name.empty())
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[--reward] expected NAME or NAME=WEIGHT, got '" + text + "'");
  if (equals != std::string::npos)
    reward.weight = toml_number(reward.weight, "--reward " + reward.name);
  return reward;
}

void Overlay::assign(const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string name = assignment.substr(0, equals);
  if (equals == std::string::npos || !is_dotted_key(name))
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[--set] expected KEY=VALUE such as train.lr=0.001, got '" + assignment + "'");
  set(name, toml_value(assignment.substr(equals + 1)));
}

std::string Overlay::over_file(const std::string& file) const {
  std::string text;
  if (!file.empty()) {
    try {
      text = read_text(file);
    } catch (const Error& error) {
      throw UsageError(error.code(),
                       std::string("[--config] expected a TOML file: ") + error.what());
    }
  }
  return values_.empty() ? text : text + "\n[set]\n" + lines();
}

std::string Overlay::lines() const {
  std::string text;
  for (const auto& [key, value] : values_) {
    text += key;
    text += " = ";
    text += value;
    text += '\n';
  }
  return text;
}

std::string with_config_file(const std::string& error, const std::string& file) {
  constexpr std::string_view kPlace = "[configuration] line ";
  if (file.empty() || !error.starts_with(kPlace)) return error;
  std::size_t line = 0;
  const char* begin = error.data() + kPlace.size();
  const char* end = std::from_chars(begin, error.data() + error.size(), line).ptr;
  try {
    if (line > text_lines(read_text(file)).size()) return error;
  } catch (const Error&) {  // it went away meanwhile
    return error;
  }
  return file + ":" + std::string(begin, end) + std::string(end);
}

}  // namespace hn::cli
