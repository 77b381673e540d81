// hnhost.h: the contract suite.
#include <chrono>

#include "capi/entry.hpp"
#include "host/host.hpp"
#include "support/toml_table.hpp"
#include "validate/bundle.hpp"

namespace {

struct Request {
  std::string bundle;
  hn::core::Options options;
  hn::validate::Plan plan;
  bool list = false;
};

Request parse(std::string_view text) {
  auto table = hn::host::TomlTable::parse(text, "validate request");
  Request r;
  r.list = table.find_bool("list").value_or(false);
  if (!r.list) r.bundle = table.need_str("bundle");
  r.options = table.find_options("options");
  r.plan.checks = table.find_list("checks").value_or(std::vector<std::string>{});
  r.plan.per_check = std::chrono::seconds(table.find_i64("seconds", 1, 86'400).value_or(300));
  r.plan.side_by_side = static_cast<int>(table.find_i64("side_by_side", 0, 256).value_or(0));
  table.finish();
  return r;
}

std::string validated(hn::host::Host& host, Request& r, const hnhost_hooks* hooks) {
  const hn::core::Services services = hn::host::make_services(host, hooks);
  const auto began = std::chrono::steady_clock::now();
  const hn::validate::Subject subject =
      hn::validate::subject_of(host, r.bundle, std::move(r.options));
  if (services.progress)
    r.plan.progress = [&](const std::string& check, std::uint64_t done, std::uint64_t total) {
      services.progress("checking " + check, done, total);
    };
  r.plan.cancelled = services.cancelled;
  const auto rows = hn::validate::run_suite(subject, r.plan);
  return hn::validate::to_json(
      subject, rows,
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
}

}  // namespace

extern "C" hn_status hnhost_validate(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                                     hnhost_text** out, hn_error* error) {
  return hn::host::answering("hnhost_validate", host, request, hooks, out, error,
                             [&](hn::host::Host& open, std::string_view text) {
                               Request r = parse(text);
                               return r.list ? hn::validate::list_json()
                                             : validated(open, r, hooks);
                             });
}
