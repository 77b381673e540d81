// hnhost.h: open and close, list and inspect, resolve. Nothing here loads a plugin or LibTorch.
#include <hn/cpp/error.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "capi/arguments.hpp"
#include "host/host.hpp"
#include "capi/text.hpp"
#include "support/cat.hpp"

namespace {

using hn::host::give_text;
using hn::host::need;

// File names need not be UTF-8; JSON must be.
std::string dumped(const nlohmann::json& json) {
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

extern "C" {

hn_status hnhost_open(const hnhost_options* options, hnhost** out, hn_error* error) {
  return hn::guard(error, [&] {
    *need(out, "hnhost_open", "out") = nullptr;
    const hnhost_options known = hn::known_part(options);
    if (known.flags != 0)
      throw hn::Error(HN_UNSUPPORTED, hn::host::cat("[hnhost_open] unknown flags ", known.flags));
    hn::host::HostOptions made;
    made.plugin_path = hn::view(known.plugin_path);
    if (known.log != nullptr)
      made.log = [log = known.log, ctx = known.log_ctx](std::int32_t level, std::string_view text) {
        log(ctx, level, hn::str(text));
      };
    *out = new hnhost{hn::host::Host(std::move(made))};
  });
}

void hnhost_close(hnhost* host) { hn::host::HostUse::drop(host); }

hn_status hnhost_list(hnhost* host, hn_str kind, hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    *need(out, "hnhost_list", "out") = nullptr;
    give_text(dumped(need(host, "hnhost_list", "host")->host.registry().list(hn::view(kind))), out);
  });
}

hn_status hnhost_inspect(hnhost* host, hn_str name, hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    *need(out, "hnhost_inspect", "out") = nullptr;
    const auto& registry = need(host, "hnhost_inspect", "host")->host.registry();
    give_text(dumped(registry.inspect(hn::view(name))), out);
  });
}

hn_status hnhost_resolve(hnhost* host, hn_str config, hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    *need(out, "hnhost_resolve", "out") = nullptr;
    const auto& open = need(host, "hnhost_resolve", "host")->host;
    give_text(hn::host::to_toml(open.configure(hn::view(config))), out);
  });
}

}  // extern "C"
