#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "core/adapter.hpp"
#include "core/lora_config.hpp"
#include "core/tensor_io.hpp"

namespace hn::core {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr const char* kWeights = "adapter_model.safetensors";
constexpr const char* kConfig = "adapter_config.json";

bool ends_with_path(std::string_view layer, std::string_view path) {
  return layer.size() > path.size() && layer.ends_with(path) &&
         layer[layer.size() - path.size() - 1] == '.';
}

// A list of paths, or one regular expression where the list would match more than itself.
nlohmann::json target_modules(const std::vector<std::string>& paths,
                              const std::vector<std::string>& all_layers) {
  const std::set<std::string> chosen(paths.begin(), paths.end());
  const bool ambiguous = std::any_of(all_layers.begin(), all_layers.end(), [&](const auto& layer) {
    return !chosen.contains(layer) &&
           std::any_of(paths.begin(), paths.end(),
                       [&](const auto& path) { return ends_with_path(layer, path); });
  });
  if (!ambiguous) return paths;
  std::string pattern;
  for (const std::string& path : paths) {
    if (!pattern.empty()) pattern += '|';
    for (const char c : path) {
      if (c == '.') pattern += '\\';
      pattern += c;
    }
  }
  return pattern;
}

// peft reads a whole alpha as an integer and others as they are.
nlohmann::json number(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

void check_config(const NetSpec& net, const std::filesystem::path& file, TensorProblems& problems) {
  try {
    static_cast<void>(read_lora_config(file.parent_path() / kWeights));
  } catch (const Error& error) {
    if (error.code() != HN_UNSUPPORTED) throw;
    problems.add(error.what());
  }
  const nlohmann::json config = read_json_file(file);
  JsonObject object(config, file.string());
  const auto type = object.get_or<std::string>("peft_type", "LORA");
  if (type != "LORA") problems.add("peft_type: expected LORA, got " + type);
  const auto rank = object.get<std::int64_t>("r");
  if (rank != net.rank)
    problems.add("rank: the session has " + std::to_string(net.rank) + ", the adapter " +
                 std::to_string(rank));
  const auto alpha = object.get<double>("lora_alpha");
  if (alpha != net.alpha)
    problems.add("alpha: the session has " + number(net.alpha).dump() + ", the adapter " +
                 number(alpha).dump());
  const auto refuse = [&](const char* key, bool present) {
    if (present) problems.add(std::string(key) + ": not supported");
  };
  refuse("use_rslora", object.get_or<bool>("use_rslora", false));
  for (const char* key : {"rank_pattern", "alpha_pattern"}) {
    const nlohmann::json* pattern = object.optional_member(key);
    refuse(key, pattern != nullptr && !pattern->empty());
  }
}

}  // namespace

void save_peft(const Adapter& adapter, const std::vector<std::string>& all_layers,
               const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    throw Error(HN_INTERNAL,
                "[adapter] cannot make the folder " + folder.string() + ": " + failed.message());
  TensorFile file;
  for (const Adapter::Matrix& matrix : adapter.matrices())
    file.add(std::string(kPrefix) + matrix.name, matrix.value);
  const nlohmann::json config = {{"alpha_pattern", nlohmann::json::object()},
                                 {"base_model_name_or_path", adapter.base_model()},
                                 {"bias", "none"},
                                 {"fan_in_fan_out", false},
                                 {"inference_mode", true},
                                 {"init_lora_weights", true},
                                 {"lora_alpha", number(adapter.net().alpha)},
                                 {"lora_dropout", 0.0},
                                 {"modules_to_save", nullptr},
                                 {"peft_type", "LORA"},
                                 {"r", adapter.net().rank},
                                 {"rank_pattern", nlohmann::json::object()},
                                 {"target_modules", target_modules(adapter.paths(), all_layers)},
                                 {"task_type", nullptr},
                                 {"use_dora", false},
                                 {"use_rslora", false}};
  file.write(folder / kWeights,
             {{"format", "pt"},
              {"hn.net", adapter.net().kind == NetKind::kFinetune ? "finetune" : "hypernet"}});
  write_file_atomically(folder / kConfig, config.dump(2) + "\n");
}

bool is_peft_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::is_directory(folder, ignored) &&
         !std::filesystem::exists(folder / "pytorch_lora_weights.safetensors", ignored);
}

void load_peft(Adapter& adapter, const std::filesystem::path& folder) {
  TensorProblems problems("[adapter] " + folder.string());
  check_config(adapter.net(), folder / kConfig, problems);
  const SafetensorsFile file = SafetensorsFile::open(folder / kWeights);
  std::vector<ExpectedTensorInto> wanted;
  const at::Tensor staged = at::zeros(adapter.values().sizes(), at::kFloat);
  for (const Adapter::Matrix& matrix : adapter.matrices())
    wanted.push_back({std::string(kPrefix) + matrix.name, adapter.part(staged, matrix)});
  read_tensors(file, wanted, problems);
  problems.finish();
  adapter.values().copy_(staged);
}

}  // namespace hn::core
