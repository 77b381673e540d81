#include "support/toml_table.hpp"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <set>

#include "support/cat.hpp"
#include "support/nearest.hpp"
#include "support/toml_parser.hpp"

namespace hn::host {
namespace {

struct Source {
  std::string name;
  toml::table root;
  bool tolerant = false;
  std::vector<std::string> notes;
  std::set<std::string> understood;  // paths of keys that a reader asked for

  std::string at(std::uint32_t line) const {
    if (name.empty()) return cat("[configuration] line ", line, ": ");
    return cat(name, ":", line, ": ");
  }
};

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "text";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a point";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
  }
}

// A zero byte ends a text for the system and for C: what stands behind it would be lost in silence.
bool has_zero_byte(const toml::node& node) {
  const auto* text = node.as_string();
  return text != nullptr && text->get().find('\0') != std::string::npos;
}

constexpr const char* kZeroByte = "expected text, got a zero byte in it";

// The type, and where it says more a text or a number: `text '010'`.
std::string described(const toml::node& node) {
  constexpr std::size_t kShown = 60;
  if (const auto* text = node.as_string())
    return cat("text '", text->get().substr(0, kShown), text->get().size() > kShown ? "..." : "",
               "'");
  if (const auto* number = node.as_floating_point())
    return cat(type_name(node), ", ", toml_float(number->get()));
  return std::string(type_name(node));
}

// Moves, because a copied node forgets its line.
void lay_over(toml::table& base, toml::table&& top) {
  for (auto&& [key, node] : top) {
    toml::node* old = base.get(key);
    if (old != nullptr && old->is_table() && node.is_table()) {
      lay_over(*old->as_table(), std::move(*node.as_table()));
      continue;
    }
    node.visit([&, &name = key](auto& value) { base.insert_or_assign(name, std::move(value)); });
  }
}

// Lists of tables stand for each of their entries.
bool contains_path(const toml::node& node, std::string_view path) {
  if (path.empty()) return true;
  if (const toml::array* items = node.as_array()) {
    for (const toml::node& item : *items)
      if (contains_path(item, path)) return true;
    return false;
  }
  const toml::table* table = node.as_table();
  if (table == nullptr) return false;
  // A key may hold dots itself: every way to take the path apart is tried.
  for (std::size_t dot = path.find('.');; dot = path.find('.', dot + 1)) {
    const bool last = dot == std::string_view::npos;
    const toml::node* below = table->get(path.substr(0, dot));
    if (below != nullptr && (last || contains_path(*below, path.substr(dot + 1)))) return true;
    if (last) return false;
  }
}

}  // namespace

struct TomlTable::Impl {
  std::shared_ptr<Source> source;
  const toml::table* table = nullptr;
  std::string where;  // "[reward]", empty for the top level
  std::string path;   // "reward.", empty for the top level
  std::set<std::string> asked;

  const toml::node* get(const std::string& key) {
    if (asked.insert(key).second) source->understood.insert(cat(path, key));
    return table->get(key);
  }
  std::string problem(const std::string& key, const std::string& text) const;
};

TomlTable TomlTable::parse(std::string_view text, const std::string& name,
                           const std::string& overlay) {
  auto source = std::make_shared<Source>();
  source->name = name;
  try {
    source->root = parse_toml(text, name);
  } catch (const TomlProblem& problem) {
    throw Error(HN_INVALID_ARGUMENT, cat(source->at(problem.line), "not TOML: ", problem.text));
  }
  if (!overlay.empty() && source->root.contains(overlay)) {
    toml::node* node = source->root.get(overlay);
    if (!node->is_table())
      throw Error(HN_INVALID_ARGUMENT, cat(source->at(node->source().begin.line), overlay,
                                           ": expected a table, got ", type_name(*node)));
    toml::table top = std::move(*node->as_table());
    source->root.erase(overlay);
    lay_over(source->root, std::move(top));
  }
  auto impl = std::make_shared<Impl>();
  impl->source = source;
  impl->table = &source->root;
  return TomlTable(std::move(impl));
}

std::string TomlTable::Impl::problem(const std::string& key, const std::string& text) const {
  const toml::node* node = key.empty() ? table : table->get(key);
  if (node == nullptr) node = table;
  const std::uint32_t line = std::max<std::uint32_t>(node->source().begin.line, 1);
  const std::string place = where.empty() ? "" : cat(where, " ");
  const std::string subject = key.empty() ? "" : cat(key, ": ");
  return cat(source->at(line), place, subject, text);
}

void TomlTable::fail(const std::string& key, const std::string& text) const {
  throw Error(HN_INVALID_ARGUMENT, impl_->problem(key, text));
}

void TomlTable::tolerate() { impl_->source->tolerant = true; }

void TomlTable::object(const std::string& key, const std::string& text) const {
  if (!impl_->source->tolerant) fail(key, text);
  impl_->source->notes.push_back(impl_->problem(key, text));
}

const std::vector<std::string>& TomlTable::notes() const { return impl_->source->notes; }

bool TomlTable::stands(const std::string& path) const {
  return contains_path(impl_->source->root, path);
}

bool TomlTable::understood(const std::string& path) const {
  return impl_->source->understood.contains(path);
}

void TomlTable::missing(const std::string& key, const std::string& what) const {
  // A slip of the pen is more likely than a key that was forgotten beside one of nearly its name.
  std::vector<std::string> others;
  for (const std::string& other : keys())
    if (!impl_->asked.contains(other)) others.push_back(other);
  const std::vector<std::string> near = nearest(key, others, 1);
  if (near.empty()) fail("", what);
  fail(near[0], cat("unknown key; did you mean '", key, "'? (", what, ")"));
}

std::optional<std::string> TomlTable::find_str(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (has_zero_byte(*node)) fail(key, kZeroByte);
  if (const auto* text = node->as_string()) return text->get();
  fail(key, cat("expected text, got ", type_name(*node)));
}

std::optional<std::int64_t> TomlTable::find_i64(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* number = node->as_integer()) return number->get();
  fail(key, cat("expected an integer, got ", described(*node)));
}

std::optional<std::int64_t> TomlTable::find_i64(const std::string& key, std::int64_t least,
                                                std::int64_t most) {
  const std::optional<std::int64_t> value = find_i64(key);
  if (value && (*value < least || *value > most))
    fail(key, cat("expected ", least, " to ", most, ", got ", *value));
  return value;
}

std::optional<double> TomlTable::find_f64(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* number = node->as_integer()) return static_cast<double>(number->get());
  if (const auto* number = node->as_floating_point()) {
    if (!std::isfinite(number->get()))
      fail(key, cat("expected a finite number, got ", toml_float(number->get())));
    return number->get();
  }
  fail(key, cat("expected a number, got ", described(*node)));
}

std::optional<bool> TomlTable::find_bool(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = node->as_boolean()) return value->get();
  fail(key, cat("expected true or false, got ", type_name(*node)));
}

std::optional<std::vector<std::string>> TomlTable::find_list(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_array()) fail(key, cat("expected a list of texts, got ", type_name(*node)));
  std::vector<std::string> values;
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_string())
      fail(key, cat("expected a list of texts, got ", type_name(item), " in it"));
    if (has_zero_byte(item)) fail(key, kZeroByte);
    values.push_back(item.as_string()->get());
  }
  return values;
}

std::optional<std::vector<std::int64_t>> TomlTable::find_i64_list(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_array()) fail(key, cat("expected a list of integers, got ", type_name(*node)));
  std::vector<std::int64_t> values;
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_integer())
      fail(key, cat("expected a list of integers, got ", type_name(item), " in it"));
    values.push_back(item.as_integer()->get());
  }
  return values;
}

std::optional<std::vector<double>> TomlTable::find_f64_list(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_array()) fail(key, cat("expected a list of numbers, got ", type_name(*node)));
  std::vector<double> values;
  for (const toml::node& item : *node->as_array()) {
    const auto number = item.value<double>();
    if (!item.is_number() || !number)
      fail(key, cat("expected a list of numbers, got ", type_name(item), " in it"));
    values.push_back(*number);
  }
  return values;
}

std::optional<core::OptionValue> TomlTable::find_value(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  switch (node->type()) {
    case toml::node_type::boolean: return node->as_boolean()->get();
    case toml::node_type::integer: return node->as_integer()->get();
    case toml::node_type::floating_point: return *find_f64(key);
    case toml::node_type::string: return *find_str(key);
    case toml::node_type::array: return *find_list(key);
    default:
      fail(key,
           cat("expected a number, text, true, false or a list of texts, got ", type_name(*node)));
  }
}

std::optional<TomlTable> TomlTable::find_table(const std::string& key) {
  const toml::node* node = impl_->get(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_table()) fail(key, cat("expected a table, got ", type_name(*node)));
  auto impl = std::make_shared<Impl>();
  impl->source = impl_->source;
  impl->table = node->as_table();
  impl->where = impl_->where.empty()
                    ? cat("[", key, "]")
                    : cat(impl_->where.substr(0, impl_->where.size() - 1), ".", key, "]");
  impl->path = cat(impl_->path, key, ".");
  return TomlTable(std::move(impl));
}

std::vector<TomlTable> TomlTable::find_tables(const std::string& key) {
  const toml::node* node = impl_->get(key);
  std::vector<TomlTable> tables;
  if (node == nullptr) return tables;
  const toml::array* items = node->as_array();
  if (items == nullptr) fail(key, cat("expected [[", key, "]] entries, got ", type_name(*node)));
  for (const toml::node& item : *items) {
    if (!item.is_table())
      fail(key, cat("expected [[", key, "]] entries, got ", type_name(item), " in it"));
    auto impl = std::make_shared<Impl>();
    impl->source = impl_->source;
    impl->table = item.as_table();
    const auto name = (*item.as_table())["name"].value<std::string>();
    impl->where = cat("[", key, name ? " " + *name : "", "]");
    impl->path = cat(impl_->path, key, ".");
    tables.push_back(TomlTable(std::move(impl)));
  }
  return tables;
}

core::Options TomlTable::find_options(const std::string& key) {
  core::Options options;
  std::optional<TomlTable> table = find_table(key);
  if (!table) return options;
  for (const std::string& name : table->keys()) {
    if (table->impl_->table->get(name)->is_table()) {
      for (auto& [inner, value] : table->find_options(name))
        options[cat(name, ".", inner)] = std::move(value);
    } else {
      options[name] = *table->find_value(name);
    }
  }
  return options;
}

std::string TomlTable::need_str(const std::string& key) {
  if (auto value = find_str(key)) return *std::move(value);
  missing(key, cat("the key '", key, "' is missing (text)"));
}

std::int64_t TomlTable::need_i64(const std::string& key) {
  if (auto value = find_i64(key)) return *value;
  missing(key, cat("the key '", key, "' is missing (an integer)"));
}

TomlTable TomlTable::need_table(const std::string& key) {
  if (auto value = find_table(key)) return *std::move(value);
  missing(key, cat("the table [", key, "] is missing"));
}

bool TomlTable::has(const std::string& key) const { return impl_->table->contains(key); }

std::vector<std::string> TomlTable::keys() const {
  std::vector<std::string> names;
  for (auto&& [key, node] : *impl_->table) names.emplace_back(key.str());
  return names;
}

void TomlTable::finish() const {
  for (const std::string& key : keys()) {
    if (impl_->asked.contains(key)) continue;
    const std::vector<std::string> known(impl_->asked.begin(), impl_->asked.end());
    object(key, cat("unknown key", suggestion(key, known)));
  }
}

std::string_view option_type(const core::OptionValue& value) {
  constexpr std::string_view kNames[] = {"true or false", "an integer", "a number", "text",
                                         "a list of texts"};
  return kNames[value.index()];
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += cat("\\u", absl::Hex(byte, absl::kZeroPad4));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string toml_float(double value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  std::string text(buffer, result.ptr);
  if (text.find_first_of(".eni") == std::string::npos) text += ".0";
  return text;
}

std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
  return bare ? std::string(key) : toml_string(key);
}

std::string toml_value(const core::OptionValue& value) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return cat(v); }
    std::string operator()(double v) const { return toml_float(v); }
    std::string operator()(const std::string& v) const { return toml_string(v); }
    std::string operator()(const std::vector<std::string>& v) const {
      return cat("[",
                 absl::StrJoin(v, ", ",
                               [](std::string* out, const std::string& item) {
                                 out->append(toml_string(item));
                               }),
                 "]");
    }
  };
  return std::visit(Visitor{}, value);
}

}  // namespace hn::host
