// Image operations that reward models share: resizing as torchvision and as Pillow do it, cropping,
// normalising.
//
// Images are [..., H, W]; float ones are in [0,1]. Every function runs on the tensor's device
// unless it says otherwise.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <span>

namespace hn {

enum class ResizeFilter { kBilinear, kBicubic };

// The size that puts the shorter edge at `edge` and keeps the aspect ratio; the longer one is
// truncated. Source: torchvision Resize(int), transformers get_resize_output_image_size. {height,
// width}
std::array<std::int64_t, 2> short_edge_size(std::int64_t height, std::int64_t width,
                                            std::int64_t edge);

// Weights [out, in] float32 on the CPU of an antialiased resize along one axis: row i mixes the
// inputs into output i. Source: Pillow src/libImaging/Resample.c precompute_coeffs (bicubic a =
// -0.5), which ATen's _upsample_*2d_aa follows.
at::Tensor resize_weights(std::int64_t in, std::int64_t out, ResizeFilter filter);

// Antialiased resize of a float image, differentiable, nothing clamped: bicubic can overshoot
// [0,1]. The same size is returned as it is. Equal to torchvision's resize(antialias=True) on a
// tensor. Deterministic on every device: on the CPU ATen's kernel, elsewhere two matrix products,
// because the CUDA kernel's backward adds atomically.
at::Tensor resize_antialias(const at::Tensor& image, std::int64_t height, std::int64_t width,
                            ResizeFilter filter);

// What Pillow 13's Image.resize gives for 8-bit channels, bit for bit: fixed-point weights, each of
// the two passes rounded and clamped to 0..255. Older Pillow agrees where the width shrinks at
// least half as much as the height. image: uint8 on the CPU; HN_INVALID_ARGUMENT for another dtype
// or device.
at::Tensor resize_pillow(const at::Tensor& image, std::int64_t height, std::int64_t width,
                         ResizeFilter filter);

// How an odd margin is split: torchvision rounds half to even, transformers' processors round down.
enum class CropRounding { kHalfToEven, kDown };

// Centre crop; an image smaller than the crop is padded with zeros first, as both libraries do.
at::Tensor center_crop(const at::Tensor& image, std::int64_t height, std::int64_t width,
                       CropRounding rounding);

// (image - mean) / std per channel; image [B,C,H,W], C = mean.size() = std.size().
at::Tensor normalize_channels(const at::Tensor& image, std::span<const double> mean,
                              std::span<const double> std);

}  // namespace hn
