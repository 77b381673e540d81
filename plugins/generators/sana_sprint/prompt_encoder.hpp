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

#include <hn/generator/pipeline_problems.hpp>
#include <hn/generator/text_encoder_mode.hpp>
#include <hn/text/tokenizer.hpp>
#include <hn/nn/gemma2.hpp>
#include <hn/nn/weight_map.hpp>

namespace hn::sana {

struct PromptOptions {
  std::int64_t max_tokens = 300;  // counted without the instruction
  std::vector<std::string>
      instruction;  // lines put before each prompt ("complex human instruction"); empty: none
  TextEncoderMode mode = TextEncoderMode::kKeep;
  Quantise quantise = Quantise::kNone;
};

// A prompt's tokens and where they go on.
struct PromptTokens {
  std::vector<std::int32_t> ids;  // what the text encoder sees, at least one
  std::int64_t dropped =
      0;  // of the encoder's states, positions 1 to dropped do not reach the transformer
};

class PromptEncoder {
 public:
  PromptEncoder(const PromptEncoder&) = delete;
  PromptEncoder& operator=(const PromptEncoder&) = delete;
  // Reads text_encoder/ and tokenizer/ below `folder`. The weights are compared with their
  // configuration and not read yet. Errors, all of them in one: those of Gemma2Config::read,
  // WeightMap::finish and Tokenizer::from_file.
  PromptEncoder(const std::filesystem::path& folder, at::ScalarType dtype, at::Device device,
                const std::string& variant, PromptOptions options);

  // Reads the weights, unless the mode is kFree or the device at::kMeta.
  void prepare() const {
    if (options_.mode != TextEncoderMode::kFree && !device_.is_meta()) model_.get();
  }

  // Lower case, outer white space removed, instruction in front, <bos>, cut to the limit.
  // HN_INVALID_ARGUMENT where no token is left.
  PromptTokens tokenize(std::string_view prompt) const;
  // The states that reach the transformer, [L, hidden], L the prompt's own number of tokens. One
  // prompt at a time: its numbers then never depend on which prompts it was encoded with, which an
  // exact resume needs.
  at::Tensor encode(std::string_view prompt) const;

  const Gemma2Config& config() const { return parts_.config; }
  const OnDemand<Gemma2>& model() const { return model_; }
  std::uint64_t bytes() const { return model_.loaded() ? bytes_ : 0; }
  const QuantiseReport& report() const { return report_; }
  // What the states of a prompt depend on: weights, tokenizer, type, device and options.
  std::string key() const;
  // The encoder's memory, where the mode is kFree.
  void release() const {
    if (options_.mode == TextEncoderMode::kFree) model_.free();
  }

 private:
  using Parts = TextParts<Tokenizer, Gemma2Config>;
  Parts read_parts() const;
  WeightMap open_weights(at::Device device) const;
  std::unique_ptr<Gemma2> load();

  std::filesystem::path folder_;
  at::ScalarType dtype_;
  std::string variant_;
  PromptOptions options_;
  std::string instruction_;
  std::int64_t max_all_ = 0;  // tokens with the instruction
  at::Device device_;         // of the encoder
  Parts parts_;
  std::uint64_t bytes_ = 0;
  QuantiseReport report_;
  OnDemand<Gemma2> model_;
};

}  // namespace hn::sana
