#include <hn/generator/clip_prompt_encoder.hpp>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include <hn/generator/pipeline_folder.hpp>
#include <hn/generator/prompt_store.hpp>
#include <hn/formats/json_file.hpp>

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

std::int64_t padded_length(const ClipTokenizer& tokenizer, const ClipTextConfig& config) {
  return tokenizer.max_length() > 0 ? tokenizer.max_length() : config.max_positions;
}

void check_both(const ClipTokenizer& tokenizer, const ClipTextConfig& config,
                PipelineProblems& problems) {
  const std::int64_t length = padded_length(tokenizer, config);
  if (length < 2 || length > config.max_positions)
    problems.refuse("the tokenizer's model_max_length is " + std::to_string(length) +
                    ", the text encoder has " + std::to_string(config.max_positions) +
                    " positions");
  if (tokenizer.id_limit() > config.vocab_size)
    problems.refuse("the tokenizer has " + std::to_string(tokenizer.id_limit()) +
                    " ids, the text encoder's vocabulary only " +
                    std::to_string(config.vocab_size));
}

std::unique_ptr<ClipTextTower> make_tower(WeightMap& weights, const ClipTextConfig& config) {
  const c10::NoGradGuard no_grad;
  auto tower = std::make_unique<ClipTextTower>(config, weights, "");
  weights.finish();
  tower->prepare();
  return tower;
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
      parts_(read_parts()),
      tower_([this] { return load(); }, /*now=*/false),
      length_(padded_length(parts_.tokenizer, parts_.config)) {}

ClipPromptEncoder::Parts ClipPromptEncoder::read_parts() const {
  return read_text_parts(
      {model_, folder_}, [this] { return ClipTokenizer::from_hugging_face(folder_ / "tokenizer"); },
      [this] { return read_text_config(folder_ / "text_encoder" / "config.json", model_); },
      check_both,
      [this](const ClipTextConfig* config) {
        auto weights = open_weights(at::kMeta);
        if (config != nullptr) make_tower(weights, *config);
      });
}

WeightMap ClipPromptEncoder::open_weights(at::Device device) const {
  return {open_part(folder_ / "text_encoder", variant_), dtype_, device, model_ + " text_encoder",
          "text_model."};
}

std::unique_ptr<ClipTextTower> ClipPromptEncoder::load() {
  auto weights = open_weights(device_);
  auto tower = make_tower(weights, parts_.config);
  bytes_ = weights.bytes();
  return tower;
}

std::vector<std::string> ClipPromptEncoder::assumed() const {
  if (parts_.tokenizer.max_length() > 0) return {};
  return {(folder_ / "tokenizer").string() +
          " has no model_max_length: prompts are brought to the text encoder's " +
          std::to_string(length_) + " positions"};
}

std::string ClipPromptEncoder::key() const {
  return "weights " + content_fingerprint(folder_ / "text_encoder") + ", tokenizer " +
         content_fingerprint(folder_ / "tokenizer") + ", variant " + variant_ + ", " +
         c10::toString(dtype_) + " on " + at::Device(device_.type()).str();
}

std::vector<std::int32_t> ClipPromptEncoder::tokenize(std::string_view prompt) const {
  return parts_.tokenizer.encode(prompt, static_cast<std::int32_t>(length_)).ids;
}

ClipTextOutput ClipPromptEncoder::encode(std::string_view prompt) const {
  const auto tokens = tokenize(prompt);
  const std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
  return tower_.get().forward(at::tensor(ids, at::kLong).unsqueeze(0), {}, /*deterministic=*/false);
}

}  // namespace hn
