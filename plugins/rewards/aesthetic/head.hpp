// The head of LAION's aesthetic predictors: a chain of linear maps from a CLIP image embedding to
// one number.
//
// Source: christophschuhmann/improved-aesthetic-predictor simple_inference.py, class MLP
// (768-1024-128-64-16-1 with dropout between and no activation; names layers.0, .2, .4, .6, .7);
// LAION-AI/aesthetic-predictor, get_aesthetic_model (one Linear; names weight, bias).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <hn/formats/weight_files.hpp>
#include <vector>

namespace hn::aesthetic {

class Head {
 public:
  // Reads either layout, whatever its widths. Float32 on `device`. Errors: those of
  // WeightFiles::open; HN_DATA_LOSS for tensors that are no chain from `width` to one number.
  Head(const WeightFiles& files, std::int64_t width, at::Device device);

  // unit: float32 [B,width], unit vectors. Returns [B].
  at::Tensor forward(const at::Tensor& unit) const;
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Layer {
    at::Tensor weight, bias;
  };
  std::vector<Layer> layers_;
  std::uint64_t bytes_ = 0;
};

// The file of the head in `folder`: the option's name if it is not empty, else the known names,
// else the only .pth there is. HN_NOT_FOUND lists what was looked for.
std::filesystem::path find_head(const std::filesystem::path& folder, const std::string& given);

}  // namespace hn::aesthetic
