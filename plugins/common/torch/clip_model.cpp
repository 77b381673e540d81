#include "torch/clip_model.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace hn {
namespace {

std::array<std::int64_t, 2> resized(const at::Tensor& image, const ClipPreprocess& p) {
  if (!p.resize) return {image.size(-2), image.size(-1)};
  return p.resize_short_edge > 0
             ? short_edge_size(image.size(-2), image.size(-1), p.resize_short_edge)
             : p.resize_to;
}

at::Tensor tensor_pixels(const at::Tensor& image, const ClipPreprocess& p, CropRounding rounding) {
  const auto [height, width] = resized(image, p);
  at::Tensor x = resize_antialias(image, height, width, p.filter);
  if (p.crop) x = center_crop(x, p.crop_to[0], p.crop_to[1], rounding);
  return normalize_channels(x, p.mean, p.std);
}

at::Tensor official_pixels(const at::Tensor& image, const ClipPreprocess& p) {
  // 8 bits as diffusers' numpy_to_pil: round(255 x), half to even.
  const at::Tensor bytes =
      at::round(image.detach().to(at::kCPU, at::kFloat) * 255.0).clamp(0.0, 255.0).to(at::kByte);
  const auto [height, width] = resized(image, p);
  at::Tensor x = resize_pillow(bytes, height, width, p.filter);
  if (p.crop) x = center_crop(x, p.crop_to[0], p.crop_to[1], CropRounding::kDown);
  return normalize_channels(x.to(at::kFloat) / 255.0, p.mean, p.std).to(image.device());
}

std::uint64_t stored_elements(const SafetensorsFolder& folder) {
  std::uint64_t n = 0;
  for (const std::string& name : folder.names())
    n += static_cast<std::uint64_t>(folder.at(name).numel());
  return n;
}

// Kept in float32 whatever the model's dtype: bfloat16 would turn exp(4.6052) = 100 into 98.9.
double read_scale(const SafetensorsFolder& folder) {
  WeightMap scalar(folder, at::kFloat, at::kCPU, "clip");
  const at::Tensor value = scalar.take("logit_scale", {});
  return value.defined() ? static_cast<double>(value.item<float>())
                         : 0.0;  // its absence is told by finish() of all weights
}

at::Tensor unit(const at::Tensor& x) {
  const at::Tensor wide = x.to(at::kFloat);
  return wide / at::sqrt(at::sum(wide * wide, -1, /*keepdim=*/true));
}

}  // namespace

at::Tensor clip_pixels(const at::Tensor& image, const ClipPreprocess& p, PreprocessMode mode) {
  if (mode == PreprocessMode::kTensor) return tensor_pixels(image, p, CropRounding::kHalfToEven);
  const at::Tensor value = official_pixels(image, p);
  if (!image.requires_grad()) return value;
  // smooth - smooth is exactly 0, so the value stays the official one to the bit.
  const at::Tensor smooth = tensor_pixels(image, p, CropRounding::kDown);
  return value + (smooth - smooth.detach());
}

ClipModel::ClipModel(const std::filesystem::path& folder, at::ScalarType dtype, at::Device device)
    : ClipModel(folder, SafetensorsFolder::open(folder), dtype, device) {}

ClipModel::ClipModel(const std::filesystem::path& folder, const SafetensorsFolder& files,
                     at::ScalarType dtype, at::Device device)
    : ClipModel(folder, WeightMap(files, dtype, device, "clip"), files) {}

ClipModel::ClipModel(const std::filesystem::path& folder, WeightMap weights,
                     const SafetensorsFolder& files)
    : config_(read_clip_config(folder)),
      preprocess_(read_clip_preprocess(folder, config_.vision)),
      device_(weights.device()),
      text_(config_.text, weights),
      vision_(config_.vision, weights),
      text_projection_(weights.take("text_projection.weight",
                                    {config_.projection_dim, config_.text.encoder.width})),
      visual_projection_(weights.take("visual_projection.weight",
                                      {config_.projection_dim, config_.vision.encoder.width})),
      logit_scale_(read_scale(files)),
      weight_bytes_(stored_elements(files) * c10::elementSize(weights.dtype())) {
  weights.take("logit_scale", {});
  weights.finish();
  text_.prepare();
  vision_.prepare();
}

at::Tensor ClipModel::image_embedding(const at::Tensor& pixels, bool deterministic) const {
  return unit(at::linear(vision_.forward(pixels, deterministic), visual_projection_));
}

at::Tensor ClipModel::text_embedding(const at::Tensor& ids, const at::Tensor& mask,
                                     bool deterministic) const {
  return unit(at::linear(text_.forward(ids, mask, deterministic).pooled, text_projection_));
}

}  // namespace hn
