#include "run/finished_run.hpp"

#include "support/files.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSummed[] = {"adapter/adapter_model.safetensors",
                                   "adapter/adapter_config.json", "adapter/noise_net.safetensors",
                                   "adapter/noise_net.json", "scores.json"};
constexpr const char* kPresent[] = {"report.html", "samples/before.png", "samples/after.png"};

}  // namespace

nlohmann::ordered_json file_sums(const RunDirectory& run) {
  auto sums = nlohmann::ordered_json::object();
  for (const char* name : kSummed)
    if (fs::exists(run.root() / name)) sums[name] = host::sha256_file(run.root() / name);
  return sums;
}

std::vector<std::string> missing_or_changed(const RunDirectory& run,
                                            const nlohmann::ordered_json& summary) {
  std::vector<std::string> wrong;
  // A summary of an earlier release has none.
  const auto sums = summary.value("files", nlohmann::ordered_json::object());
  for (const auto& [name, sum] : sums.items()) {
    if (!fs::exists(run.root() / name)) {
      wrong.push_back(name + " is missing");
    } else if (host::sha256_file(run.root() / name) != sum) {
      wrong.push_back(name + " has other bytes than the run wrote");
    }
  }
  for (const char* name : kPresent)
    if (!fs::exists(run.root() / name)) wrong.push_back(std::string(name) + " is missing");
  if (sums.empty() && summary.value("method", "") != "none" && !fs::exists(run.adapter()))
    wrong.emplace_back("adapter is missing");
  return wrong;
}

}  // namespace hn::host
