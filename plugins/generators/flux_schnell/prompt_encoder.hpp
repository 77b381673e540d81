// Prompts to text states: CLIP's pooled one and T5's of every token.
//
// Source: diffusers 0.42.1, pipelines/flux/pipeline_flux.py (encode_prompt). T5's ids are padded to
// a fixed length and every position is seen, in T5 and in the transformer, as upstream has it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <hn/generator/clip_prompt_encoder.hpp>
#include <hn/generator/pipeline_problems.hpp>
#include <hn/generator/text_encoder_mode.hpp>
#include <hn/text/tokenizer.hpp>
#include <hn/nn/t5_encoder.hpp>
#include <hn/nn/weight_map.hpp>

namespace hn::flux {

struct PromptStates {
  at::Tensor states;  // [length, T5's width]
  at::Tensor pooled;  // [CLIP's width]
};

struct PromptOptions {
  std::int64_t max_length = 256;                  // T5's tokens, 2 to 512
  TextEncoderMode mode = TextEncoderMode::kKeep;  // of both
  Quantise quantise = Quantise::kNone;            // of T5
};

class PromptEncoder {
 public:
  PromptEncoder(const PromptEncoder&) = delete;
  PromptEncoder& operator=(const PromptEncoder&) = delete;
  // Reads text_encoder/, tokenizer/, text_encoder_2/ and tokenizer_2/ below `folder`. The weights
  // are compared with their configurations and not read yet. Errors: HN_INVALID_ARGUMENT for
  // max_length; all in one those of ClipPromptEncoder, T5Config::read, WeightMap::finish and
  // Tokenizer::from_file; HN_DATA_LOSS where tokenizer and vocabulary do not fit together.
  PromptEncoder(const std::filesystem::path& folder, at::ScalarType dtype, at::Device device,
                const std::string& variant, const PromptOptions& options);

  // Reads the weights, unless the mode is kFree or the device at::kMeta.
  void prepare() const {
    if (options_.mode == TextEncoderMode::kFree || device_.is_meta()) return;
    parts_.clip->prepare();
    t5_.get();
  }

  // T5's ids, max_length of them: the prompt's, cut before </s>, then the tokenizer's padding.
  std::vector<std::int64_t> tokenize(std::string_view prompt) const;
  // One prompt at a time: its numbers then never depend on which prompts it was encoded with, which
  // an exact resume needs.
  PromptStates encode(std::string_view prompt) const;

  const ClipPromptEncoder& clip() const { return *parts_.clip; }
  const T5Config& t5_config() const { return parts_.t5.config; }
  const OnDemand<T5Encoder>& t5() const { return t5_; }
  std::uint64_t bytes() const { return clip().bytes() + (t5_.loaded() ? bytes_ : 0); }
  const QuantiseReport& report() const { return report_; }
  // What the states of a prompt depend on: weights, tokenizers, type, device and options.
  std::string key() const;
  // The encoders' memory, where the mode is kFree.
  void release() const {
    clip().release();
    if (options_.mode == TextEncoderMode::kFree) t5_.free();
  }

 private:
  struct Parts {
    std::unique_ptr<ClipPromptEncoder> clip;
    TextParts<Tokenizer, T5Config> t5;
  };
  Parts read_parts(at::Device device) const;
  WeightMap open_weights(at::Device device) const;
  std::unique_ptr<T5Encoder> load();

  std::filesystem::path folder_;
  at::ScalarType dtype_;
  std::string variant_;
  PromptOptions options_;
  Parts parts_;
  std::vector<std::int32_t> end_;  // what the tokenizer puts behind every text
  at::Device device_;              // of T5
  std::uint64_t bytes_ = 0;
  QuantiseReport report_;
  OnDemand<T5Encoder> t5_;
};

}  // namespace hn::flux
