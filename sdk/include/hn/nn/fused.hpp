// Three blocks of the networks here as one pass over memory each, forward and backward, where
// LibTorch would take five to fifteen: on CPU tensors in float32. Other devices and types take the
// composed form. Results agree to rounding.
//
// Gradients flow into the activations only: with weights that require gradients the composed form
// is taken. No double backward.
#pragma once

#include <ATen/core/Tensor.h>

namespace hn {

// x / sqrt(mean(x^2) + eps) * weight + bias + residual over the last dimension. x: [..., C];
// weight, bias: [C]; residual: x's shape. weight, bias and residual may be undefined. Semantics:
// rms_norm in ops.hpp.
at::Tensor fused_rms_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          double eps, const at::Tensor& residual = {});

// a * silu(g) for x = [a, g] joined in the last dimension. x: [..., 2C] -> [..., C].
at::Tensor fused_gated_silu(const at::Tensor& x);

// relu(q) (relu(k)^T v) / (relu(q) . sum relu(k) + eps), sums over the positions, in float32 or
// wider whatever the inputs are. q, k, v: [B, N, heads, d] of any strides. Returns [B, N, heads, d]
// in the accumulation type. Source: diffusers 0.42.1 models/attention_processor.py,
// SanaLinearAttnProcessor2_0 and SanaMultiscaleLinearAttention.apply_linear_attention, which append
// a column of ones to v where this keeps the sum of the keys apart.
at::Tensor fused_relu_linear_attention(const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v, double eps = 1e-15);

}  // namespace hn
