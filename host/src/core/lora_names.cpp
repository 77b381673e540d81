#include "core/lora_names.hpp"

#include <algorithm>
#include <array>
#include <hn/formats/json_file.hpp>
#include <regex>
#include <utility>

namespace hn::core {
namespace {

struct Ending {
  std::string_view text;
  LoraPart part;
};
constexpr std::array<Ending, 9> kEndings = {{{".lora_down.weight", LoraPart::kA},
                                             {".lora_up.weight", LoraPart::kB},
                                             {".lora.down.weight", LoraPart::kA},
                                             {".lora.up.weight", LoraPart::kB},
                                             {".lora_linear_layer.down.weight", LoraPart::kA},
                                             {".lora_linear_layer.up.weight", LoraPart::kB},
                                             {"_lora.down.weight", LoraPart::kA},
                                             {"_lora.up.weight", LoraPart::kB},
                                             {".alpha", LoraPart::kAlpha}}};

struct Beginning {
  std::string_view text;
  const char* format;
};
constexpr std::array<Beginning, 6> kBeginnings = {{{"base_model.model.", "peft"},
                                                   {"transformer.", "diffusers"},
                                                   {"unet.", "diffusers"},
                                                   {"lora_unet_", "kohya"},
                                                   {"lora_transformer_", "kohya"},
                                                   {"diffusion_model.", "flux"}}};
// "#" stands for a number or nothing.
constexpr std::array<Beginning, 15> kTextEncoders = {{{"text_encoder#.", "diffusers"},
                                                      {"text_encoder_#.", "diffusers"},
                                                      {"text_encoders.", "comfyui"},
                                                      {"lora_te#_", "kohya"},
                                                      {"lora_prior_te_", "kohya"},
                                                      {"lora_clip#_", "kohya"},
                                                      {"clip_l.", "comfyui"},
                                                      {"clip_g.", "comfyui"},
                                                      {"t5xxl.", "comfyui"},
                                                      {"cond_stage_model.", "comfyui"},
                                                      {"conditioner.embedders.", "comfyui"},
                                                      {"text_model.", "diffusers"},
                                                      {"transformer.text_model.", "comfyui"},
                                                      {"base_model.model.text_model.", "peft"},
                                                      {"bundle_emb.", "kohya"}}};

// The format of the text encoder that the key begins with; the beginning is taken off.
const char* take_text_encoder(std::string_view& key) {
  for (const Beginning& beginning : kTextEncoders) {
    const std::size_t number = std::min(beginning.text.find('#'), beginning.text.size());
    std::string_view rest = key;
    if (!rest.starts_with(beginning.text.substr(0, number))) continue;
    rest.remove_prefix(number);
    if (number < beginning.text.size()) {
      rest.remove_prefix(std::min(rest.find_first_not_of("0123456789"), rest.size()));
      const std::string_view end = beginning.text.substr(number + 1);
      if (!rest.starts_with(end)) continue;
      rest.remove_prefix(end.size());
    }
    if (rest.empty()) continue;
    key = rest;
    return beginning.format;
  }
  return nullptr;
}

bool take_end(std::string_view& text, std::string_view end) {
  if (text.size() <= end.size() || !text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

// "PATH.lora_A.weight" or "PATH.lora_A.ADAPTER.weight"; takes it off.
std::optional<LoraPart> take_peft_end(std::string_view& text) {
  std::string_view rest = text;
  if (!take_end(rest, ".weight")) return std::nullopt;
  for (const auto& [mark, part] : {std::pair{std::string_view(".lora_A"), LoraPart::kA},
                                   std::pair{std::string_view(".lora_B"), LoraPart::kB}}) {
    const std::size_t at = rest.rfind(mark);
    if (at == std::string_view::npos || at == 0) continue;
    const std::string_view adapter = rest.substr(at + mark.size());
    const bool one_word = adapter.empty() || (adapter.front() == '.' && adapter.size() > 1 &&
                                              adapter.find('.', 1) == std::string_view::npos);
    if (!one_word) continue;
    text = rest.substr(0, at);
    return part;
  }
  return std::nullopt;
}

std::optional<LoraPart> take_part(std::string_view& text) {
  if (const auto part = take_peft_end(text)) return part;
  for (const Ending& ending : kEndings)
    if (take_end(text, ending.text)) return ending.part;
  return std::nullopt;
}

std::string flat_name(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

// diffusers' attention processors: "attn1.processor.to_out" is attn1.to_out.0.
std::string without_processor(const std::string& module) {
  static const std::regex kProcessor(
      R"((.*)\.processor\.(to_q|to_k|to_v|to_out|add_k_proj|add_v_proj))");
  std::smatch match;
  if (!std::regex_match(module, match, kProcessor)) return module;
  const std::string layer = match[1].str() + "." + match[2].str();
  return match[2] == "to_out" ? layer + ".0" : layer;
}

// FLUX's original names, flat, and what diffusers calls them; '|' parts fused modules, '~' marks
// swapped halves.
struct FluxName {
  const char* pattern;
  const char* layers;
};
constexpr std::array<FluxName, 20> kFlux = {{
    {"double_blocks_(\\d+)_img_attn_qkv",
     "transformer_blocks.$1.attn.to_q|transformer_blocks.$1.attn.to_k|transformer_blocks.$1.attn."
     "to_v"},
    {"double_blocks_(\\d+)_txt_attn_qkv",
     "transformer_blocks.$1.attn.add_q_proj|transformer_blocks.$1.attn.add_k_proj|"
     "transformer_blocks.$1.attn.add_v_proj"},
    {"double_blocks_(\\d+)_img_attn_proj", "transformer_blocks.$1.attn.to_out.0"},
    {"double_blocks_(\\d+)_txt_attn_proj", "transformer_blocks.$1.attn.to_add_out"},
    {"double_blocks_(\\d+)_img_mlp_0", "transformer_blocks.$1.ff.net.0.proj"},
    {"double_blocks_(\\d+)_img_mlp_2", "transformer_blocks.$1.ff.net.2"},
    {"double_blocks_(\\d+)_txt_mlp_0", "transformer_blocks.$1.ff_context.net.0.proj"},
    {"double_blocks_(\\d+)_txt_mlp_2", "transformer_blocks.$1.ff_context.net.2"},
    {"double_blocks_(\\d+)_img_mod_lin", "transformer_blocks.$1.norm1.linear"},
    {"double_blocks_(\\d+)_txt_mod_lin", "transformer_blocks.$1.norm1_context.linear"},
    {"single_blocks_(\\d+)_linear1",
     "single_transformer_blocks.$1.attn.to_q|single_transformer_blocks.$1.attn.to_k|"
     "single_transformer_blocks.$1.attn.to_v|single_transformer_blocks.$1.proj_mlp"},
    {"single_blocks_(\\d+)_linear2", "single_transformer_blocks.$1.proj_out"},
    {"single_blocks_(\\d+)_modulation_lin", "single_transformer_blocks.$1.norm.linear"},
    {"img_in", "x_embedder"},
    {"txt_in", "context_embedder"},
    {"(time|vector|guidance)_in_in_layer", "time_text_embed.$1_embedder.linear_1"},
    {"(time|vector|guidance)_in_out_layer", "time_text_embed.$1_embedder.linear_2"},
    {"final_layer_linear", "proj_out"},
    {"final_layer_adaLN_modulation_1", "~norm_out.linear"},
    {"final_layer_adaLN_modulation_lin", "~norm_out.linear"},
}};

std::optional<LoraTarget> flux_target(const std::string& flat) {
  for (const FluxName& name : kFlux) {
    std::smatch match;
    if (!std::regex_match(flat, match, std::regex(name.pattern))) continue;
    std::string layers = match.format(name.layers);
    LoraTarget target;
    target.swapped = layers.front() == '~';
    if (target.swapped) layers.erase(0, 1);
    for (std::size_t at = 0; at <= layers.size();) {
      const std::size_t end = std::min(layers.find('|', at), layers.size());
      std::string layer = layers.substr(at, end - at);
      for (const auto& [from, to] :
           {std::pair{"time_text_embed.time_embedder", "time_text_embed.timestep_embedder"},
            std::pair{"time_text_embed.vector_embedder", "time_text_embed.text_embedder"}})
        if (layer.starts_with(from)) layer.replace(0, std::string_view(from).size(), to);
      target.layers.push_back(std::move(layer));
      at = end + 1;
    }
    return target;
  }
  return std::nullopt;
}

}  // namespace

bool is_text_encoder_key(std::string_view key) { return take_text_encoder(key) != nullptr; }

std::optional<LoraKey> parse_lora_key(std::string_view key) {
  LoraKey parsed;
  const auto part = take_part(key);
  if (!part) return std::nullopt;
  parsed.part = *part;
  if (const char* format = take_text_encoder(key)) {
    parsed.format = format;
    parsed.text_encoder = true;
  }
  for (const Beginning& beginning : kBeginnings) {
    if (parsed.text_encoder || !key.starts_with(beginning.text) ||
        key.size() == beginning.text.size())
      continue;
    key.remove_prefix(beginning.text.size());
    parsed.format = beginning.format;
    break;
  }
  if (*parsed.format == 0) parsed.format = "diffusers";  // older files have no prefix
  parsed.module = key;
  return parsed;
}

LoraNames::LoraNames(std::span<const AdapterLayer> layers) {
  for (const AdapterLayer& layer : layers) {
    layers_.emplace(layer.name, layer);
    const auto [entry, fresh] = flat_.emplace(flat_name(layer.name), layer.name);
    if (!fresh && entry->second != layer.name) entry->second.clear();
  }
}

const AdapterLayer* LoraNames::find(std::string_view layer) const {
  const auto found = layers_.find(layer);
  return found == layers_.end() ? nullptr : &found->second;
}

std::optional<LoraTarget> LoraNames::target(const std::string& module) const {
  const std::string plain = without_processor(module);
  if (find(plain) != nullptr) return LoraTarget{{plain}, false};
  const std::string flat = flat_name(plain);
  const auto found = flat_.find(flat);
  if (found != flat_.end() && !found->second.empty()) return LoraTarget{{found->second}, false};
  auto flux = flux_target(flat);
  if (!flux) return std::nullopt;
  for (const std::string& layer : flux->layers)
    if (find(layer) == nullptr) return std::nullopt;
  return flux;
}

std::vector<std::string> LoraNames::nearest(const std::string& module) const {
  std::vector<std::string> names;
  for (const auto& [name, layer] : layers_) names.push_back(name);
  return nearest_names(module, names);
}

}  // namespace hn::core
