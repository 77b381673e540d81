#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/nn/open_clip_config.hpp>

#include "nn/channel_numbers.hpp"

namespace hn {
namespace {

constexpr std::int64_t kHighestId = 2;  // ClipTextConfig::eos_token_id: pool at the highest id

std::int64_t positive(JsonObject& json, const std::string& key, std::int64_t otherwise) {
  const auto value = json.get_or<std::int64_t>(key, otherwise);
  if (value < 1) json.fail(key, "a number of at least 1");
  return value;
}

[[noreturn]] void unsupported(const JsonObject& json, const std::string& key,
                              const std::string& expected, const nlohmann::json& got) {
  throw Error(HN_UNSUPPORTED, json.where() + ": " + key + ": expected " + expected + ", got " +
                                  got.dump().substr(0, 60));
}

// A field that only its usual value, or its absence, is built for.
void only(JsonObject& json, const std::string& key, const nlohmann::json& usual) {
  const nlohmann::json* value = json.optional_member(key);
  if (value != nullptr && *value != usual)
    unsupported(json, key, usual.dump() + " or none", *value);
}

void absent(JsonObject& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const nlohmann::json* value = json.optional_member(key);
    if (value != nullptr && !(value->is_boolean() && !value->get<bool>()))
      unsupported(json, key, "none", *value);
  }
}

// 224 or [224, 224].
std::int64_t square(JsonObject& json, const std::string& key, std::int64_t otherwise) {
  const nlohmann::json* value = json.optional_member(key);
  if (value == nullptr || value->is_number()) return positive(json, key, otherwise);
  const auto sizes = json.get<std::vector<std::int64_t>>(key);
  if (sizes.size() != 2 || sizes[0] != sizes[1] || sizes[0] < 1)
    unsupported(json, key, "a square size", *value);
  return sizes[0];
}

double norm_eps(JsonObject& json) {
  if (!json.has("norm_kwargs")) return 1e-5;
  JsonObject norm = json.object("norm_kwargs");
  const double eps = norm.get_or<double>("eps", 1e-5);
  norm.finish();
  return eps;
}

ClipEncoderConfig encoder(JsonObject& json, std::int64_t width, ClipActivation activation) {
  ClipEncoderConfig config;
  if (const nlohmann::json* layers = json.optional_member("layers");
      layers != nullptr && layers->is_array())
    unsupported(json, "layers", "a number (a transformer; ResNets are not built)", *layers);
  config.width = positive(json, "width", width);
  config.layers = positive(json, "layers", 12);
  const double ratio = json.get_or<double>("mlp_ratio", 4.0);
  config.intermediate = static_cast<std::int64_t>(static_cast<double>(config.width) * ratio);
  if (!(ratio > 0.0) || config.intermediate < 1) json.fail("mlp_ratio", "a number above 0");
  config.layer_norm_eps = norm_eps(json);
  config.activation = activation;
  absent(json, {"ls_init_value", "final_ln_after_pool", "output_tokens"});
  only(json, "act_kwargs", nlohmann::json::object());
  return config;
}

ClipVisionConfig vision(JsonObject json, ClipActivation activation) {
  absent(json, {"timm_model_name", "attentional_pool", "no_ln_pre", "qk_norm", "scaled_cosine_attn",
                "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc", "input_patchnorm",
                "global_average_pool"});
  only(json, "pool_type", "tok");
  only(json, "pos_embed_type", "learnable");
  only(json, "block_type", "default");
  ClipVisionConfig config;
  config.encoder = encoder(json, 768, activation);
  const std::int64_t head_width = positive(json, "head_width", 64);
  config.encoder.heads = config.encoder.width / head_width;
  if (config.encoder.width % head_width != 0)
    json.fail("head_width", "a divisor of the width " + std::to_string(config.encoder.width));
  config.patch_size = positive(json, "patch_size", 16);
  config.image_size = square(json, "image_size", 224);
  if (config.patch_size > config.image_size)
    json.fail("patch_size", "at most the image_size " + std::to_string(config.image_size));
  // Training only, or of a pooler or timm tower that is refused above.
  json.ignore({"patch_dropout", "attn_pooler_queries", "attn_pooler_heads", "attentional_pool",
               "timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop",
               "timm_drop_path"});
  json.finish();
  return config;
}

ClipTextConfig text(JsonObject json, ClipActivation activation) {
  absent(json, {"hf_model_name", "embed_cls", "no_causal_mask", "proj_bias", "hf_tokenizer_name",
                "tokenizer_kwargs", "tokenizer_mode", "qk_norm"});
  only(json, "pool_type", "argmax");
  only(json, "proj_type", "linear");
  only(json, "block_type", "default");
  ClipTextConfig config;
  config.encoder = encoder(json, 512, activation);
  config.encoder.heads = positive(json, "heads", 8);
  if (config.encoder.width % config.encoder.heads != 0)
    json.fail("heads", "a divisor of the width " + std::to_string(config.encoder.width));
  config.max_positions = positive(json, "context_length", 77);
  config.vocab_size = positive(json, "vocab_size", 49408);
  config.eos_token_id = kHighestId;
  json.ignore({"pad_id", "eos_id", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"});
  json.finish();
  return config;
}

ClipPreprocess preprocess(const nlohmann::json* value, const std::string& where,
                          std::int64_t image_size) {
  ClipPreprocess p;
  p.resize_short_edge = image_size;
  p.crop_to = {image_size, image_size};
  p.official_crop = CropRounding::kHalfToEven;
  if (value == nullptr) return p;
  JsonObject json(*value, where + ": preprocess_cfg");
  const std::int64_t size = square(json, "size", image_size);
  if (size != image_size) json.fail("size", "the tower's image_size " + std::to_string(image_size));
  only(json, "mode", "RGB");
  only(json, "resize_mode", "shortest");
  const auto filter = json.get_or<std::string>("interpolation", "bicubic");
  if (filter != "bicubic" && filter != "bilinear")
    unsupported(json, "interpolation", "bicubic or bilinear", filter);
  p.filter = filter == "bicubic" ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
  p.mean = channel_means(json, "mean", p.mean);
  p.std = channel_deviations(json, "std", p.std);
  json.ignore({"fill_color"});  // of resize_mode longest
  json.finish();
  return p;
}

// The highest N of "PREFIX.N.", plus one.
std::int64_t count_layers(const WeightFiles& files, const std::string& prefix) {
  std::int64_t layers = 0;
  while (files.find(prefix + std::to_string(layers) + ".layer_norm1.weight") != nullptr) ++layers;
  return layers;
}

const std::vector<std::int64_t>& shape_of(const WeightFiles& files, const std::string& name,
                                          std::size_t dimensions) {
  const StridedView* view = files.find(name);
  const std::string where = "[clip] " + files.path().string() + ": ";
  if (view == nullptr)
    throw Error(HN_DATA_LOSS, where + "expected the tensor " + files.spelling(name) +
                                  " of a CLIP model, got none (no config beside it either)");
  bool good = view->shape.size() == dimensions;
  for (const std::int64_t size : view->shape) good = good && size > 0;
  if (!good)
    throw Error(HN_DATA_LOSS, where + files.spelling(name) + ": expected " +
                                  std::to_string(dimensions) + " dimensions above 0, got " +
                                  std::to_string(view->shape.size()));
  return view->shape;
}

ClipEncoderConfig encoder_from(const WeightFiles& files, const std::string& prefix,
                               std::int64_t width, std::int64_t head_width,
                               ClipActivation activation) {
  ClipEncoderConfig config;
  config.width = width;
  config.layers = count_layers(files, prefix);
  config.intermediate = shape_of(files, prefix + "0.mlp.fc1.weight", 2)[0];
  config.heads = width / head_width;
  config.activation = activation;
  if (width % head_width != 0)
    throw Error(HN_DATA_LOSS, "[clip] " + files.path().string() +
                                  ": expected a width that heads of " + std::to_string(head_width) +
                                  " divide, got " + std::to_string(width) +
                                  " (a config beside the weights can say other heads)");
  return config;
}

std::int64_t vision_head_width(std::int64_t width) {
  switch (width) {
    case 1280: return 80;   // ViT-H-14
    case 1408: return 88;   // ViT-g-14
    case 1664: return 104;  // ViT-bigG-14
    default: return 64;
  }
}

}  // namespace

OpenClipConfig read_open_clip_config(const std::filesystem::path& file) {
  const nlohmann::json document = read_json_file(file);
  const std::string where = "[clip] " + file.string();
  JsonObject top(document, where);
  const nlohmann::json* inner = top.optional_member("model_cfg");
  const nlohmann::json* processing = top.optional_member("preprocess_cfg");
  if (inner != nullptr) top.finish();
  JsonObject json(inner != nullptr ? *inner : document,
                  inner != nullptr ? where + ": model_cfg" : where);
  json.ignore({"preprocess_cfg", "model_cfg"});
  OpenClipConfig result;
  result.config.projection_dim = positive(json, "embed_dim", 512);
  const ClipActivation activation =
      json.get_or<bool>("quick_gelu", false) ? ClipActivation::kQuickGelu : ClipActivation::kGelu;
  absent(json, {"multimodal_cfg", "init_logit_bias", "nonscalar_logit_scale"});
  json.ignore({"custom_text", "init_logit_scale", "output_dict", "cast_dtype"});
  result.config.vision = vision(json.object("vision_cfg"), activation);
  result.config.text = text(json.object("text_cfg"), activation);
  json.finish();
  result.preprocess = preprocess(processing, where, result.config.vision.image_size);
  return result;
}

ClipConfig clip_config_from_tensors(const WeightFiles& files, const ClipGuess& guess) {
  ClipConfig config;
  const auto& patches = shape_of(files, "vision_model.embeddings.patch_embedding.weight", 4);
  const auto& grid = shape_of(files, "vision_model.embeddings.position_embedding.weight", 2);
  config.vision.encoder = encoder_from(files, "vision_model.encoder.layers.", patches[0],
                                       vision_head_width(patches[0]), guess.activation);
  config.vision.patch_size = patches[3];
  const auto side =
      static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(grid[0]))));
  if (side < 1 || side * side + 1 != grid[0])
    throw Error(HN_DATA_LOSS,
                "[clip] " + files.path().string() + ": " +
                    files.spelling("vision_model.embeddings.position_embedding.weight") +
                    ": expected n * n + 1 positions of a square image, got " +
                    std::to_string(grid[0]));
  config.vision.image_size = side * patches[3];
  config.projection_dim = shape_of(files, "visual_projection.weight", 2)[0];
  const std::string tokens = "text_model.embeddings.token_embedding.weight";
  if (files.find(tokens) == nullptr) return config;
  const auto& vocabulary = shape_of(files, tokens, 2);
  config.text.encoder =
      encoder_from(files, "text_model.encoder.layers.", vocabulary[1], 64, guess.activation);
  config.text.vocab_size = vocabulary[0];
  config.text.max_positions =
      shape_of(files, "text_model.embeddings.position_embedding.weight", 2)[0];
  config.text.eos_token_id = kHighestId;
  return config;
}

}  // namespace hn
