// Prompts to text states: cleaning, Gemma's tokens, the text encoder.
//
// Source: diffusers 0.42.1, pipelines/sana/pipeline_sana_sprint.py (encode_prompt,
// _get_gemma_prompt_embeds, clean_caption off). Difference: padded positions are left out instead
// of masked. The encoder is causal, so a real token's state does not depend on the padding behind
// it, and the transformer gives masked positions a weight of exactly 0.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/tokenizer.hpp"
#include "torch/gemma2.hpp"

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

class PromptEncoder {
 public:
  // Reads text_encoder/ and tokenizer/ below `folder`. Errors: those of Gemma2Config::read,
  // WeightMap::finish and Tokenizer::from_file.
  PromptEncoder(const std::filesystem::path& folder, at::ScalarType dtype, at::Device device,
                const std::string& variant, PromptOptions options);

  // Lower case, outer white space removed, instruction in front, <bos>, cut to the limit.
  // HN_INVALID_ARGUMENT where no token is left.
  PromptTokens tokenize(std::string_view prompt) const;
  // The states that reach the transformer, [L, hidden], L the prompt's own number of tokens. One
  // prompt at a time: its numbers then never depend on which prompts it was encoded with, which an
  // exact resume needs.
  at::Tensor encode(std::string_view prompt) const;

  const Gemma2& model() const { return *model_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  Tokenizer tokenizer_;
  PromptOptions options_;
  std::string instruction_;
  std::int64_t max_all_ = 0;  // tokens with the instruction
  std::int32_t pad_id_ = 0;
  at::Device device_;
  std::unique_ptr<Gemma2> model_;
  std::uint64_t bytes_ = 0;
};

}  // namespace hn::sana
