#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/generator/clip_prompt_encoder.hpp>

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
}

ClipPromptEncoder::Recipe recipe(const std::string& model) {
  ClipPromptEncoder::Recipe recipe;
  recipe.prefix = "text_model.";
  recipe.quantises = false;
  recipe.read_tokenizer = [](const auto& folder) {
    return ClipTokenizer::from_hugging_face(folder);
  };
  recipe.read_config = [model](const auto& file) { return read_text_config(file, model); };
  recipe.make = [](const ClipTextConfig& config, WeightMap& weights) {
    return std::make_unique<ClipTextTower>(config, weights, "");
  };
  recipe.check = check_both;
  return recipe;
}

}  // namespace

ClipPromptEncoder::ClipPromptEncoder(const std::string& model, const std::filesystem::path& folder,
                                     const PipelineOptions& options)
    : TextEncoder(model, folder, options, recipe(model)) {}

std::int64_t ClipPromptEncoder::length() const { return padded_length(tokenizer(), config()); }

std::vector<std::string> ClipPromptEncoder::assumed() const {
  if (tokenizer().max_length() > 0) return {};
  return {(folder_ / tokenizer_).string() +
          " has no model_max_length: prompts are brought to the text encoder's " +
          std::to_string(length()) + " positions"};
}

std::vector<std::int32_t> ClipPromptEncoder::tokenize(std::string_view prompt) const {
  return tokenizer().encode(prompt, static_cast<std::int32_t>(length())).ids;
}

ClipTextOutput ClipPromptEncoder::encode(std::string_view prompt) const {
  const auto tokens = tokenize(prompt);
  const std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
  return network().forward(at::tensor(ids, at::kLong).unsqueeze(0), {}, /*deterministic=*/false);
}

}  // namespace hn
