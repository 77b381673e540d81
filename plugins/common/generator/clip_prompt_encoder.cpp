#include "generator/clip_prompt_encoder.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "json/json_file.hpp"

namespace hn {
namespace {

ClipTextConfig read_text_config(const std::filesystem::path& file, const std::string& model) {
  auto json = read_json_file(file);
  const std::string where = "[" + model + "] " + file.string();
  if (!json.is_object()) throw Error(HN_DATA_LOSS, where + ": expected an object");
  const auto refuse = [&](const std::string& text) { throw Error(HN_UNSUPPORTED, where + text); };
  const auto type = json.value("model_type", nlohmann::json("clip_text_model"));
  if (type != "clip_text_model")
    refuse(": model_type: expected clip_text_model, got " + type.dump());
  const auto classes = json.value("architectures", nlohmann::json::array({"CLIPTextModel"}));
  if (classes != nlohmann::json::array({"CLIPTextModel"}))
    refuse(": architectures: expected [\"CLIPTextModel\"], got " + classes.dump());
  if (json.contains("use_attention_mask") && json["use_attention_mask"] != false)
    refuse(": use_attention_mask: expected false, got " + json["use_attention_mask"].dump());
  json.erase("use_attention_mask");
  return parse_clip_text_config(json, where);
}

}  // namespace

ClipPromptEncoder::ClipPromptEncoder(const std::filesystem::path& folder, const std::string& model,
                                     at::ScalarType dtype, at::Device device,
                                     const std::string& variant)
    : tokenizer_(ClipTokenizer::from_hugging_face(folder / "tokenizer")) {
  const auto config = read_text_config(folder / "text_encoder" / "config.json", model);
  WeightMap weights(SafetensorsFolder::open(folder / "text_encoder", variant), dtype, device,
                    model + " text_encoder", "text_model.");
  tower_ = std::make_unique<ClipTextTower>(config, weights, "");
  weights.finish();
  tower_->prepare();
  bytes_ = weights.bytes();

  length_ = tokenizer_.max_length() > 0 ? tokenizer_.max_length() : config.max_positions;
  const auto refuse = [&](const std::string& text) {
    throw Error(HN_DATA_LOSS, "[" + model + "] " + folder.string() + ": " + text);
  };
  if (length_ < 2 || length_ > config.max_positions)
    refuse("the tokenizer's model_max_length is " + std::to_string(length_) +
           ", the text encoder has " + std::to_string(config.max_positions) + " positions");
  if (tokenizer_.id_limit() > config.vocab_size)
    refuse("the tokenizer has " + std::to_string(tokenizer_.id_limit()) +
           " ids, the text encoder's vocabulary only " + std::to_string(config.vocab_size));
}

std::vector<std::int32_t> ClipPromptEncoder::tokenize(std::string_view prompt) const {
  return tokenizer_.encode(prompt, static_cast<std::int32_t>(length_)).ids;
}

ClipTextOutput ClipPromptEncoder::encode(std::string_view prompt) const {
  const auto tokens = tokenize(prompt);
  const std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
  return tower_->forward(at::tensor(ids, at::kLong).unsqueeze(0), {}, /*deterministic=*/false);
}

}  // namespace hn
