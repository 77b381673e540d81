#include "run/adapter_folder.hpp"

#include <hn/formats/input_file.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/safetensors.hpp>

#include "support/files.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPeft = "adapter_model.safetensors";
constexpr const char* kDiffusers = "pytorch_lora_weights.safetensors";
constexpr const char* kNoiseNet = "noise_net.json";

// The core reads the rest; the kind decides what the session is opened with.
core::NetKind noise_net_kind(const fs::path& folder, const std::string& asked) {
  const nlohmann::json json = read_json_file(folder / kNoiseNet);
  JsonObject object(json, "[adapter] " + (folder / kNoiseNet).string());
  const auto type = object.get<std::string>("type");
  if (!asked.empty() && asked != type)
    throw Error(HN_INVALID_ARGUMENT, "[adapter] kind: " + folder.string() +
                                         " has a noise network of type " + type + ", got '" +
                                         asked + "'");
  for (const core::NetKind kind : {core::NetKind::kLowFrequency, core::NetKind::kConstant})
    if (type == core::name_of(kind)) return kind;
  object.fail("type", "\"low-frequency\" or \"constant\"");
}

}  // namespace

fs::path adapter_path(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_directory(status)) {
    const bool part = path.filename() == kNoiseNet || path.filename() == "noise_net.safetensors";
    if (part && fs::exists(fs::absolute(path).parent_path() / kNoiseNet, ignored))
      return fs::absolute(path).parent_path();
    const InputFile readable(path, "[adapter] " + path.string());
    return path;
  }
  for (const auto& folder : {path, path / "adapter"})
    for (const char* name :
         {kPeft, "adapter_model.bin", kDiffusers, "pytorch_lora_weights.bin", kNoiseNet})
      if (fs::exists(folder / name, ignored)) return folder;
  throw Error(HN_NOT_FOUND, "[adapter] expected a LoRA file, or " + std::string(kPeft) + ", " +
                                kDiffusers + " or " + kNoiseNet + " in " + path.string() + " or " +
                                (path / "adapter").string());
}

core::NetKind adapter_kind(const fs::path& adapter, const std::string& asked) {
  std::error_code ignored;
  if (fs::exists(adapter / kNoiseNet, ignored)) return noise_net_kind(adapter, asked);
  if (asked == "hypernet") return core::NetKind::kHypernet;
  if (asked == "finetune") return core::NetKind::kFinetune;
  if (!asked.empty())
    throw Error(HN_INVALID_ARGUMENT,
                "[adapter] kind: expected \"hypernet\" or \"finetune\", got '" + asked + "'");
  fs::path file = adapter;
  if (fs::is_directory(adapter, ignored))
    file = fs::exists(adapter / kPeft, ignored) ? adapter / kPeft : adapter / kDiffusers;
  if (fs::is_regular_file(file, ignored) && file.extension() == ".safetensors") {
    const SafetensorsFile opened = SafetensorsFile::open(file);
    const auto kind = opened.metadata().find("hn.net");
    if (kind != opened.metadata().end())
      return kind->second == "finetune" ? core::NetKind::kFinetune : core::NetKind::kHypernet;
  }
  const bool peft =
      file.stem() == "adapter_model" || fs::exists(adapter / "adapter_model.bin", ignored);
  return peft ? core::NetKind::kHypernet : core::NetKind::kFinetune;
}

std::optional<fs::path> run_config_of(const fs::path& adapter) {
  if (adapter.empty()) return std::nullopt;
  const fs::path folder = fs::absolute(adapter).lexically_normal();
  // Without a slash behind it, so that parent_path() is the run directory.
  const fs::path named = folder.has_filename() ? folder : folder.parent_path();
  const fs::path file = named.parent_path() / "config.toml";
  std::error_code ignored;
  if (named.filename() == "adapter" && fs::is_regular_file(file, ignored)) return file;
  return std::nullopt;
}

bool take_generator(const fs::path& run_config, host::RunConfig& config) {
  const host::RunConfig run = host::parse_config(host::read_file(run_config), run_config.string());
  if (config.generator_given && config.generator != run.generator) return false;
  config.generator = run.generator;
  config.generator_given = true;
  if (config.weights.empty()) config.weights = run.weights;
  if (config.dtype.empty()) config.dtype = run.dtype;
  for (const auto& [key, value] : run.generator_options)
    config.generator_options.try_emplace(key, value);
  return true;
}

}  // namespace hn::host
