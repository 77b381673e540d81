#include "run/adapter_folder.hpp"

#include "safetensors/safetensors.hpp"

namespace hn::run {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPeft = "adapter_model.safetensors";
constexpr const char* kDiffusers = "pytorch_lora_weights.safetensors";

}  // namespace

fs::path adapter_path(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return path;
  for (const auto& folder : {path, path / "adapter"})
    for (const char* name : {kPeft, "adapter_model.bin", kDiffusers, "pytorch_lora_weights.bin"})
      if (fs::exists(folder / name, ignored)) return folder;
  throw Error(HN_NOT_FOUND, "[adapter] expected a LoRA file, or " + std::string(kPeft) + " or " +
                                kDiffusers + " in " + path.string() + " or " +
                                (path / "adapter").string());
}

core::NetKind adapter_kind(const fs::path& adapter, const std::string& asked) {
  if (asked == "hypernet") return core::NetKind::kHypernet;
  if (asked == "finetune") return core::NetKind::kFinetune;
  if (!asked.empty())
    throw Error(HN_INVALID_ARGUMENT,
                "[adapter] kind: expected \"hypernet\" or \"finetune\", got '" + asked + "'");
  std::error_code ignored;
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

}  // namespace hn::run
