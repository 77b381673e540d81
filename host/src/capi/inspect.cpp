// The C API over this folder.
#include <hnhost/hnhost.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "capi/arguments.hpp"
#include "capi/text.hpp"
#include "host/host.hpp"
#include "inspect/describe.hpp"
#include "inspect/dry_run.hpp"
#include "inspect/layers.hpp"
#include "support/files.hpp"

extern "C" hn_status hnhost_inspect_weights(hnhost* host, hn_str path, hn_str name,
                                            hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    using hn::host::need;
    *need(out, "hnhost_inspect_weights", "out") = nullptr;
    hn::host::Host& open = need(host, "hnhost_inspect_weights", "host")->host;
    const std::filesystem::path weights = hn::host::tidy(std::string(hn::view(path)));
    nlohmann::ordered_json answer = hn::inspect::describe_weights(weights);
    answer["read_by"] = hn::inspect::dry_runs(open, weights, std::string(hn::view(name)));
    using Json = nlohmann::ordered_json;
    hn::host::give_text(answer.dump(1, ' ', false, Json::error_handler_t::replace), out);
  });
}

extern "C" hn_status hnhost_inspect_layers(hnhost* host, hn_str name, hn_str weights,
                                           hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    using hn::host::need;
    *need(out, "hnhost_inspect_layers", "out") = nullptr;
    hn::host::Host& open = need(host, "hnhost_inspect_layers", "host")->host;
    const std::string folder(hn::view(weights));
    const auto answer = hn::inspect::adapter_layers(
        open, std::string(hn::view(name)),
        folder.empty() ? std::filesystem::path() : hn::host::tidy(folder));
    using Json = nlohmann::ordered_json;
    hn::host::give_text(answer.dump(1, ' ', false, Json::error_handler_t::replace), out);
  });
}
