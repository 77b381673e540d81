#include "prompt_encoder.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include <hn/generator/prompt_store.hpp>
#include <hn/text/unicode.hpp>

namespace hn::sana {
namespace {

// Python's text.lower().strip().
std::string clean(std::string_view prompt) {
  const std::string lower = text::lowercase_text(text::repair_utf8(prompt));
  std::size_t begin = lower.size(), end = 0;
  for (std::size_t at = 0; at < lower.size();) {
    const std::size_t here = at;
    if (text::is_python_space(text::next_code_point(lower, at))) continue;
    begin = std::min(begin, here);
    end = at;
  }
  return begin < end ? lower.substr(begin, end - begin) : std::string();
}

std::unique_ptr<Gemma2> make_model(WeightMap& weights, const Gemma2Config& config) {
  const c10::NoGradGuard no_grad;
  auto model = std::make_unique<Gemma2>(config, weights);
  weights.finish({"lm_head."});
  return model;
}

}  // namespace

PromptEncoder::PromptEncoder(const std::filesystem::path& folder, at::ScalarType dtype,
                             at::Device device, const std::string& variant, PromptOptions options)
    : folder_(folder),
      dtype_(dtype),
      variant_(variant),
      options_(std::move(options)),
      device_(options_.mode == TextEncoderMode::kCpu && !device.is_meta() ? at::Device(at::kCPU)
                                                                          : device),
      parts_(read_parts()),
      model_([this] { return load(); }, /*now=*/false) {
  if (options_.max_tokens < 2)
    throw Error(HN_INVALID_ARGUMENT,
                "[sana_sprint] max_sequence_length: expected at least 2, got " +
                    std::to_string(options_.max_tokens));

  max_all_ = options_.max_tokens;
  for (std::size_t i = 0; i < options_.instruction.size(); ++i)
    instruction_ += (i ? "\n" : "") + options_.instruction[i];
  // The limit grows by the instruction's tokens less its <bos> and one more, as upstream has it.
  if (!instruction_.empty())
    max_all_ += static_cast<std::int64_t>(parts_.tokenizer.encode(instruction_).size()) - 2;
}

PromptEncoder::Parts PromptEncoder::read_parts() const {
  return read_text_parts(
      {"sana_sprint", folder_}, [this] { return Tokenizer::from_file(folder_ / "tokenizer"); },
      [this] { return Gemma2Config::read(folder_ / "text_encoder" / "config.json"); },
      [](const Tokenizer& tokenizer, const Gemma2Config& config, PipelineProblems& problems) {
        if (tokenizer.id_limit() > config.vocab_size)
          problems.refuse("the tokenizer has " + std::to_string(tokenizer.id_limit()) +
                          " ids, the text encoder's vocabulary only " +
                          std::to_string(config.vocab_size));
      },
      [this](const Gemma2Config* config) {
        auto weights = open_weights(at::kMeta);
        if (config != nullptr) make_model(weights, *config);
      });
}

WeightMap PromptEncoder::open_weights(at::Device device) const {
  WeightMap weights(SafetensorsFolder::open(folder_ / "text_encoder", variant_), dtype_, device,
                    "sana_sprint text_encoder", "model.");
  weights.set_quantise(options_.quantise);
  return weights;
}

std::unique_ptr<Gemma2> PromptEncoder::load() {
  auto weights = open_weights(device_);
  auto model = make_model(weights, config());
  bytes_ = weights.bytes();
  report_ = weights.report();
  return model;
}

std::string PromptEncoder::key() const {
  return "weights " + content_fingerprint(folder_ / "text_encoder") + ", tokenizer " +
         content_fingerprint(folder_ / "tokenizer") + ", variant " + variant_ + ", " +
         c10::toString(dtype_) + " on " + at::Device(device_.type()).str() + ", quantise " +
         quantise_name(options_.quantise) + ", " + std::to_string(options_.max_tokens) +
         " tokens, instruction: " + instruction_;
}

PromptTokens PromptEncoder::tokenize(std::string_view prompt) const {
  PromptTokens tokens{parts_.tokenizer.encode(instruction_ + clean(prompt))};
  if (static_cast<std::int64_t>(tokens.ids.size()) > max_all_)
    tokens.ids.resize(static_cast<std::size_t>(max_all_));
  if (tokens.ids.empty())
    throw Error(HN_INVALID_ARGUMENT, "[sana_sprint] the prompt \"" + std::string(prompt) +
                                         "\" has no tokens, and the tokenizer adds none");
  // Upstream keeps position 0 and the last max_tokens - 1 of the max_all_ padded positions.
  tokens.dropped = max_all_ - options_.max_tokens;
  return tokens;
}

at::Tensor PromptEncoder::encode(std::string_view prompt) const {
  const PromptTokens tokens = tokenize(prompt);
  const std::vector<std::int64_t> ids(tokens.ids.begin(), tokens.ids.end());
  const auto length = static_cast<std::int64_t>(ids.size());
  const auto states = model_.get()(at::tensor(ids, at::kLong).unsqueeze(0).to(device_)).squeeze(0);
  if (tokens.dropped == 0) return states;
  return at::cat(
      {states.slice(0, 0, 1), states.slice(0, std::min(length, tokens.dropped + 1), length)});
}

}  // namespace hn::sana
