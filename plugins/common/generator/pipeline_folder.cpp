#include "generator/pipeline_folder.hpp"

#include <hn/cpp/error.hpp>

#include "json/json_file.hpp"

namespace hn {

void check_pipeline_folder(const std::filesystem::path& folder, const std::string& model,
                           const std::string& class_name, PipelineProblems& problems) {
  if (!std::filesystem::is_directory(folder))
    throw Error(
        HN_NOT_FOUND,
        "[" + model + "] weights: expected a folder in diffusers layout, got " + folder.string());
  const auto file = folder / "model_index.json";
  if (!std::filesystem::exists(file)) return;
  problems.attempt([&] {
    const auto json = read_json_file(file);
    JsonObject index(json, "[" + model + "] " + file.string());
    const auto name = index.get_or<std::string>("_class_name", class_name);
    if (name != class_name)
      throw Error(HN_UNSUPPORTED,
                  index.where() + ": _class_name: expected " + class_name + ", got " + name);
  });
}

WeightFiles open_part(const std::filesystem::path& part, const std::string& variant) {
  if (variant.empty()) return WeightFiles::open(part);
  for (const char* name : {"diffusion_pytorch_model.", "pytorch_model."})
    if (const auto file = part / (name + variant + ".bin"); std::filesystem::exists(file))
      return WeightFiles::open(file);
  return SafetensorsFolder::open(part, variant);
}

}  // namespace hn
