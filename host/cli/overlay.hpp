// Flags as TOML: what is laid over the configuration file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hn::cli {

// A text as a TOML basic string, with its quotes; a list of them. Throws UsageError for what is no
// UTF-8, which TOML cannot hold.
std::string toml_text(std::string_view text);
std::string toml_list(const std::vector<std::string>& texts);

// What a user typed, as a TOML value: itself where it is one, else a text.
std::string toml_value(const std::string& text);
// A number as TOML has it, see parse_number. Throws UsageError "[where] ..." for anything else.
std::string toml_number(const std::string& text, const std::string& where);

// "clip=5" -> {clip, 5}; "clip" -> {clip, ""}. Throws UsageError for a weight that is no number or
// an empty name.
struct NamedWeight {
  std::string name;
  std::string weight;
};
NamedWeight parse_reward(const std::string& text);

// Keys with dots and their TOML values; a later value of a key wins.
class Overlay {
 public:
  void set(const std::string& key, std::string toml) { values_[key] = std::move(toml); }
  void set_text(const std::string& key, std::string_view text) { set(key, toml_text(text)); }
  // "train.lr=0.01" as --set has it. A value that is not TOML by itself is taken as a text, so that
  // quotes are rarely needed. Throws UsageError without '=' or with a bad key.
  void assign(const std::string& assignment);

  // One "key = value" a line.
  std::string lines() const;

  // The file's text with the table [set] behind it; throws UsageError for a file that
  // cannot be read or is no UTF-8 text.
  std::string over_file(const std::string& file) const;

 private:
  std::map<std::string, std::string> values_;
};

// An error "[configuration] line 3: ..." as "FILE:3: ..." where that line is the file's own; lines
// behind it are the flags', and stay as they are.
std::string with_config_file(const std::string& error, const std::string& file);

}  // namespace hn::cli
