#include "core/lora_methods.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

namespace hn::core {
namespace {

struct Mark {
  std::string_view text;
  const char* method;
};

// Anywhere in a key.
constexpr std::array<Mark, 24> kInside = {{
    {"lora_magnitude_vector", "DoRA"},
    {"dora_scale", "DoRA"},
    {".hada_", "LoHa"},
    {".lokr_", "LoKr"},
    {"lora_mid", "LoCon, convolutions in three parts"},
    {".oft_", "OFT or BOFT"},
    {".boft_", "BOFT"},
    {".ia3_", "(IA)3"},
    {".hra_u", "HRA"},
    {".bone_", "Bone"},
    {".miss_", "MiSS"},
    {".vera_lambda", "VeRA"},
    {".randlora_", "RandLoRA"},
    {".fourierft_", "FourierFT"},
    {".delora_", "DeLoRA"},
    {".gralora_", "GraLoRA"},
    {".glora_", "GLoRA"},
    {".lora_E", "AdaLoRA"},
    {"ranknum", "AdaLoRA"},
    {".lora_diag", "KaSA"},
    {".lora_router", "a router of several adapters"},
    {"lora_embedding", "LoRA of an embedding"},
    {"lora_controlnet", "a control network"},
    {"modules_to_save", "a module that was saved whole"},
}};

// At a key's end.
constexpr std::array<Mark, 15> kAtEnd = {{
    {".diff", "a change of the whole weight"},
    {".diff_b", "a change of a bias"},
    {".set_weight", "a weight in place of the generator's"},
    {".reshape_weight", "a weight of another shape"},
    {".w_norm", "a norm's weight"},
    {".b_norm", "a norm's bias"},
    {".on_input", "(IA)3"},
    {".a1.weight", "GLoRA"},
    {".a2.weight", "GLoRA"},
    {".b1.weight", "GLoRA"},
    {".b2.weight", "GLoRA"},
    {".scalar", "LyCORIS with a factor beside alpha"},
    {".lora_up.bias", "a bias of B"},
    {".lora.up.bias", "a bias of B"},
    {".lora_linear_layer.up.bias", "a bias of B"},
}};

std::string said(std::string_view mark, const char* method) {
  if (mark.front() == '.') mark.remove_prefix(1);
  return std::string(mark) + " is not supported (" + method + ")";
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::optional<std::string> other_method(std::string_view key) {
  for (const Mark& mark : kInside)
    if (key.find(mark.text) != std::string_view::npos) return said(mark.text, mark.method);
  for (const Mark& mark : kAtEnd)
    if (key.ends_with(mark.text)) return said(mark.text, mark.method);
  // peft's, with the adapter's name between.
  if (key.find(".lora_B") != std::string_view::npos && key.ends_with(".bias"))
    return said("lora_B.bias", "a bias of B");
  return std::nullopt;
}

std::optional<std::string> other_method(const std::map<std::string, std::string>& metadata) {
  const auto module = metadata.find("ss_network_module");
  if (module == metadata.end()) return std::nullopt;
  const std::string name = lower(module->second);
  for (const char* other : {"loha", "lokr", "oft", "glora", "ia3", "dora", "full"})
    if (name.find(other) != std::string::npos)
      return "ss_network_module " + module->second + " is not supported";
  const auto arguments = metadata.find("ss_network_args");
  if (arguments == metadata.end()) return std::nullopt;
  // Kohya writes a JSON object of texts; whoever writes something else says nothing here.
  const auto json = nlohmann::json::parse(arguments->second, nullptr, false);
  const auto value = [&](const char* key) -> std::string {
    if (!json.is_object()) return "";
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return "";
    return lower(found->is_string() ? found->get<std::string>() : found->dump());
  };
  const std::string algorithm = value("algo");
  if (!algorithm.empty() && algorithm != "lora" && algorithm != "locon" && algorithm != "dylora")
    return "ss_network_args: algo " + algorithm + " is not supported";
  for (const char* key : {"dora_wd", "weight_decompose"})
    if (value(key) == "true" || value(key) == "1")
      return std::string("ss_network_args: ") + key + " is not supported (DoRA)";
  return std::nullopt;
}

}  // namespace hn::core
