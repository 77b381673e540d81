#include <absl/strings/str_join.h>

#include <set>

#include "config/fields.hpp"
#include "support/byte_size.hpp"
#include "support/cat.hpp"
#include "support/nearest.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

// Reads the fields of one table; a key that is absent leaves the default.
class Reader {
 public:
  explicit Reader(TomlTable table) : table_(std::move(table)) {}

  void text(const char* key, std::string& field) {
    if (auto value = table_.find_str(key)) field = *std::move(value);
  }
  void path(const char* key, std::filesystem::path& field) {
    if (auto value = table_.find_str(key)) field = *std::move(value);
  }
  void flag(const char* key, bool& field) {
    if (const auto value = table_.find_bool(key)) field = *value;
  }
  template <class Integer>
  void integer(const char* key, Integer& field, std::int64_t least, std::int64_t most) {
    if (const auto value = table_.find_i64(key, least, most)) field = static_cast<Integer>(*value);
  }
  void number(const char* key, double& field, double least, double most) {
    const auto value = table_.find_f64(key);
    if (!value) return;
    if (*value < least) table_.fail(key, cat("expected at least ", least, ", got ", *value));
    if (*value > most) table_.fail(key, cat("expected at most ", most, ", got ", *value));
    field = *value;
  }
  void bytes(const char* key, std::uint64_t& field) {
    const auto value = table_.find_str(key);
    if (!value) return;
    const auto parsed = value->empty() ? std::optional<std::uint64_t>(0) : parse_bytes(*value);
    if (!parsed) table_.fail(key, cat("expected ", kByteSizes, ", got '", *value, "'"));
    field = *parsed;
  }
  void maybe(const char* key, std::optional<double>& field) {
    if (const auto value = table_.find_f64(key)) field = *value;
  }
  void list(const char* key, std::vector<std::string>& field) {
    if (auto value = table_.find_list(key)) field = *std::move(value);
  }
  void integers(const char* key, std::vector<std::int64_t>& field) {
    auto value = table_.find_i64_list(key);
    if (!value) return;
    if (value->empty()) table_.fail(key, "expected at least one");
    for (const std::int64_t each : *value)
      if (each < 0) table_.fail(key, cat("expected 0 or more, got ", each));
    field = *std::move(value);
  }
  template <class Enum, std::size_t N>
  void choice(const char* key, Enum& field, const EnumNames<Enum, N>& names) {
    const auto value = table_.find_str(key);
    if (!value) return;
    std::vector<std::string> known;
    for (const auto& [name, each] : names) {
      if (name == *value) {
        field = each;
        return;
      }
      known.emplace_back(name);
    }
    table_.fail(key, cat("expected one of ", absl::StrJoin(known, ", "), ", got '", *value, "'"));
  }

  TomlTable& table() { return table_; }

 private:
  TomlTable table_;
};

// Lists keys; knows no values.
struct KeyLister {
  std::string prefix;
  std::vector<std::string>& keys;

  void add(const char* key) { keys.push_back(prefix + key); }
  void text(const char* key, std::string&) { add(key); }
  void path(const char* key, std::filesystem::path&) { add(key); }
  void flag(const char* key, bool&) { add(key); }
  template <class Integer>
  void integer(const char* key, Integer&, std::int64_t, std::int64_t) {
    add(key);
  }
  void number(const char* key, double&, double, double) { add(key); }
  void bytes(const char* key, std::uint64_t&) { add(key); }
  void maybe(const char* key, std::optional<double>&) { add(key); }
  void list(const char* key, std::vector<std::string>&) { add(key); }
  void integers(const char* key, std::vector<std::int64_t>&) { add(key); }
  template <class Enum, std::size_t N>
  void choice(const char* key, Enum&, const EnumNames<Enum, N>&) {
    add(key);
  }
};

template <class Visit, class Section>
void read_section(TomlTable& top, const char* name, Section& section, const Visit& visit) {
  std::optional<TomlTable> table = top.find_table(name);
  if (!table) return;
  Reader reader(*std::move(table));
  visit(reader, section);
  reader.table().finish();
}

RewardConfig read_reward(const TomlTable& table) {
  RewardConfig reward;
  Reader reader(table);
  visit_reward(reader, reward);
  reward.weight_given = reader.table().has("weight");
  reward.every_given = reader.table().has("every");
  reward.options = reader.table().find_options("options");
  reader.table().finish();
  if (reward.name.empty()) reader.table().fail("name", "expected the name of a reward");
  return reward;
}

core::GuardSpec read_guard(const TomlTable& table) {
  core::GuardSpec guard;
  Reader reader(table);
  visit_guard(reader, guard);
  if (guard.reward.empty()) reader.table().fail("reward", "expected the name of a reward");
  if (guard.bound.has_value() == guard.drop.has_value())
    reader.table().fail(guard.bound ? "drop" : "", "expected either bound or drop");
  reader.table().finish();
  return guard;
}

}  // namespace

RunConfig parse_config(std::string_view toml, const std::string& name) {
  RunConfig c;
  Reader top(TomlTable::parse(toml, name, "set"));
  visit_top(top, c);
  c.generator_given = top.table().has("generator");
  c.generator_options = top.table().find_options("generator_options");
  std::set<std::string> names;
  for (const TomlTable& table : top.table().find_tables("reward")) {
    c.rewards.push_back(read_reward(table));
    if (!names.insert(c.rewards.back().curve()).second)
      table.fail("name", cat("'", c.rewards.back().curve(), "' is given twice"));
  }
  for (const TomlTable& table : top.table().find_tables("guard"))
    c.guards.push_back(read_guard(table));
  read_section(top.table(), "net", c.net, [](auto& v, auto& s) { visit_net(v, s); });
  read_section(top.table(), "train", c.train, [](auto& v, auto& s) {
    visit_train(v, s);
    s.reg_weight_given = v.table().has("reg_weight");
    s.lr_given = v.table().has("lr");
  });
  read_section(top.table(), "validation", c.validation,
               [](auto& v, auto& s) { visit_validation(v, s); });
  read_section(top.table(), "eval", c.eval, [](auto& v, auto& s) { visit_eval(v, s); });
  read_section(top.table(), "pictures", c.pictures, [](auto& v, auto& s) { visit_pictures(v, s); });
  read_section(top.table(), "worker", c.worker, [](auto& v, auto& s) { visit_worker(v, s); });
  read_section(top.table(), "run", c.run, [](auto& v, auto& s) { visit_run(v, s); });
  c.search.given = top.table().has("search");
  read_section(top.table(), "search", c.search, [](auto& v, auto& s) { visit_search(v, s); });
  top.table().finish();
  return c;
}

std::vector<std::string> config_keys() {
  std::vector<std::string> keys;
  RunConfig c;
  RewardConfig reward;
  core::GuardSpec guard;
  const auto section = [&](const char* prefix, auto& fields, const auto& visit) {
    KeyLister lister{prefix, keys};
    visit(lister, fields);
  };
  section("", c, [](auto& v, auto& s) { visit_top(v, s); });
  keys.push_back("generator_options");
  section("reward[].", reward, [](auto& v, auto& s) { visit_reward(v, s); });
  keys.push_back("reward[].options");
  section("guard[].", guard, [](auto& v, auto& s) { visit_guard(v, s); });
  section("net.", c.net, [](auto& v, auto& s) { visit_net(v, s); });
  section("train.", c.train, [](auto& v, auto& s) { visit_train(v, s); });
  section("validation.", c.validation, [](auto& v, auto& s) { visit_validation(v, s); });
  section("eval.", c.eval, [](auto& v, auto& s) { visit_eval(v, s); });
  section("pictures.", c.pictures, [](auto& v, auto& s) { visit_pictures(v, s); });
  section("worker.", c.worker, [](auto& v, auto& s) { visit_worker(v, s); });
  section("run.", c.run, [](auto& v, auto& s) { visit_run(v, s); });
  section("search.", c.search, [](auto& v, auto& s) { visit_search(v, s); });
  keys.push_back("set");
  return keys;
}

}  // namespace hn::host
