#include "config.hpp"

#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/nn/ops.hpp>

namespace hn::image_reward {
namespace {

constexpr const char* kVit = "blip.visual_encoder.";
constexpr std::int64_t kHeadWidth = 64;

void require_positive(JsonObject& json, const char* key, std::int64_t value) {
  if (value < 1) json.fail(key, "a number from 1 on");
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

VitConfig sizes_of_tensors(const ShapeOf& shape_of) {
  VitConfig config;
  const auto shape = [&](const std::string& name, std::size_t rank) {
    auto found = shape_of(kVit + name);
    return found && found->size() == rank ? found : std::nullopt;
  };
  const auto token = shape("cls_token", 3);
  if (!token || token->back() < 1) return config;
  config.width = token->back();
  if (const auto patches = shape("patch_embed.proj.weight", 4)) config.patch_size = patches->back();
  if (const auto positions = shape("pos_embed", 3)) {
    const auto grid = std::llround(std::sqrt(static_cast<double>((*positions)[1] - 1)));
    config.image_size = grid * config.patch_size;
  }
  if (const auto wide = shape("blocks.0.mlp.fc1.weight", 2)) config.intermediate = wide->front();
  config.depth = 0;
  while (shape("blocks." + std::to_string(config.depth) + ".norm1.weight", 1)) ++config.depth;
  config.heads = config.width % kHeadWidth == 0 ? config.width / kHeadWidth : 0;
  return config;
}

}  // namespace

BertConfig read_bert_config(const std::filesystem::path& folder, std::int64_t positions) {
  const std::filesystem::path path = folder / "med_config.json";
  if (!is_there(path)) return {};
  const nlohmann::json parsed = read_json_file(path);
  JsonObject json(parsed, "[image_reward] " + path.string());
  BertConfig c;
  c.vocab_size = json.get_or<std::int64_t>("vocab_size", 30522);
  c.width = json.get_or<std::int64_t>("hidden_size", c.width);
  c.layers = json.get_or<std::int64_t>("num_hidden_layers", c.layers);
  c.heads = json.get_or<std::int64_t>("num_attention_heads", c.heads);
  c.intermediate = json.get_or<std::int64_t>("intermediate_size", c.intermediate);
  c.max_positions = json.get_or<std::int64_t>("max_position_embeddings", c.max_positions);
  c.pad_token_id = json.get_or<std::int64_t>("pad_token_id", c.pad_token_id);
  c.layer_norm_eps = json.get_or<double>("layer_norm_eps", c.layer_norm_eps);
  c.activation = json.get_or<std::string>("hidden_act", c.activation);
  find_activation(c.activation, json.where() + ": hidden_act");
  for (const auto& [key, value] : {std::pair{"vocab_size", c.vocab_size},
                                   {"hidden_size", c.width},
                                   {"num_hidden_layers", c.layers},
                                   {"num_attention_heads", c.heads},
                                   {"intermediate_size", c.intermediate}})
    require_positive(json, key, value);
  if (c.width % c.heads != 0)
    json.fail("num_attention_heads", "a divisor of hidden_size " + std::to_string(c.width));
  if (c.max_positions < positions)
    json.fail("max_position_embeddings", "at least " + std::to_string(positions));
  if (c.pad_token_id < 0 || c.pad_token_id >= c.vocab_size)
    json.fail("pad_token_id", "an id below vocab_size " + std::to_string(c.vocab_size));
  if (!json.get_or<bool>("add_cross_attention", false))
    json.fail("add_cross_attention", "true, as the text is read together with the picture");
  const auto kind = json.get_or<std::string>("position_embedding_type", "absolute");
  if (kind != "absolute")
    throw Error(
        HN_UNSUPPORTED,
        json.where() + ": position_embedding_type: expected \"absolute\", got \"" + kind + "\"");
  // Training, bookkeeping, and encoder_width (see config.hpp).
  json.ignore({"encoder_width", "architectures", "model_type", "attention_probs_dropout_prob",
               "hidden_dropout_prob", "initializer_range", "add_type_embeddings", "type_vocab_size",
               "fusion_layer", "gradient_checkpointing", "use_cache", "chunk_size_feed_forward",
               "is_decoder", "transformers_version", "torch_dtype", "classifier_dropout",
               "bos_token_id", "eos_token_id"});
  json.finish();
  return c;
}

VitConfig read_vit_config(const std::filesystem::path& folder, const ShapeOf& shape_of) {
  VitConfig c = sizes_of_tensors(shape_of);
  const std::filesystem::path path = folder / "vit_config.json";
  if (is_there(path)) {
    const nlohmann::json parsed = read_json_file(path);
    JsonObject json(parsed, "[image_reward] " + path.string());
    c.image_size = json.get_or<std::int64_t>("image_size", c.image_size);
    c.patch_size = json.get_or<std::int64_t>("patch_size", c.patch_size);
    c.width = json.get_or<std::int64_t>("width", c.width);
    c.depth = json.get_or<std::int64_t>("depth", c.depth);
    c.heads = json.get_or<std::int64_t>("heads", c.heads);
    c.layer_norm_eps = json.get_or<double>("layer_norm_eps", c.layer_norm_eps);
    for (const auto& [key, value] : {std::pair{"image_size", c.image_size},
                                     {"patch_size", c.patch_size},
                                     {"width", c.width},
                                     {"depth", c.depth}})
      require_positive(json, key, value);
    if (json.has("mlp_ratio")) {
      // As timm: int(width * ratio).
      c.intermediate =
          static_cast<std::int64_t>(static_cast<double>(c.width) * json.get<double>("mlp_ratio"));
      require_positive(json, "mlp_ratio", c.intermediate);
    }
    if (json.has("heads") && (c.heads < 1 || c.width % c.heads != 0))
      json.fail("heads", "a divisor of width " + std::to_string(c.width));
    if (c.image_size % c.patch_size != 0)
      json.fail("image_size", "a multiple of patch_size " + std::to_string(c.patch_size));
    json.ignore({"mlp_ratio", "heads"});
    json.finish();
  }
  if (c.heads < 1 || c.width % c.heads != 0)
    throw Error(HN_DATA_LOSS, "[image_reward] " + path.string() +
                                  ": expected \"heads\" for an image encoder of "
                                  "width " +
                                  std::to_string(c.width) +
                                  " (a multiple of 64 needs no file), got " +
                                  (is_there(path) ? "a file without it" : "no such file"));
  return c;
}

std::array<std::int64_t, 4> read_mlp_widths(const ShapeOf& shape_of) {
  std::array<std::int64_t, 4> widths = {1024, 128, 64, 16};
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const auto shape = shape_of("mlp.layers." + std::to_string(2 * i) + ".weight");
    if (shape && shape->size() == 2) widths[i] = shape->front();
  }
  return widths;
}

}  // namespace hn::image_reward
