// A dry run of a model's loading: which tensors it wants and which a folder has, without reading
// them; behind hn.weights_audit/1.
//
//   class MyReward final : public hn::TorchReward, public hn::AuditsWeights { ... };
//   HN_PLUGIN(MyReward, ...);
//
// The plugin's whole constructor runs with tensors that have a shape alone: device_option() gives
// at::kMeta, and each component's WeightMap::finish() reports instead of throwing, so that
// everything wrong with a folder is told at once.
#pragma once

#include <hn/weights_audit.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <hn/cpp/plugin.hpp>
#include <string>
#include <vector>

namespace hn {

struct WeightReport {
  std::string model;                          // the component's name in messages
  std::filesystem::path path;                 // the file, index or folder
  std::uint64_t tensors = 0, parameters = 0;  // wanted
  std::vector<std::string> missing, wrong_shape, unexpected;
};

// As the JSON object that hn_weights_audit_v1.audit hands out.
std::string to_json(const WeightReport& report);

// While it lives, loading in this thread is only reported, to `sink`.
class WeightReporting {
 public:
  explicit WeightReporting(std::function<void(const WeightReport&)> sink);
  ~WeightReporting();
  WeightReporting(const WeightReporting&) = delete;
  WeightReporting& operator=(const WeightReporting&) = delete;
};
bool reporting_weights();
void add_weight_report(const WeightReport& report);

// A base for plugin classes that load through device_option() and WeightMap.
class AuditsWeights {
 public:
  template <class Self>
  static const void* plugin_interface(std::string_view id) {
    static constexpr hn_weights_audit_v1 table = {&audit<Self>};
    return id == HN_WEIGHTS_AUDIT_V1 ? &table : nullptr;
  }

 private:
  template <class Self>
  static hn_status HN_CALL audit(const hn_host_v1* host, const hn_config* config, void* ctx,
                                 void(HN_CALL* component)(void* ctx, hn_str json),
                                 hn_error* error) {
    return guard(error, [&] {
      if (host == nullptr || component == nullptr)
        throw Error(HN_INVALID_ARGUMENT, "[audit] the host's table or component is NULL");
      const WeightReporting reporting([&](const WeightReport& report) {
        const std::string json = to_json(report);
        component(ctx, str(json));
      });
      const Self dry{Host(host), Config(host, config)};
    });
  }
};

}  // namespace hn
