// Prompts to T5's states of every token.
//
// Source: diffusers 0.42.1, pipelines/flux/pipeline_flux.py (_get_t5_prompt_embeds). Ids are padded
// to a fixed length and every position is seen, in T5 and in the transformer, as upstream has it.
#pragma once

#include <filesystem>
#include <hn/generator/text_encoder.hpp>
#include <hn/nn/t5_encoder.hpp>
#include <hn/text/tokenizer.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hn::flux {

class T5PromptEncoder final : public TextEncoder<Tokenizer, T5Config, T5Encoder> {
 public:
  // Reads text_encoder_2/ and tokenizer_2/ below `folder`. max_length: of the ids, 2 to 512.
  // Errors: TextEncoder's; HN_INVALID_ARGUMENT for max_length.
  T5PromptEncoder(const std::string& model, const std::filesystem::path& folder,
                  const PipelineOptions& options, std::int64_t max_length);

  // max_length ids: the prompt's, cut before </s>, then the tokenizer's padding.
  std::vector<std::int64_t> tokenize(std::string_view prompt) const;
  // [max_length, width], on the encoder's device.
  at::Tensor encode(std::string_view prompt) const;

  std::string key() const override;

 private:
  std::int64_t max_length_;
  std::vector<std::int32_t> end_;  // what the tokenizer puts behind every text
};

}  // namespace hn::flux
