#include "overlay.hpp"

#include <regex>
#include <sstream>

#include "command.hpp"
#include "files/text.hpp"

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

std::string toml_value(const std::string& text) {
  static const std::regex value(
      R"(true|false|[+-]?\d[\d_]*(\.\d[\d_]*)?([eE][+-]?\d+)?|".*"|'.*'|\[[^]*\]|\{[^]*\})");
  return std::regex_match(text, value) ? text : toml_text(text);
}

std::string toml_number(const std::string& text, const std::string& where) {
  static const std::regex number(R"([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)");
  if (!std::regex_match(text, number))
    throw UsageError(HN_INVALID_ARGUMENT, "[" + where + "] expected a number, got '" + text + "'");
  std::ostringstream toml;
  toml.precision(17);
  toml << std::stod(text);
  std::string out = toml.str();
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
  static const std::regex key(R"([A-Za-z0-9_\-]+(\.([A-Za-z0-9_\-]+|"[^"]+"))*)");
  const std::size_t equals = assignment.find('=');
  const std::string name = assignment.substr(0, equals);
  if (equals == std::string::npos || !std::regex_match(name, key))
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

}  // namespace hn::cli
