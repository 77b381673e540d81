#include "torch/clip_config.hpp"

#include <cmath>
#include <hn/cpp/error.hpp>
#include <utility>

#include "json/json_file.hpp"

namespace hn {
namespace {

// What every transformers config may carry and what changes nothing here. Published CLIP configs
// (openai, laion) list most of them.
void ignore_general_keys(JsonObject& json) {
  json.ignore({"_attn_implementation_autoset",
               "_commit_hash",
               "_name_or_path",
               "add_cross_attention",
               "architectures",
               "attention_dropout",
               "bad_words_ids",
               "begin_suppress_tokens",
               "bos_token_id",
               "chunk_size_feed_forward",
               "cross_attention_hidden_size",
               "decoder_start_token_id",
               "diversity_penalty",
               "do_sample",
               "dropout",
               "dtype",
               "early_stopping",
               "encoder_no_repeat_ngram_size",
               "exponential_decay_length_penalty",
               "finetuning_task",
               "forced_bos_token_id",
               "forced_eos_token_id",
               "gradient_checkpointing",
               "id2label",
               "initializer_factor",
               "initializer_range",
               "is_decoder",
               "is_encoder_decoder",
               "label2id",
               "length_penalty",
               "low_memory",
               "max_length",
               "min_length",
               "model_type",
               "no_repeat_ngram_size",
               "num_beam_groups",
               "num_beams",
               "num_return_sequences",
               "output_attentions",
               "output_hidden_states",
               "output_scores",
               "pad_token_id",
               "prefix",
               "problem_type",
               "projection_dim",
               "pruned_heads",
               "remove_invalid_values",
               "renormalize_logits",
               "repetition_penalty",
               "return_dict",
               "return_dict_in_generate",
               "sep_token_id",
               "suppress_tokens",
               "task_specific_params",
               "temperature",
               "tf_legacy_loss",
               "tie_encoder_decoder",
               "tie_word_embeddings",
               "tokenizer_class",
               "top_k",
               "top_p",
               "torch_dtype",
               "torchscript",
               "transformers_version",
               "typical_p",
               "use_bfloat16",
               "use_cache"});
}

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

// 224, {"shortest_edge": 224} or {"height": 224, "width": 224}. One number: {edge, 0}.
std::array<std::int64_t, 2> read_size(JsonObject& json, const std::string& key,
                                      std::int64_t otherwise) {
  const nlohmann::json* value = json.optional_member(key);
  if (value == nullptr) return {otherwise, 0};
  if (value->is_number_integer()) return {positive(json, key, otherwise), 0};
  JsonObject size(*value, json.where() + ": " + key);
  if (size.has("shortest_edge")) {
    const std::int64_t edge = positive(size, "shortest_edge", otherwise);
    size.finish();
    return {edge, 0};
  }
  const std::int64_t height = size.get<std::int64_t>("height"),
                     width = size.get<std::int64_t>("width");
  size.finish();
  if (height < 1 || width < 1) json.fail(key, "a size of at least 1 x 1");
  return {height, width};
}

std::array<double, 3> read_three(JsonObject& json, const std::string& key,
                                 std::array<double, 3> otherwise) {
  if (!json.has(key)) return otherwise;
  const auto values = json.get<std::vector<double>>(key);
  if (values.size() != 3) json.fail(key, "three numbers");
  return {values[0], values[1], values[2]};
}

void read_preprocess_keys(JsonObject& json, ClipPreprocess& p, std::int64_t image_size) {
  p.resize = json.get_or<bool>("do_resize", true);
  const auto size = read_size(json, "size", image_size);
  p.resize_short_edge = size[1] == 0 ? size[0] : 0;
  if (size[1] != 0) p.resize_to = size;
  p.crop = json.get_or<bool>("do_center_crop", true);
  const auto crop = read_size(json, "crop_size", image_size);
  p.crop_to = {crop[0], crop[1] == 0 ? crop[0] : crop[1]};
  const auto resample = json.get_or<std::int64_t>("resample", 3);
  if (resample != 2 && resample != 3)
    throw Error(HN_UNSUPPORTED, json.where() +
                                    ": resample: expected 2 (bilinear) or 3 (bicubic), got " +
                                    std::to_string(resample));
  p.filter = resample == 3 ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
  const double factor = json.get_or<double>("rescale_factor", 1.0 / 255.0);
  if (!json.get_or<bool>("do_rescale", true) || std::fabs(factor * 255.0 - 1.0) > 1e-6)
    throw Error(
        HN_UNSUPPORTED,
        json.where() + ": rescale_factor: expected 1/255 (images reach the tower in [0,1]), got " +
            (json.get_or<bool>("do_rescale", true) ? std::to_string(factor) : "do_rescale false"));
  if (json.get_or<bool>("do_normalize", true)) {
    p.mean = read_three(json, "image_mean", p.mean);
    p.std = read_three(json, "image_std", p.std);
    for (const double s : p.std)
      if (!(s > 0.0)) json.fail("image_std", "numbers above 0");
  } else {
    json.ignore({"image_mean", "image_std"});
    p.mean = {0, 0, 0};
    p.std = {1, 1, 1};
  }
  json.ignore({"_processor_class", "_valid_processor_keys", "data_format", "default_to_square",
               "device", "disable_grouping", "do_convert_rgb", "do_pad", "feature_extractor_type",
               "image_processor_type", "image_seq_length", "input_data_format", "pad_size",
               "processor_class", "return_tensors"});
  json.finish();
}

}  // namespace

ClipTextConfig parse_clip_text_config(const nlohmann::json& value, const std::string& where) {
  JsonObject json(value, where);
  ClipTextConfig config;
  config.encoder = read_encoder(json, 512, 2048, 12, 8);
  config.vocab_size = positive(json, "vocab_size", config.vocab_size);
  config.max_positions = positive(json, "max_position_embeddings", config.max_positions);
  config.eos_token_id = json.get_or<std::int64_t>("eos_token_id", config.eos_token_id);
  ignore_general_keys(json);
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
  ignore_general_keys(json);
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
  ignore_general_keys(json);
  json.finish();
  config.text = parse_clip_text_config(*text, text_where);
  config.vision = parse_clip_vision_config(*vision, vision_where);
  return config;
}

ClipPreprocess read_clip_preprocess(const std::filesystem::path& folder,
                                    const ClipVisionConfig& vision) {
  const std::int64_t n = vision.image_size;
  ClipPreprocess p;
  p.resize_short_edge = n;
  p.crop_to = {n, n};
  const auto path = folder / "preprocessor_config.json";
  if (!std::filesystem::exists(path)) return p;
  const nlohmann::json document = read_json_file(path);
  JsonObject json(document, "[clip] " + path.string());
  read_preprocess_keys(json, p, n);
  const auto result =
      p.crop ? p.crop_to : p.resize_to;  // without a crop only an exact resize fixes the size
  if (result[0] != n || result[1] != n)
    throw Error(HN_UNSUPPORTED, json.where() + ": expected processing that ends at the tower's " +
                                    std::to_string(n) + " x " + std::to_string(n) + ", got " +
                                    std::to_string(result[0]) + " x " + std::to_string(result[1]));
  return p;
}

}  // namespace hn
