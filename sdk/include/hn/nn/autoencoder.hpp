// A picture's way to latents and back, as every latent-diffusion pipeline has one.
//
// A constructor (const Config&, WeightMap&) takes the tensors; the caller then calls
// weights.finish() and prepare(). Differentiable in latents and pictures. One thread at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <hn/nn/checkpoint.hpp>

namespace hn {

class Autoencoder {
 public:
  virtual ~Autoencoder() = default;

  // Computes what follows from the weights. Called once, when all of them were found.
  virtual void prepare() {}

  // Pixels a latent, in each direction.
  virtual std::int64_t factor() const = 0;
  // decode() takes unit-variance latents divided by it, encode() gives them so; 1 where both scale
  // for themselves.
  virtual double latent_scale() const { return 1; }
  // Tiles overlap by 1/this of their side where option `vae_tile_overlap` says nothing.
  virtual std::int64_t overlap_share() const = 0;

  // latents [B, C, h, w] in the weights' dtype to pictures [B, 3, factor h, factor w], nominally in
  // [-1, 1], not clamped. `run` runs the blocks; nullptr keeps what their backward needs.
  virtual at::Tensor decode(const at::Tensor& latents, BlockRunner* run) const = 0;
  // Pictures in [-1, 1], height and width multiples of factor(), to latents.
  virtual at::Tensor encode(const at::Tensor& picture, BlockRunner* run) const = 0;
};

}  // namespace hn
