// The mathematics of my_generator, free of anything of hn: a one-step text-to-"image" model small
// enough to read.
//
//   h     = tanh(in(x) + prompt)            in: 4 -> 12 channels, a matrix applied at every place
//   clean = x + out(h)                      out: 12 -> 4
//   image = sigmoid(rgb(clean) + bias)      rgb: 4 -> 3, then four times larger, bilinear
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <filesystem>
#include <string_view>

namespace my_generator {

constexpr std::int64_t kChannels = 4, kHidden = 12, kSize = 8, kScale = 4;

// One LoRA: y = x W^T + scale * (x A^T) B^T. Undefined a and b: the frozen layer alone.
struct Lora {
  at::Tensor a, b;  // [rank, in], [out, rank]
  double scale = 1;
};

class Model {
 public:
  // A text file of numbers: in [12,4], out [4,12], rgb [3,4], bias [3], row by row. Throws
  // hn::Error.
  explicit Model(const std::filesystem::path& file);

  // A prompt as [12]: the mean of one fixed vector a word.
  static at::Tensor embed(std::string_view prompt);

  // noise, result [B,4,8,8] unit variance; prompts [B,12] or [1,12].
  at::Tensor denoise(const at::Tensor& noise, const at::Tensor& prompts, const Lora& in,
                     const Lora& out) const;
  // latents [B,4,8,8] -> [B,3,32,32] in [0,1].
  at::Tensor decode(const at::Tensor& latents) const;
  // The noise hypernetwork: the same network on the same frozen weights, but of its last layer only
  // the LoRA branch, and no way round it. So the offset is exactly 0 as long as lora_B is.
  at::Tensor offset(const at::Tensor& noise, const at::Tensor& prompts, const Lora& in,
                    const Lora& out) const;

  std::uint64_t bytes() const;

 private:
  at::Tensor in_, out_, rgb_, bias_;
};

}  // namespace my_generator
