#include "generator/clip_prompt_encoder.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "generator/pipeline_folder.hpp"
#include "generator/prompt_store.hpp"
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
                                     const std::string& variant, TextEncoderMode mode)
    : folder_(folder),
      model_(model),
      dtype_(dtype),
      device_(mode == TextEncoderMode::kCpu && !device.is_meta() ? at::Device(at::kCPU) : device),
      variant_(variant),
      mode_(mode),
      tokenizer_(ClipTokenizer::from_hugging_face(folder / "tokenizer")),
      config_(read_text_config(folder / "text_encoder" / "config.json", model)) {
  const bool now = mode != TextEncoderMode::kFree;
  if (!now) load(at::kMeta);
  tower_ = OnDemand<ClipTextTower>([this] { return load(device_); }, now);

  length_ = tokenizer_.max_length() > 0 ? tokenizer_.max_length() : config_.max_positions;
  const auto refuse = [&](const std::string& text) {
    throw Error(HN_DATA_LOSS, "[" + model + "] " + folder.string() + ": " + text);
  };
  if (length_ < 2 || length_ > config_.max_positions)
    refuse("the tokenizer's model_max_length is " + std::to_string(length_) +
           ", the text encoder has " + std::to_string(config_.max_positions) + " positions");
  if (tokenizer_.id_limit() > config_.vocab_size)
    refuse("the tokenizer has " + std::to_string(tokenizer_.id_limit()) +
           " ids, the text encoder's vocabulary only " + std::to_string(config_.vocab_size));
}

std::unique_ptr<ClipTextTower> ClipPromptEncoder::load(at::Device device) {
  const c10::NoGradGuard no_grad;
  WeightMap weights(open_part(folder_ / "text_encoder", variant_), dtype_, device,
                    model_ + " text_encoder", "text_model.");
  auto tower = std::make_unique<ClipTextTower>(config_, weights, "");
  weights.finish();
  tower->prepare();
  bytes_ = weights.bytes();
  return tower;
}

std::string ClipPromptEncoder::key() const {
  return "weights " + content_fingerprint(folder_ / "text_encoder") + ", tokenizer " +
         content_fingerprint(folder_ / "tokenizer") + ", variant " + variant_ + ", " +
         c10::toString(dtype_) + " on " + at::Device(device_.type()).str();
}

std::vector<std::int32_t> ClipPromptEncoder::tokenize(std::string_view prompt) const {
  return tokenizer_.encode(prompt, static_cast<std::int32_t>(length_)).ids;
}

ClipTextOutput ClipPromptEncoder::encode(std::string_view prompt) const {
  const auto tokens = tokenize(prompt);
  const std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
  return tower_.get().forward(at::tensor(ids, at::kLong).unsqueeze(0), {}, /*deterministic=*/false);
}

}  // namespace hn
