#include "core/lora_config_keys.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <hn/cpp/error.hpp>
#include <vector>

namespace hn::core {
namespace {

using Json = nlohmann::ordered_json;

struct Known {
  const char* key;
  const char* why;
};

// Read by lora_config.cpp.
constexpr std::array kRead = {"peft_type",         "bias",
                              "init_lora_weights", "r",
                              "lora_alpha",        "use_rslora",
                              "rank_pattern",      "alpha_pattern",
                              "target_modules",    "exclude_modules",
                              "layers_pattern",    "layers_to_transform"};

// What they say does not reach y += scale * B(A(x)).
constexpr std::array<Known, 19> kHarmless = {{
    {"auto_mapping", "names the model's class"},
    {"base_model_name_or_path", "names the model"},
    {"revision", "of the model"},
    {"task_type", "picks a wrapper for language models"},
    {"inference_mode", "whether peft trains it further"},
    {"peft_version", "who wrote it"},
    {"lora_dropout", "training alone"},
    {"runtime_config", "peft itself does not read it from files"},
    {"merge_weights", "when peft 0.1 added the change, not which"},
    {"fan_in_fan_out", "of layers that store [in, out]; linear and convolution layers do not"},
    {"loftq_config", "of the initialisation, which init_lora_weights names"},
    {"eva_config", "of the initialisation"},
    {"corda_config", "of the initialisation"},
    {"lora_ga_config", "of the initialisation"},
    {"velora_config", "another backward pass in training"},
    {"megatron_core", "a module's name, used with megatron_config"},
    {"qalora_group_size", "used with use_qalora"},
    {"ensure_weight_tying", "which matrices are shared in training; the file holds them"},
    {"modules_to_tie", "as ensure_weight_tying"},
}};

// Another method, or more than A and B. Set means: not null, false or empty.
constexpr std::array<Known, 15> kRefused = {{
    {"use_dora", "DoRA, weights of another direction and length"},
    {"lora_bias", "a bias of B"},
    {"modules_to_save", "modules that were trained and saved whole"},
    {"trainable_token_indices", "trained embeddings of tokens"},
    {"target_parameters", "matrices on parameters that are no layers"},
    {"layer_replication", "a network with layers repeated"},
    {"megatron_config", "Megatron's parallel layers"},
    {"use_qalora", "QA-LoRA, an A over groups of inputs"},
    {"use_bdlora", "BD-LoRA, block-diagonal matrices"},
    {"arrow_config", "Arrow, several adapters with a router"},
    {"kasa_config", "KaSA, a base without its smallest singular values and a diagonal"},
    {"monteclora_config", "Monte Carlo LoRA, sampled weights"},
    {"alora_invocation_tokens", "activated LoRA, which begins at some token"},
    {"enable_lora", "the merged layers of peft 0.1"},
    {"target_modules_to_tie", "shared adapters of tied layers"},
}};

// Initialisations that leave the base weights alone: what was trained stands in A and B.
constexpr std::array kPlainStarts = {"gaussian", "orthogonal", "eva", "mica"};
// These take their first A and B out of the base weights.
constexpr std::array kChangingStarts = {"pissa", "corda", "olora", "loftq", "lora_ga"};

bool is_set(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  return !value.is_null() && !(value.is_structured() && value.empty()) &&
         !(value.is_string() && value.get_ref<const std::string&>().empty());
}

// Everything wrong, told at once.
class Refusals {
 public:
  explicit Refusals(std::string where) : where_(std::move(where)) {}
  void add(const std::string& what) { lines_.push_back(what); }
  void finish() const {
    if (lines_.empty()) return;
    std::string text = "[adapter] " + where_ + ": ";
    for (const std::string& line : lines_) text += (lines_.size() > 1 ? "\n  " : "") + line;
    throw Error(HN_UNSUPPORTED, text);
  }

 private:
  std::string where_;
  std::vector<std::string> lines_;
};

void check_start(const Json& config, Refusals& refusals) {
  const auto found = config.find("init_lora_weights");
  if (found == config.end() || found->is_null() || found->is_boolean()) return;
  const auto is_a = [&](const auto& starts, const std::string& name) {
    return std::any_of(starts.begin(), starts.end(),
                       [&](const char* start) { return name.starts_with(start); });
  };
  std::string name = found->is_string() ? found->get<std::string>() : "";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::find(kPlainStarts.begin(), kPlainStarts.end(), name) != kPlainStarts.end()) return;
  const std::string key = "init_lora_weights " + short_text(*found) + " is not supported: ";
  if (is_a(kChangingStarts, name))
    refusals.add(key +
                 "the matrices belong to base weights that peft changes when it makes such an "
                 "adapter. Save it as plain LoRA: save_pretrained(..., "
                 "path_initial_model_for_weight_conversion=FOLDER_OF_THE_UNTRAINED_ADAPTER), or "
                 "merge it in peft and use the merged weights");
  else
    refusals.add(key +
                 "expected true, false, \"gaussian\", \"orthogonal\", \"eva\" or \"mica\", which "
                 "leave the base weights alone");
}

void check_keys(const Json& config, Refusals& refusals) {
  for (const auto& [key, value] : config.items()) {
    const auto is_key = [&, name = key](const auto& known) { return name == known.key; };
    if (std::find(kRead.begin(), kRead.end(), key) != kRead.end()) continue;
    if (std::any_of(kHarmless.begin(), kHarmless.end(), is_key) || !is_set(value)) continue;
    const auto refused = std::find_if(kRefused.begin(), kRefused.end(), is_key);
    if (refused != kRefused.end())
      refusals.add(key + " is not supported (" + refused->why + ")");
    else
      refusals.add(key + " = " + short_text(value) +
                   " is not known here and could change the result; where it does not, set it to "
                   "null");
  }
  const auto text = [&](const char* key, const char* otherwise) -> std::string {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return otherwise;
    return found->is_string() ? found->get<std::string>() : short_text(*found);
  };
  if (const std::string type = text("peft_type", "LORA"); type != "LORA")
    refusals.add("peft_type " + type + " is not supported");
  if (const std::string bias = text("bias", "none"); bias != "none")
    refusals.add("bias \"" + bias + "\" is not supported (trained biases of the base)");
  check_start(config, refusals);
}

}  // namespace

std::string short_text(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

void check_lora_keys(const Json& config, const std::string& where) {
  Refusals refusals(where);
  check_keys(config, refusals);
  refusals.finish();
}

}  // namespace hn::core
