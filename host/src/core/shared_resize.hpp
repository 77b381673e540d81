// One picture batch resized once for all rewards that want the same size, and one way back.
//
//   shorter side to `edge` by bicubic interpolation with antialiasing, on the tensor and without
//   clamping, then the centre crop of edge x edge
//
// That is what the CLIP-like rewards do with preprocess = "tensor", and a picture that has their
// size already passes them unchanged, so their scores keep every bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace hn::core {

class SharedResize {
 public:
  // image: float32 [B,3,H,W]; borrowed until backward() is done.
  SharedResize(const at::Tensor& image, std::int64_t edge);

  std::int64_t edge() const { return edge_; }
  const at::Tensor& resized() const { return resized_; }  // [B,3,edge,edge]
  // Where rewards put dL / d resized; zero at first.
  const at::Tensor& gradient();
  bool has_gradient() const { return gradient_.defined(); }
  // dL / d image, the image's shape.
  at::Tensor backward() const;

 private:
  at::Tensor image_, resized_, gradient_;
  std::int64_t edge_;
};

}  // namespace hn::core
