#include "prompt_encoder.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
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

PromptEncoder::Recipe recipe() {
  PromptEncoder::Recipe recipe;
  recipe.prefix = "model.";
  recipe.ignored = {"lm_head."};
  recipe.read_tokenizer = [](const auto& folder) { return Tokenizer::from_file(folder); };
  recipe.read_config = Gemma2Config::read;
  recipe.make = [](const Gemma2Config& config, WeightMap& weights) {
    return std::make_unique<Gemma2>(config, weights);
  };
  return recipe;
}

}  // namespace

PromptEncoder::PromptEncoder(const std::string& model, const std::filesystem::path& folder,
                             const PipelineOptions& options, const PromptOptions& prompts)
    : TextEncoder(model, folder, options, recipe()), max_tokens_(prompts.max_tokens) {
  if (max_tokens_ < 2)
    throw Error(HN_INVALID_ARGUMENT,
                "[sana_sprint] max_sequence_length: expected at least 2, got " +
                    std::to_string(max_tokens_));
  max_all_ = max_tokens_;
  for (std::size_t i = 0; i < prompts.instruction.size(); ++i)
    instruction_ += (i ? "\n" : "") + prompts.instruction[i];
  // The limit grows by the instruction's tokens less its <bos> and one more, as upstream has it.
  if (!instruction_.empty())
    max_all_ += static_cast<std::int64_t>(tokenizer().encode(instruction_).size()) - 2;
}

std::string PromptEncoder::key() const {
  return TextEncoder::key() + ", quantise " + quantise_name(options_.quantise) + ", " +
         std::to_string(max_tokens_) + " tokens, instruction: " + instruction_;
}

PromptTokens PromptEncoder::tokenize(std::string_view prompt) const {
  PromptTokens tokens{tokenizer().encode(instruction_ + clean(prompt))};
  if (static_cast<std::int64_t>(tokens.ids.size()) > max_all_)
    tokens.ids.resize(static_cast<std::size_t>(max_all_));
  if (tokens.ids.empty())
    throw Error(HN_INVALID_ARGUMENT, "[sana_sprint] the prompt \"" + std::string(prompt) +
                                         "\" has no tokens, and the tokenizer adds none");
  // Upstream keeps position 0 and the last max_tokens - 1 of the max_all_ padded positions.
  tokens.dropped = max_all_ - max_tokens_;
  return tokens;
}

at::Tensor PromptEncoder::encode(std::string_view prompt) const {
  const PromptTokens tokens = tokenize(prompt);
  const std::vector<std::int64_t> ids(tokens.ids.begin(), tokens.ids.end());
  const auto length = static_cast<std::int64_t>(ids.size());
  const auto states = network()(at::tensor(ids, at::kLong).unsqueeze(0).to(device())).squeeze(0);
  if (tokens.dropped == 0) return states;
  return at::cat(
      {states.slice(0, 0, 1), states.slice(0, std::min(length, tokens.dropped + 1), length)});
}

}  // namespace hn::sana
