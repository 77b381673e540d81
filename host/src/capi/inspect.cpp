// hnhost.h: what weights are, by dry runs of the plugins' loading.
#include <nlohmann/json.hpp>

#include "capi/entry.hpp"
#include "inspect/describe.hpp"
#include "inspect/dry_run.hpp"
#include "inspect/layers.hpp"
#include "support/files.hpp"

extern "C" hn_status hnhost_inspect_weights(hnhost* host, hn_str path, hn_str name,
                                            hnhost_text** out, hn_error* error) {
  using hn::host::text_of;
  constexpr const char* kWhere = "hnhost_inspect_weights";
  return hn::host::answering(kWhere, host, out, error, [&](hn::host::Host& open) {
    const std::filesystem::path weights =
        hn::host::tidy(std::string(text_of(path, kWhere, "path")));
    const std::string asked(text_of(name, kWhere, "name"));
    nlohmann::ordered_json answer = hn::inspect::describe_weights(weights);
    answer["read_by"] = hn::inspect::dry_runs(open, weights, asked);
    return hn::host::dumped(answer);
  });
}

extern "C" hn_status hnhost_inspect_layers(hnhost* host, hn_str name, hn_str weights,
                                           hnhost_text** out, hn_error* error) {
  using hn::host::text_of;
  constexpr const char* kWhere = "hnhost_inspect_layers";
  return hn::host::answering(kWhere, host, out, error, [&](hn::host::Host& open) {
    const std::string folder(text_of(weights, kWhere, "weights"));
    return hn::host::dumped(hn::inspect::adapter_layers(
        open, std::string(text_of(name, kWhere, "name")),
        folder.empty() ? std::filesystem::path() : hn::host::tidy(folder)));
  });
}
