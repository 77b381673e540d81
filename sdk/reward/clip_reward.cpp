#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/reward/clip_reward.hpp>
#include <hn/text/cut_position.hpp>
#include <utility>

namespace hn {
namespace {

constexpr const char* kVocabulary = "bpe_simple_vocab_16e6.txt.gz";

ClipTokenizer open_tokenizer(const ClipRewardSpec& spec, const Config& config) {
  const std::filesystem::path& folder = spec.files.folder;
  if (spec.convention == ClipConvention::kHuggingFace)
    return ClipTokenizer::from_hugging_face(folder);
  const bool own = std::filesystem::exists(folder / kVocabulary);
  return ClipTokenizer::from_open_clip(own ? folder / kVocabulary
                                           : bundle_folder(config) / "vocabulary" / kVocabulary);
}

}  // namespace

std::optional<ClipActivation> activation_option(const Config& config) {
  const std::string name = choice_option(config, "activation", {"auto", "gelu", "quick_gelu"});
  if (name == "auto") return std::nullopt;
  return name == "gelu" ? ClipActivation::kGelu : ClipActivation::kQuickGelu;
}

void check_clip_image(const std::string& name, const at::Tensor& image, at::Device device) {
  if (image.device() != device)
    throw Error(HN_INVALID_ARGUMENT, "[" + name + "] expected image_rgb01 on " + device.str() +
                                         " (option device), got " + image.device().str());
  if (image.size(0) > 0 && (image.size(2) == 0 || image.size(3) == 0))
    throw Error(
        HN_INVALID_ARGUMENT,
        "[" + name + "] expected image_rgb01 with H and W above 0, got " + c10::str(image.sizes()));
}

ClipReward::ClipReward(const Host& host, const Config& config, ClipRewardSpec spec)
    : TextReward(host),
      name_(std::move(spec.name)),
      folder_(spec.files.folder),
      tokenizer_(open_tokenizer(spec, config)),
      model_(translate_errors([&] {
        const Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
        return ClipModel(spec.files, dtype_option(config), device_option(config));
      })),
      mode_(choice_option(config, "preprocess", {"tensor", "official"}) == "tensor"
                ? PreprocessMode::kTensor
                : PreprocessMode::kOfficial),
      factor_(spec.output == ClipOutput::kLogit ? std::exp(model_.logit_scale()) : 1.0),
      context_(context_length(spec.longest_prompt)) {
  check_tokens();
  for (const std::string& line : spec.files.assumed)
    host.log(HN_LOG_WARNING, "[" + name_ + "] " + folder_.string() + ": " + line);
}

std::int32_t ClipReward::context_length(std::int64_t longest_prompt) const {
  const std::int64_t positions = model_.config().text.max_positions;
  const std::int64_t said = longest_prompt > 0 ? longest_prompt : tokenizer_.max_length();
  if (said == 1)
    throw Error(HN_DATA_LOSS, "[" + name_ + "] " + folder_.string() +
                                  ": model_max_length: expected at least 2, got 1");
  return static_cast<std::int32_t>(said > 0 ? std::min(said, positions) : positions);
}

at::Tensor ClipReward::score(const at::Tensor& image, const Call& call) {
  check_clip_image(name_, image, model_.device());
  if (call.batch() == 0) return at::zeros({0}, image.options()) + image.sum() * 0.0;
  const at::Tensor pixels = clip_pixels(image, model_.preprocess(), mode_);
  const at::Tensor cosine =
      at::sum(model_.image_embedding(pixels, call.deterministic()) * prompts(call), -1);
  return factor_ == 1.0 ? cosine : cosine * factor_;
}

// Unit vectors, float32.
at::Tensor ClipReward::embed(std::span<const Prompt> prompts) {
  const auto count = static_cast<std::int64_t>(prompts.size());
  std::vector<ClipTokens> rows;
  std::int64_t longest = 0;
  for (const Prompt& prompt : prompts) {
    warn_of_cut(prompt.text());
    rows.push_back(tokenizer_.encode(prompt.text(), context_));
    longest = std::max<std::int64_t>(longest, rows.back().end_position + 1);
  }
  // Positions see only what stands before them, and the last one read is the end token's, so what
  // fills a row up changes nothing; the end token also keeps "the first highest id" in place.
  const at::Tensor ids = at::full({count, longest}, tokenizer_.end_id(), at::kLong);
  for (std::int64_t b = 0; b < count; ++b) {
    const ClipTokens& row = rows[static_cast<std::size_t>(b)];
    std::copy_n(row.ids.begin(), row.end_position + 1, ids.data_ptr<std::int64_t>() + b * longest);
  }
  return model_.text_embedding(ids, {}, /*deterministic=*/true);
}

std::uint64_t ClipReward::embedding_size() const {
  return static_cast<std::uint64_t>(model_.config().projection_dim);
}

// A tokenizer of another model gives plausible nonsense, so it is refused here. transformers would
// pool position 0.
void ClipReward::check_tokens() const {
  const ClipTextConfig& text = model_.config().text;
  constexpr std::int64_t kLegacyEos = 2;
  const std::string where = "[" + name_ + "] " + folder_.string() + ": the tokenizer ";
  if (tokenizer_.id_limit() > text.vocab_size)
    throw Error(HN_DATA_LOSS, where + "has ids up to " + std::to_string(tokenizer_.id_limit() - 1) +
                                  ", but vocab_size is " + std::to_string(text.vocab_size));
  if (text.eos_token_id != kLegacyEos && text.eos_token_id != tokenizer_.end_id())
    throw Error(HN_DATA_LOSS, where + "ends with id " + std::to_string(tokenizer_.end_id()) +
                                  ", but eos_token_id is " + std::to_string(text.eos_token_id));
}

void ClipReward::warn_of_cut(std::string_view prompt) {
  if (warned_) return;
  const auto limit = static_cast<std::size_t>(context_) - 2;
  const auto count = [&](std::string_view text) { return tokenizer_.encode_text(text).size(); };
  const std::size_t tokens = count(prompt);
  if (tokens <= limit) return;
  warned_ = true;
  host().log(HN_LOG_WARNING,
             cut_warning(name_, prompt, tokens, limit, cut_position(prompt, limit, count)));
}

}  // namespace hn
