// The judge's network: a centre-point detector of objects, their colours and the background, on
// pictures of 64 x 64.
//
// Source: plugins/generators/sana_sprint/scripts/judge.py, Judge and find().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <hn/nn/weight_map.hpp>
#include <vector>

#include "verdict.hpp"

namespace judge {

inline constexpr std::int64_t kImageSize =
    64;                                    // pixels a side; the grid has 8 x 8 cells of 8 pixels
inline constexpr double kThreshold = 0.3;  // of a detection's probability

struct Logits {
  at::Tensor objects;     // [B,48,8,8]
  at::Tensor colours;     // [B,7,8,8], 0 is natural
  at::Tensor background;  // [B,8]
};

class Detector {
 public:
  // file: judge.safetensors. Errors: those of SafetensorsFolder::open; HN_DATA_LOSS lists every
  // tensor that does not fit.
  Detector(const std::filesystem::path& file, at::Device device);

  // pictures: float32 [B,3,64,64] in -1..1.
  Logits forward(const at::Tensor& pictures) const;
  at::Device device() const { return device_; }
  std::uint64_t weight_bytes() const { return weight_bytes_; }

 private:
  Detector(hn::WeightMap weights, std::uint64_t elements);

  struct Layer {
    at::Tensor weight, bias;
  };
  struct Stage {
    Layer down, down_norm, residual, residual_norm;
  };
  at::Device device_;
  std::vector<Stage> stages_;
  Layer mix_, objects_, colours_, background_;
  std::uint64_t weight_bytes_;
};

// Detections are cells whose largest probability is above the threshold and the largest of their 3
// x 3 neighbourhood, row by row.
std::vector<Finding> read_out(const Logits& logits);

}  // namespace judge
