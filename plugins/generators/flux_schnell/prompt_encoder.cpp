#include "prompt_encoder.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <hn/cpp/error.hpp>

#include <hn/generator/prompt_store.hpp>

namespace hn::flux {
namespace {

// The pipeline's limit.
constexpr std::int64_t kMostTokens = 512;

std::int64_t check_length(std::int64_t length) {
  if (length < 2 || length > kMostTokens)
    throw Error(HN_INVALID_ARGUMENT, "[flux_schnell] max_sequence_length: expected 2 to " +
                                         std::to_string(kMostTokens) + ", got " +
                                         std::to_string(length));
  return length;
}

void check_both(const Tokenizer& tokenizer, const T5Config& config, PipelineProblems& problems) {
  const std::size_t behind = tokenizer.encode("").size();
  if (behind != 1)
    problems.refuse("tokenizer_2: expected one token behind a text, </s>, got " +
                    std::to_string(behind));
  const auto eos = tokenizer.token_to_id(tokenizer.eos_token());
  if (!tokenizer.eos_token().empty() && behind == 1 && tokenizer.encode("")[0] != eos)
    problems.refuse("tokenizer_2: expected the eos_token </s> behind a text, got \"" +
                    tokenizer.eos_token() + "\"");
  if (tokenizer.pads_left()) problems.refuse("tokenizer_2: padding_side: expected right, got left");
  if (tokenizer.id_limit() > config.vocab_size)
    problems.refuse("tokenizer_2 has " + std::to_string(tokenizer.id_limit()) +
                    " ids, text_encoder_2's vocabulary only " + std::to_string(config.vocab_size));
}

std::unique_ptr<T5Encoder> make_t5(WeightMap& weights, const T5Config& config) {
  const c10::NoGradGuard no_grad;
  auto encoder = std::make_unique<T5Encoder>(config, weights);
  weights.finish({"decoder.", "lm_head."});
  return encoder;
}

}  // namespace

PromptEncoder::PromptEncoder(const std::filesystem::path& folder, at::ScalarType dtype,
                             at::Device device, const std::string& variant,
                             const PromptOptions& options)
    : folder_(folder),
      dtype_(dtype),
      variant_(variant),
      options_{check_length(options.max_length), options.mode, options.quantise},
      parts_(read_parts(device)),
      end_(parts_.t5.tokenizer.encode("")),
      device_(options.mode == TextEncoderMode::kCpu && !device.is_meta() ? at::Device(at::kCPU)
                                                                         : device),
      t5_([this] { return load(); }, /*now=*/false) {}

PromptEncoder::Parts PromptEncoder::read_parts(at::Device device) const {
  PipelineProblems problems("flux_schnell", folder_);
  std::unique_ptr<ClipPromptEncoder> clip;
  std::optional<TextParts<Tokenizer, T5Config>> t5;
  problems.attempt([&] {
    clip = std::make_unique<ClipPromptEncoder>(folder_, "flux_schnell", dtype_, device, variant_,
                                               options_.mode);
  });
  problems.attempt([&] {
    t5 = read_text_parts(
        {"flux_schnell", folder_}, [this] { return Tokenizer::from_file(folder_ / "tokenizer_2"); },
        [this] { return T5Config::read(folder_ / "text_encoder_2" / "config.json"); }, check_both,
        [this](const T5Config* config) {
          auto weights = open_weights(at::kMeta);
          if (config != nullptr) make_t5(weights, *config);
        });
  });
  problems.finish();
  return {std::move(clip), *std::move(t5)};
}

WeightMap PromptEncoder::open_weights(at::Device device) const {
  WeightMap weights(SafetensorsFolder::open(folder_ / "text_encoder_2", variant_), dtype_, device,
                    "flux_schnell text_encoder_2");
  weights.set_quantise(options_.quantise);
  return weights;
}

std::unique_ptr<T5Encoder> PromptEncoder::load() {
  auto weights = open_weights(device_);
  auto encoder = make_t5(weights, t5_config());
  bytes_ = weights.bytes();
  report_ = weights.report();
  return encoder;
}

std::string PromptEncoder::key() const {
  return clip().key() + "; T5: weights " + content_fingerprint(folder_ / "text_encoder_2") +
         ", tokenizer " + content_fingerprint(folder_ / "tokenizer_2") + ", variant " + variant_ +
         ", " + c10::toString(dtype_) + " on " + at::Device(device_.type()).str() + ", quantise " +
         quantise_name(options_.quantise) + ", " + std::to_string(options_.max_length) + " tokens";
}

std::vector<std::int64_t> PromptEncoder::tokenize(std::string_view prompt) const {
  const auto length = static_cast<std::size_t>(options_.max_length);
  auto ids = parts_.t5.tokenizer.encode(prompt, /*add_special_tokens=*/false);
  if (ids.size() > length - end_.size()) ids.resize(length - end_.size());
  ids.insert(ids.end(), end_.begin(), end_.end());
  std::vector<std::int64_t> padded(ids.begin(), ids.end());
  padded.resize(length, parts_.t5.tokenizer.pad_id().value_or(t5_config().pad_token_id));
  return padded;
}

PromptStates PromptEncoder::encode(std::string_view prompt) const {
  const auto ids = at::tensor(tokenize(prompt), at::kLong).unsqueeze(0).to(device_);
  return {t5_.get()(ids).squeeze(0), clip().encode(prompt).pooled.squeeze(0)};
}

}  // namespace hn::flux
