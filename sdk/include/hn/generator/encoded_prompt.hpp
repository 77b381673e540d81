// A pipeline's prompts: the handles that a host keeps, and those of one call as a batch.
#pragma once

#include <hn/generator/latent_model.hpp>

namespace hn {

// One encoded prompt: what a host keeps as a handle. Tensors are on the model's device.
struct EncodedPrompt final : Cond {
  std::string text;
  PromptTensors states;   // what the text encoders gave; on disk where prompts are kept there
  PromptTensors derived;  // what follows from them and the frozen weights

  std::uint64_t size_bytes() const override;
  // Of either; HN_INTERNAL where there is none of this name.
  const at::Tensor& at(const std::string& name) const;
};

// The prompts of a call, so that what depends on the prompt alone is computed once for each.
struct DistinctPrompts {
  std::vector<const EncodedPrompt*> prompts;  // each handle once, in the order of first use
  // int64 [B] on the device: each sample's place in `prompts`. Undefined where there is one prompt,
  // or one a sample.
  at::Tensor of_sample;

  // A tensor of each, ready to be read on the current stream.
  std::vector<at::Tensor> tensors(const std::string& name) const;
  // The same as one tensor [U, ...]; all of the same shape.
  at::Tensor stacked(const std::string& name) const;
};
// prompts: one a sample, or one for all, all of them EncodedPrompts.
DistinctPrompts distinct_prompts(std::span<const Cond* const> prompts, at::Device device);

}  // namespace hn
