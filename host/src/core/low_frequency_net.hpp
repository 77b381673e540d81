// A small network beside the generator that moves the low frequencies of the noise alone.
//
//   c     = the k x k lowest DCT coefficients of each channel of x0          [B, C k k]
//   a_0   = (c, e)                                                           [B, C k k + D]
//   a_l   = silu(W_l a_(l-1) + b_l),  l = 1 .. depth                         [B, width]
//   delta = inverse DCT of V a_depth + d                                     [B, C, h, w]
//
// e: the prompt's pooled embedding, shifted and scaled to mean 0 and variance 1, or nothing. W and
// b begin uniform in +-1/sqrt(fan_in), as torch.nn.Linear's; V and d as 0, so delta is exactly 0.
//
// Source of the idea: LENS, arXiv 2605.07253, whose abstract describes a standalone network that
// edits only the low-frequency part of the noise. Its architecture was not at hand: the transform,
// the layers and the conditioning here are this project's own.
#pragma once

#include "core/dct.hpp"
#include "core/noise_net.hpp"

namespace hn::core {

struct LowFrequencyShape {
  std::int64_t channels = 0, height = 0, width = 0;  // of the noise
  std::int64_t frequencies = 0;                      // k
  std::int64_t hidden = 0, depth = 0;
  std::int64_t condition = 0;  // D; 0: not told of the prompt

  std::int64_t coefficients() const { return channels * frequencies * frequencies; }
};
// noise_shape: [C,h,w]. `net` as fit_net gives it.
LowFrequencyShape low_frequency_shape(const std::vector<std::int64_t>& noise_shape,
                                      std::int64_t condition, const NetSpec& net);

// "layer.0.weight" [out,in] and "layer.0.bias" [out] of each layer in turn, the last is V and d.
std::vector<Parameter> low_frequency_parameters(const LowFrequencyShape& shape);

// Of one sample's delta, both transforms included.
std::uint64_t low_frequency_flops(const LowFrequencyShape& shape);

// The mathematics on tensors of any floating type.
class LowFrequencyMath {
 public:
  struct Layer {
    at::Tensor weight, bias;
  };
  struct Kept {
    std::vector<at::Tensor> inputs;  // of each layer
    std::vector<at::Tensor> sums;    // of each hidden layer, before the activation
  };
  LowFrequencyMath(const LowFrequencyShape& shape, const at::TensorOptions& options);

  // x0 [B,C,h,w]; condition [B,D], undefined where D is 0; kept may be NULL.
  at::Tensor forward(const at::Tensor& x0, const at::Tensor& condition,
                     std::span<const Layer> layers, Kept* kept) const;
  // delta_grad [B,C,h,w]. gradients: one a layer, written, or added to; none: not wanted. The
  // answer is dL/dx0 where it is wanted, else undefined.
  at::Tensor backward(const Kept& kept, const at::Tensor& delta_grad, std::span<const Layer> layers,
                      std::span<const Layer> gradients, bool add, bool want_noise) const;

 private:
  LowFrequencyShape shape_;
  LowFrequencies transform_;
};

class LowFrequencyNet final : public NoiseNet {
 public:
  LowFrequencyNet(Instance& generator, const LowFrequencyShape& shape, const Adapter& adapter);

  std::unique_ptr<Pass> forward(const at::Tensor& x0, Handles handles, const at::Tensor& delta,
                                bool keep) override;
  Need need(const at::Tensor& x0, Handles handles, const at::Tensor& delta) override;

 private:
  class LowFrequencyPass;
  Instance& generator_;
  LowFrequencyShape shape_;
  LowFrequencyMath math_;
  std::vector<LowFrequencyMath::Layer> layers_, gradients_;  // views of the adapter's
};

}  // namespace hn::core
