// One number (a time step, a guidance scale) as a network's input: sines and cosines, then two
// linear layers round a SiLU.
//
// Source: diffusers 0.42.1, models/embeddings.py (get_timestep_embedding, TimestepEmbedding).
#pragma once

#include <hn/nn/lora.hpp>

namespace hn {

// [1, channels] float32: cosines, then sines (the other way round without flip_sin_to_cos), of
// value * 10000^(-i / (channels/2 - freq_shift)). Computed in float32 as upstream, whatever the
// model's dtype is.
at::Tensor timestep_waves(double value, std::int64_t channels, double freq_shift, at::Device device,
                          bool flip_sin_to_cos = true);

class TimestepEmbedding {
 public:
  TimestepEmbedding() = default;
  // NAME.linear_1 [width, in] and NAME.linear_2 [width, width], both with bias.
  TimestepEmbedding(const Builder& builder, const std::string& name, std::int64_t in,
                    std::int64_t width);
  at::Tensor operator()(const at::Tensor& x, const LoraSet& lora) const;  // [B, in] -> [B, width]

 private:
  Linear first_, second_;
};

}  // namespace hn
