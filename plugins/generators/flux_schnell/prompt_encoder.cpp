#include "prompt_encoder.hpp"

#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>

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

void check_both(const Tokenizer& tokenizer, const T5Config&, PipelineProblems& problems) {
  const std::size_t behind = tokenizer.encode("").size();
  if (behind != 1)
    problems.refuse("tokenizer_2: expected one token behind a text, </s>, got " +
                    std::to_string(behind));
  const auto eos = tokenizer.token_to_id(tokenizer.eos_token());
  if (!tokenizer.eos_token().empty() && behind == 1 && tokenizer.encode("")[0] != eos)
    problems.refuse("tokenizer_2: expected the eos_token </s> behind a text, got \"" +
                    tokenizer.eos_token() + "\"");
  if (tokenizer.pads_left()) problems.refuse("tokenizer_2: padding_side: expected right, got left");
}

T5PromptEncoder::Recipe recipe() {
  T5PromptEncoder::Recipe recipe;
  recipe.encoder = "text_encoder_2";
  recipe.tokenizer = "tokenizer_2";
  recipe.ignored = {"decoder.", "lm_head."};
  recipe.read_tokenizer = [](const auto& folder) { return Tokenizer::from_file(folder); };
  recipe.read_config = T5Config::read;
  recipe.make = [](const T5Config& config, WeightMap& weights) {
    return std::make_unique<T5Encoder>(config, weights);
  };
  recipe.check = check_both;
  return recipe;
}

}  // namespace

T5PromptEncoder::T5PromptEncoder(const std::string& model, const std::filesystem::path& folder,
                                 const PipelineOptions& options, std::int64_t max_length)
    : TextEncoder(model, folder, options, recipe()),
      max_length_(check_length(max_length)),
      end_(tokenizer().encode("")) {}

std::string T5PromptEncoder::key() const {
  return "T5: " + TextEncoder::key() + ", quantise " + quantise_name(options_.quantise) + ", " +
         std::to_string(max_length_) + " tokens";
}

std::vector<std::int64_t> T5PromptEncoder::tokenize(std::string_view prompt) const {
  const auto length = static_cast<std::size_t>(max_length_);
  auto ids = tokenizer().encode(prompt, /*add_special_tokens=*/false);
  if (ids.size() > length - end_.size()) ids.resize(length - end_.size());
  ids.insert(ids.end(), end_.begin(), end_.end());
  std::vector<std::int64_t> padded(ids.begin(), ids.end());
  padded.resize(length, tokenizer().pad_id().value_or(config().pad_token_id));
  return padded;
}

at::Tensor T5PromptEncoder::encode(std::string_view prompt) const {
  const auto ids = at::tensor(tokenize(prompt), at::kLong).unsqueeze(0).to(device());
  return network()(ids).squeeze(0);
}

}  // namespace hn::flux
