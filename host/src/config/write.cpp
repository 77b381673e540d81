#include <absl/strings/str_join.h>

#include "config/fields.hpp"
#include "support/byte_size.hpp"
#include "support/cat.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

struct Writer {
  std::string out;

  void line(const char* key, const std::string& value) { out += cat(key, " = ", value, "\n"); }
  void text(const char* key, const std::string& field) { line(key, toml_string(field)); }
  void path(const char* key, const std::filesystem::path& field) { text(key, field.string()); }
  void flag(const char* key, bool field) { line(key, field ? "true" : "false"); }
  template <class Integer>
  void integer(const char* key, Integer field, std::int64_t, std::int64_t) {
    line(key, cat(field));
  }
  void number(const char* key, double field, double, double) { line(key, toml_float(field)); }
  void bytes(const char* key, std::uint64_t field) {
    text(key, field == 0 ? std::string() : format_bytes(field));
  }
  void maybe(const char* key, const std::optional<double>& field) {
    if (field) line(key, toml_float(*field));
  }
  void list(const char* key, const std::vector<std::string>& field) {
    line(key, toml_value(core::OptionValue(field)));
  }
  void integers(const char* key, const std::vector<std::int64_t>& field) {
    line(key, cat("[", absl::StrJoin(field, ", "), "]"));
  }
  template <class Enum, std::size_t N>
  void choice(const char* key, Enum field, const EnumNames<Enum, N>& names) {
    for (const auto& [name, value] : names)
      if (value == field) text(key, std::string(name));
  }
  void options(const char* header, const core::Options& options) {
    if (options.empty()) return;
    out += cat("\n[", header, "]\n");
    for (const auto& [key, value] : options)
      out += cat(toml_key(key), " = ", toml_value(value), "\n");
  }
};

}  // namespace

std::string to_toml(const RunConfig& config) {
  RunConfig c = config;  // the visitors take fields that they may write
  Writer w;
  visit_top(w, c);
  w.options("generator_options", c.generator_options);
  for (RewardConfig& reward : c.rewards) {
    w.out += "\n[[reward]]\n";
    visit_reward(w, reward);
    w.options("reward.options", reward.options);
  }
  for (core::GuardSpec& guard : c.guards) {
    w.out += "\n[[guard]]\n";
    visit_guard(w, guard);
  }
  w.out += "\n[net]\n";
  visit_net(w, c.net);
  w.out += "\n[train]\n";
  visit_train(w, c.train);
  w.out += "\n[validation]\n";
  visit_validation(w, c.validation);
  w.out += "\n[eval]\n";
  visit_eval(w, c.eval);
  w.out += "\n[pictures]\n";
  visit_pictures(w, c.pictures);
  w.out += "\n[worker]\n";
  visit_worker(w, c.worker);
  w.out += "\n[run]\n";
  visit_run(w, c.run);
  if (c.search.given) {
    w.out += "\n[search]\n";
    visit_search(w, c.search);
  }
  return w.out;
}

}  // namespace hn::host
