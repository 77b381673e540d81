#include "vit.hpp"

#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/attention.hpp>
#include <hn/nn/frozen_linear.hpp>

namespace hn::image_reward {

VisionTower::VisionTower(const VitConfig& config, WeightMap& weights, const std::string& prefix)
    : config_(config) {
  const std::int64_t d = config.width, m = config.intermediate, p = config.patch_size,
                     grid = config.image_size / p;
  const auto norm = [&](const std::string& name) {
    return Affine{weights.take(prefix + name + ".weight", {d}),
                  weights.take(prefix + name + ".bias", {d})};
  };
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    return Affine{weights.take(prefix + name + ".weight", {out, in}),
                  weights.take(prefix + name + ".bias", {out})};
  };
  class_token_ = weights.take(prefix + ".cls_token", {1, 1, d});
  positions_ = weights.take(prefix + ".pos_embed", {1, grid * grid + 1, d});
  patches_ = {weights.take(prefix + ".patch_embed.proj.weight", {d, 3, p, p}),
              weights.take(prefix + ".patch_embed.proj.bias", {d})};
  for (std::int64_t i = 0; i < config.depth; ++i) {
    const std::string name = ".blocks." + std::to_string(i);
    blocks_.push_back({norm(name + ".norm1"), linear(name + ".attn.qkv", 3 * d, d),
                       linear(name + ".attn.proj", d, d), norm(name + ".norm2"),
                       linear(name + ".mlp.fc1", m, d), linear(name + ".mlp.fc2", d, m)});
  }
  norm_ = norm(".norm");
}

at::Tensor VisionTower::norm(const at::Tensor& x, const Affine& n) const {
  return at::layer_norm(x, {config_.width}, n.weight, n.bias, config_.layer_norm_eps);
}

at::Tensor VisionTower::forward(const at::Tensor& pixels, bool deterministic) const {
  const std::int64_t n = config_.image_size, p = config_.patch_size, grid = n / p,
                     d = config_.width;
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) != n || pixels.size(3) != n)
    throw Error(HN_INVALID_ARGUMENT, "[image_reward] expected pixels [B,3," + std::to_string(n) +
                                         "," + std::to_string(n) + "], got " +
                                         c10::str(pixels.sizes()));
  const std::int64_t batch = pixels.size(0);
  const at::Tensor cut = pixels.to(patches_.weight.scalar_type())
                             .reshape({batch, 3, grid, p, grid, p})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({batch, grid * grid, 3 * p * p});
  const at::Tensor tokens = frozen_linear(cut, patches_.weight.reshape({d, -1}), patches_.bias);
  at::Tensor x = at::cat({class_token_.expand({batch, 1, d}), tokens}, 1) + positions_;
  for (const Block& block : blocks_) {
    const auto qkv =
        frozen_linear(norm(x, block.norm1), block.qkv.weight, block.qkv.bias).chunk(3, -1);
    const at::Tensor mixed =
        attend(split_heads(qkv[0], config_.heads), split_heads(qkv[1], config_.heads),
               split_heads(qkv[2], config_.heads), {}, deterministic);
    x = x + frozen_linear(join_heads(mixed), block.proj.weight, block.proj.bias);
    const at::Tensor wide =
        at::gelu(frozen_linear(norm(x, block.norm2), block.fc1.weight, block.fc1.bias));
    x = x + frozen_linear(wide, block.fc2.weight, block.fc2.bias);
  }
  return norm(x, norm_);
}

}  // namespace hn::image_reward
