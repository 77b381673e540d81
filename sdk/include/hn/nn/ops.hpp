// Small numeric blocks that several models share. All are differentiable in their activations;
// weights are constants or part of the graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace hn {

// The type in which norms and sums accumulate: double stays double, everything else float32.
at::ScalarType accumulate_type(at::ScalarType dtype);

// x / rms(x) over the last dimension, times weight, plus bias (either may be undefined). The mean
// square is taken in float32; with weights below float32 the normalised value is rounded to their
// dtype before it is scaled. Returns x's dtype. Source: diffusers 0.42 models/normalization.py,
// RMSNorm.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    double eps);

// The non-linearity that a configuration names: silu (swish), mish, gelu, relu, gelu_pytorch_tanh.
// HN_UNSUPPORTED for another name; `where` names the file and key.
using Activation = at::Tensor (*)(const at::Tensor&);
Activation find_activation(const std::string& name, const std::string& where);

}  // namespace hn
