#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/clip_model.hpp>
#include <hn/nn/frozen_linear.hpp>
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

// 8 bits as diffusers' numpy_to_pil: round(255 x), half to even.
at::Tensor to_bytes(const at::Tensor& image) {
  return at::round(image.detach().to(at::kCPU, at::kFloat) * 255.0).clamp(0.0, 255.0).to(at::kByte);
}

at::Tensor official_pixels(const at::Tensor& image, const ClipPreprocess& p) {
  const at::Tensor bytes = to_bytes(image);
  if (!p.official_resizes_bytes)
    return tensor_pixels((bytes.to(at::kFloat) / 255.0).to(image.device()), p, p.official_crop);
  const auto [height, width] = resized(image, p);
  at::Tensor x = resize_pillow(bytes, height, width, p.filter);
  if (p.crop) x = center_crop(x, p.crop_to[0], p.crop_to[1], p.official_crop);
  return normalize_channels(x.to(at::kFloat) / 255.0, p.mean, p.std).to(image.device());
}

// Kept in float32 whatever the model's dtype: bfloat16 would turn exp(4.6052) = 100 into 98.9. Its
// absence is told by finish() of all weights, and a listing without data has none.
double read_scale(const WeightFiles& files) {
  const StridedView* view = files.find("logit_scale");
  if (view == nullptr || view->data == nullptr || !view->shape.empty()) return 0.0;
  WeightMap scalar(files, at::kFloat, at::kCPU, "clip");
  return static_cast<double>(scalar.take("logit_scale", {}).item<float>());
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
  const at::Tensor smooth = tensor_pixels(image, p, p.official_crop);
  return value + (smooth - smooth.detach());
}

ClipModel::ClipModel(const ClipFiles& files, at::ScalarType dtype, at::Device device,
                     ClipParts parts)
    : ClipModel(files, WeightMap(files.weights, dtype, device, "clip"), parts) {}

ClipModel::ClipModel(const ClipFiles& files, WeightMap weights, ClipParts parts)
    : config_(files.config),
      preprocess_(files.preprocess),
      device_(weights.device()),
      vision_(config_.vision, weights),
      visual_projection_(weights.take("visual_projection.weight",
                                      {config_.projection_dim, config_.vision.encoder.width})) {
  if (parts == ClipParts::kBoth) {
    text_.emplace(config_.text, weights);
    text_projection_ = weights.take("text_projection.weight",
                                    {config_.projection_dim, config_.text.encoder.width});
    weights.take("logit_scale", {});
    weights.finish();
    logit_scale_ = read_scale(files.weights);
    text_->prepare();
  } else {
    weights.finish({"text_model.", "text_projection", "logit_scale"});
  }
  vision_.prepare();
  weight_bytes_ = weights.bytes();
}

at::Tensor ClipModel::image_embedding(const at::Tensor& pixels, bool deterministic) const {
  return unit(frozen_linear(vision_.forward(pixels, deterministic), visual_projection_, {}));
}

at::Tensor ClipModel::text_embedding(const at::Tensor& ids, const at::Tensor& mask,
                                     bool deterministic) const {
  if (!text_) throw Error(HN_INTERNAL, "[clip] the text tower was not read");
  return unit(at::linear(text_->forward(ids, mask, deterministic).pooled, text_projection_));
}

}  // namespace hn
