// hnhost.h: open and close, list and inspect, resolve. Nothing here loads a plugin or LibTorch.
#include <memory>
#include <nlohmann/json.hpp>

#include "capi/entry.hpp"

using hn::host::answering;
using hn::host::dumped;
using hn::host::text_of;

extern "C" {

hn_status hnhost_open(const hnhost_options* options, hnhost** out, hn_error* error) {
  constexpr const char* kWhere = "hnhost_open";
  return hn::host::giving(kWhere, out, error, [&] {
    hnhost_options known{};
    if (options != nullptr) known = hn::host::argument(options, kWhere, "options");
    if (known.n_plugin_paths != 0) hn::host::need(known.plugin_paths, kWhere, "plugin_paths");
    hn::host::HostOptions made;
    for (std::uint64_t i = 0; i < known.n_plugin_paths; ++i) {
      const auto path = text_of(known.plugin_paths[i], kWhere, hn::host::cat("plugin_paths ", i));
      if (path.empty())
        throw hn::Error(HN_INVALID_ARGUMENT, hn::host::cat("[hnhost_open] plugin_paths ", i,
                                                           ": expected a folder, got "
                                                           "an empty text"));
      made.plugin_paths.emplace_back(path);
    }
    made.isolation = text_of(known.isolation, kWhere, "isolation");
    if (known.log != nullptr)
      made.log = [log = known.log, ctx = known.log_ctx](std::int32_t level, std::string_view text) {
        log(ctx, level, hn::str(text));
      };
    *out = new hnhost{hn::host::Host(std::move(made))};
  });
}

void hnhost_close(hnhost* host) { hn::host::HostUse::drop(host); }

hn_status hnhost_list(hnhost* host, hn_str kind, hnhost_text** out, hn_error* error) {
  return answering("hnhost_list", host, out, error, [&](hn::host::Host& open) {
    return dumped(open.registry().list(text_of(kind, "hnhost_list", "kind")));
  });
}

hn_status hnhost_inspect(hnhost* host, hn_str name, hnhost_text** out, hn_error* error) {
  return answering("hnhost_inspect", host, out, error, [&](hn::host::Host& open) {
    return dumped(open.registry().inspect(text_of(name, "hnhost_inspect", "name")));
  });
}

hn_status hnhost_resolve(hnhost* host, hn_str config, hnhost_text** out, hn_error* error) {
  return answering("hnhost_resolve", host, out, error, [&](hn::host::Host& open) {
    return hn::host::to_toml(open.configure(text_of(config, "hnhost_resolve", "config")));
  });
}

}  // extern "C"
