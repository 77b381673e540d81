#include "run/adapter_folder.hpp"

#include "json/json_file.hpp"
#include "safetensors/safetensors.hpp"

namespace hn::run {
namespace {

constexpr const char* kWeights = "adapter_model.safetensors";
constexpr const char* kConfig = "adapter_config.json";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kSuffix = ".lora_A.weight";

}  // namespace

std::filesystem::path adapter_folder(const std::filesystem::path& path) {
  for (const auto& folder : {path, path / "adapter"})
    if (std::filesystem::exists(folder / kWeights)) return folder;
  throw Error(HN_NOT_FOUND, "[adapter] expected " + std::string(kWeights) + " in " + path.string() +
                                " or " + (path / "adapter").string());
}

core::NetSpec read_net(const std::filesystem::path& folder) {
  core::NetSpec net;
  const nlohmann::json config = read_json_file(folder / kConfig);
  JsonObject object(config, (folder / kConfig).string());
  net.rank = object.get<std::int64_t>("r");
  net.alpha = object.get<double>("lora_alpha");
  const SafetensorsFile file = SafetensorsFile::open(folder / kWeights);
  for (const TensorView& tensor : file.tensors()) {
    std::string_view name = tensor.name;
    if (!name.ends_with(kSuffix)) continue;
    name.remove_suffix(kSuffix.size());
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    net.targets.emplace_back(name);
  }
  if (net.targets.empty())
    throw Error(HN_DATA_LOSS,
                "[" + (folder / kWeights).string() +
                    "] expected tensors named base_model.model.<layer>.lora_A.weight, "
                    "got none of " +
                    std::to_string(file.tensors().size()));
  const auto kind = file.metadata().find("hn.net");
  net.kind = kind != file.metadata().end() && kind->second == "finetune" ? core::NetKind::kFinetune
                                                                         : core::NetKind::kHypernet;
  return net;
}

}  // namespace hn::run
