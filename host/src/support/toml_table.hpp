// A TOML table read key by key. Every problem names file and line; a key that nobody asked for is
// refused with the nearest one that is known (or noted, in a document that tolerates it), and so is
// a text with a zero byte.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/session.hpp"

namespace hn::host {

// Cheap to copy. Getters return nothing for an absent key and throw HN_INVALID_ARGUMENT,
// "FILE:LINE: [where] key: expected ..., got ...", for a value of another type.
class TomlTable {
 public:
  // name: of the file, for messages; empty means a text from memory, "configuration line N: ...".
  // overlay: the key of a table that is laid over the document (tables key by key, everything else
  // replaced) and then gone; empty for none.
  static TomlTable parse(std::string_view text, const std::string& name,
                         const std::string& overlay = "");

  std::optional<std::string> find_str(const std::string& key);
  std::optional<std::int64_t> find_i64(const std::string& key);
  // In range, or "expected LEAST to MOST, got VALUE".
  std::optional<std::int64_t> find_i64(const std::string& key, std::int64_t least,
                                       std::int64_t most);
  std::optional<double> find_f64(const std::string& key);  // an integer will do
  std::optional<bool> find_bool(const std::string& key);
  std::optional<std::vector<std::string>> find_list(const std::string& key);
  std::optional<std::vector<std::int64_t>> find_i64_list(const std::string& key);
  std::optional<std::vector<double>> find_f64_list(const std::string& key);  // integers will do
  std::optional<core::OptionValue> find_value(const std::string& key);       // of any option type
  std::optional<TomlTable> find_table(const std::string& key);
  std::vector<TomlTable> find_tables(const std::string& key);  // [[key]]; empty when absent
  // A table of options: nested tables become keys with dots.
  core::Options find_options(const std::string& key);

  std::string need_str(const std::string& key);
  std::int64_t need_i64(const std::string& key);
  TomlTable need_table(const std::string& key);

  bool has(const std::string& key) const;
  std::vector<std::string> keys() const;
  // Refuses every key that was not asked for. Known keys are those that were.
  void finish() const;

  // From here on object() notes in the whole document, instead of refusing: a file of a newer hn is
  // read as far as it is understood.
  void tolerate();
  // What a newer hn might have meant: refuses as fail() does, or where the document tolerates it
  // notes the same text.
  void object(const std::string& key, const std::string& text) const;
  // Everything that was noted in the document, in the order of reading.
  const std::vector<std::string>& notes() const;
  // Of a key of the document, tables joined by dots, entries of [[options]] as "options.min":
  // whether it stands there, and whether some reader asked for it.
  bool stands(const std::string& path) const;
  bool understood(const std::string& path) const;

  // Throws with file, line (of the key, or of the table when key is empty) and place.
  [[noreturn]] void fail(const std::string& key, const std::string& text) const;

 private:
  // For a key that must be there: a key of nearly its name is taken for it.
  [[noreturn]] void missing(const std::string& key, const std::string& what) const;
  struct Impl;
  explicit TomlTable(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// The type of an option value as people read it: "text", "an integer", ...
std::string_view option_type(const core::OptionValue& value);

// A text as a TOML basic string, with its quotes.
std::string toml_string(std::string_view text);
// A number that reads back to the same bits, always with a point or an exponent.
std::string toml_float(double value);
// A key, quoted only when it must be.
std::string toml_key(std::string_view key);
// An option value as TOML.
std::string toml_value(const core::OptionValue& value);

}  // namespace hn::host
