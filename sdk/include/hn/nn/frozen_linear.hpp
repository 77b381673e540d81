// A linear layer whose weights never change, on the fastest product that the call allows.
#pragma once

#include <ATen/core/Tensor.h>

namespace hn {

// x W^T + bias over the last dimension. x: [..., in]; weight: [out, in]; bias: [out]. Where no
// gradient has to be kept, float32 on the CPU takes oneDNN's product in place of MKL's, which
// LibTorch's own linear uses: 5 to 40 % less time at 13 to 800 rows on a Zen 4 core (AVX-512), and
// equal to rounding. Everything else is at::linear.
//
// oneDNN compiles a kernel for each shape and keeps the last 1,024, at some 0.4 MB each: this is
// for inputs of few shapes, such as a vision tower's, and not for texts of every length.
at::Tensor frozen_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace hn
