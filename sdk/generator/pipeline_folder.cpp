#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/generator/pipeline_folder.hpp>

namespace hn {
namespace {

// ["transformers", "CLIPTokenizer"]
void check_class(JsonObject& index, const PipelinePart& part) {
  const nlohmann::json* value = index.optional_member(part.name);
  if (value == nullptr) return;
  const auto entry = index.get<std::vector<std::string>>(part.name);
  if (entry.size() != 2) index.fail(part.name, "a library and a class");
  std::string known;
  for (const std::string& name : part.classes) {
    if (entry[1] == name) return;
    known += (known.empty() ? "" : " or ") + name;
  }
  throw Error(HN_UNSUPPORTED,
              index.where() + ": " + part.name + ": expected " + known + ", got " + entry[1]);
}

}  // namespace

void check_pipeline_folder(const std::filesystem::path& folder, const std::string& model,
                           const std::string& class_name, const std::vector<PipelinePart>& parts,
                           PipelineProblems& problems) {
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
    for (const PipelinePart& part : parts) check_class(index, part);
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
