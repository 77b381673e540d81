// Prompts to text states: cleaning, Gemma's tokens, the text encoder.
//
// Source: diffusers 0.42.1, pipelines/sana/pipeline_sana_sprint.py (encode_prompt,
// _get_gemma_prompt_embeds, clean_caption off). Difference: padded positions are left out instead
// of masked. The encoder is causal, so a real token's state does not depend on the padding behind
// it, and the transformer gives masked positions a weight of exactly 0.
#pragma once

#include <filesystem>
#include <hn/generator/text_encoder.hpp>
#include <hn/nn/gemma2.hpp>
#include <hn/text/tokenizer.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hn::sana {

struct PromptOptions {
  std::int64_t max_tokens = 300;  // counted without the instruction
  std::vector<std::string>
      instruction;  // lines put before each prompt ("complex human instruction"); empty: none
};

// A prompt's tokens and where they go on.
struct PromptTokens {
  std::vector<std::int32_t> ids;  // what the text encoder sees, at least one
  std::int64_t dropped =
      0;  // of the encoder's states, positions 1 to dropped do not reach the transformer
};

class PromptEncoder final : public TextEncoder<Tokenizer, Gemma2Config, Gemma2> {
 public:
  // Reads text_encoder/ and tokenizer/ below `folder`. Errors: TextEncoder's;
  // HN_INVALID_ARGUMENT for max_tokens below 2.
  PromptEncoder(const std::string& model, const std::filesystem::path& folder,
                const PipelineOptions& options, const PromptOptions& prompts);

  // Lower case, outer white space removed, instruction in front, <bos>, cut to the limit.
  // HN_INVALID_ARGUMENT where no token is left.
  PromptTokens tokenize(std::string_view prompt) const;
  // The states that reach the transformer, [L, hidden], L the prompt's own number of tokens.
  at::Tensor encode(std::string_view prompt) const;

  std::string key() const override;

 private:
  std::int64_t max_tokens_ = 0, max_all_ = 0;  // without and with the instruction's
  std::string instruction_;
};

}  // namespace hn::sana
