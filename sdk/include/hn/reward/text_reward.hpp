// A reward that reads the prompt as one vector: encoding, handles and their bytes are here, a
// derived class gives embed() and score(). ClipReward is one; so is templates/reward_with_weights.
//
// A prompt is embedded once, the host keeps the handle under its byte budget and brings it along
// with each call. Links: hn::reward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <hn/torch/reward.hpp>
#include <memory>
#include <span>
#include <vector>

namespace hn {

class TextReward : public TorchReward {
 public:
  using TorchReward::TorchReward;

  // Prompts (one or more) -> [n, embedding_size()], any type, on the device that score() computes
  // on. Grad mode is off. A row must not depend on the other prompts of the call: an exact resume
  // encodes them in other company. Errors: HN_INVALID_ARGUMENT for a prompt that cannot be
  // answered. [one at a time per instance, any thread]
  virtual at::Tensor embed(std::span<const Prompt> prompts) = 0;
  // Numbers of a prompt's vector, above 0.
  std::uint64_t embedding_size() const override = 0;

  bool has_cond() const final { return true; }
  // HN_INTERNAL where embed() gave another shape than it promises.
  std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt> prompts,
                                            hn_stream stream) final;
  // out: float32 [embedding_size()], else HN_INVALID_ARGUMENT.
  void embedding(const Cond& cond, hn_stream stream, const DLTensor& out) final;

 protected:
  // The vectors of a call's prompts, in the order of its samples: [B, embedding_size()], or [1,
  // ...] where one prompt serves all (it broadcasts); [0, ...] for an empty batch.
  at::Tensor prompts(const Call& call) const;
};

}  // namespace hn
