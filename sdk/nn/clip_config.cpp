#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/transformers_keys.hpp>
#include <hn/nn/clip_config.hpp>
#include <utility>

namespace hn {
namespace {

std::int64_t positive(JsonObject& json, const std::string& key, std::int64_t otherwise) {
  const auto value = json.get_or<std::int64_t>(key, otherwise);
  if (value < 1) json.fail(key, "a number of at least 1");
  return value;
}

ClipActivation read_activation(JsonObject& json) {
  const auto name = json.get_or<std::string>("hidden_act", "quick_gelu");
  if (name == "quick_gelu") return ClipActivation::kQuickGelu;
  if (name == "gelu" || name == "gelu_python") return ClipActivation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast")
    return ClipActivation::kGeluTanh;
  throw Error(HN_UNSUPPORTED, json.where() +
                                  ": hidden_act: expected quick_gelu, gelu, gelu_new, "
                                  "gelu_pytorch_tanh or gelu_fast, got " +
                                  name);
}

ClipEncoderConfig read_encoder(JsonObject& json, std::int64_t width, std::int64_t intermediate,
                               std::int64_t layers, std::int64_t heads) {
  ClipEncoderConfig config;
  config.width = positive(json, "hidden_size", width);
  config.intermediate = positive(json, "intermediate_size", intermediate);
  config.layers = positive(json, "num_hidden_layers", layers);
  config.heads = positive(json, "num_attention_heads", heads);
  config.layer_norm_eps = json.get_or<double>("layer_norm_eps", 1e-5);
  config.activation = read_activation(json);
  if (config.width % config.heads != 0)
    json.fail("num_attention_heads", "a divisor of hidden_size " + std::to_string(config.width));
  return config;
}

// Old files carry text_config_dict and vision_config_dict, which win over text_config and
// vision_config where they are not null.
std::pair<const nlohmann::json*, std::string> tower_json(JsonObject& json, const std::string& key) {
  const nlohmann::json* old = json.optional_member(key + "_dict");
  const nlohmann::json* current = json.optional_member(key);
  if (old != nullptr) return {old, json.where() + ": " + key + "_dict"};
  static const nlohmann::json kEmpty = nlohmann::json::object();
  return {current != nullptr ? current : &kEmpty, json.where() + ": " + key};
}

}  // namespace

ClipTextConfig parse_clip_text_config(const nlohmann::json& value, const std::string& where) {
  JsonObject json(value, where);
  ClipTextConfig config;
  config.encoder = read_encoder(json, 512, 2048, 12, 8);
  config.vocab_size = positive(json, "vocab_size", config.vocab_size);
  config.max_positions = positive(json, "max_position_embeddings", config.max_positions);
  config.eos_token_id = json.get_or<std::int64_t>("eos_token_id", config.eos_token_id);
  ignore_transformers_keys(json);
  json.finish();
  return config;
}

ClipVisionConfig parse_clip_vision_config(const nlohmann::json& value, const std::string& where) {
  JsonObject json(value, where);
  ClipVisionConfig config;
  config.encoder = read_encoder(json, 768, 3072, 12, 12);
  config.image_size = positive(json, "image_size", config.image_size);
  config.patch_size = positive(json, "patch_size", config.patch_size);
  config.channels = positive(json, "num_channels", config.channels);
  if (config.patch_size > config.image_size)
    json.fail("patch_size", "at most the image_size " + std::to_string(config.image_size));
  if (config.channels != 3) json.fail("num_channels", "3");
  ignore_transformers_keys(json);
  json.ignore({"eos_token_id"});
  json.finish();
  return config;
}

ClipConfig read_clip_config(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  const nlohmann::json document = read_json_file(path);
  JsonObject json(document, "[clip] " + path.string());
  const auto type = json.get_or<std::string>("model_type", "clip");
  if (type != "clip")
    throw Error(HN_UNSUPPORTED, json.where() + ": model_type: expected clip, got " + type);
  ClipConfig config;
  config.projection_dim = positive(json, "projection_dim", config.projection_dim);
  const auto [text, text_where] = tower_json(json, "text_config");
  const auto [vision, vision_where] = tower_json(json, "vision_config");
  json.ignore({"logit_scale_init_value", "eos_token_id"});
  ignore_transformers_keys(json);
  json.finish();
  config.text = parse_clip_text_config(*text, text_where);
  config.vision = parse_clip_vision_config(*vision, vision_where);
  return config;
}

}  // namespace hn
