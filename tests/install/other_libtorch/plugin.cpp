// A vision tower in small: patches by a convolution, layer norm, one attention block with its MLP,
// mean over the tokens, the cosine with a fixed direction. What it calls is what towers of rewards
// call, so that two LibTorches are compared where their kernels differ.
#include <hn/torch/reward.hpp>

namespace {

constexpr std::int64_t kWidth = 32, kHeads = 4, kPatch = 8;

// The same numbers whatever LibTorch this is built with: integers, scaled by a power of two.
at::Tensor weights(std::uint32_t seed, at::IntArrayRef shape, int shift) {
  at::Tensor all = at::empty(shape, at::kFloat);
  auto* data = all.data_ptr<float>();
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    state = state * 1664525u + 1013904223u;
    const auto number = static_cast<std::int32_t>(state >> 16) - 32768;
    data[i] = static_cast<float>(number) / static_cast<float>(1 << (15 + shift));
  }
  return all;
}

class Tower final : public hn::TorchReward {
 public:
  using hn::TorchReward::TorchReward;

  at::Tensor score(const at::Tensor& image, const hn::Call&) override {
    // Bicubic, so that every picture becomes 8 by 8 patches.
    const at::Tensor pixels =
        at::upsample_bicubic2d(image, {8 * kPatch, 8 * kPatch}, /*align_corners=*/false);
    at::Tensor x = at::conv2d(2.0 * pixels - 1.0, patch_, {}, kPatch).flatten(2).transpose(1, 2);
    x = x + position_;  // so that no token is zero, where a layer norm is no smooth function
    x = x + attention(at::layer_norm(x, {kWidth}));
    x = x + at::matmul(at::gelu(at::matmul(at::layer_norm(x, {kWidth}), in_)), out_);
    const at::Tensor mean = at::layer_norm(x, {kWidth}).mean(1);
    return at::cosine_similarity(mean, direction_.expand_as(mean), 1, 1e-6);
  }

 private:
  at::Tensor attention(const at::Tensor& x) const {
    const auto heads = [&](const at::Tensor& w) {
      return at::matmul(x, w).view({x.size(0), x.size(1), kHeads, kWidth / kHeads}).transpose(1, 2);
    };
    const at::Tensor scores = at::matmul(heads(q_), heads(k_).transpose(2, 3)) * 0.35355339f;
    return at::matmul(at::softmax(scores, -1), heads(v_)).transpose(1, 2).flatten(2);
  }

  at::Tensor patch_ = weights(1, {kWidth, 3, kPatch, kPatch}, 2);
  at::Tensor position_ = weights(8, {64, kWidth}, 1);
  at::Tensor q_ = weights(2, {kWidth, kWidth}, 1), k_ = weights(3, {kWidth, kWidth}, 1),
             v_ = weights(4, {kWidth, kWidth}, 2);
  at::Tensor in_ = weights(5, {kWidth, 4 * kWidth}, 2), out_ = weights(6, {4 * kWidth, kWidth}, 3);
  at::Tensor direction_ = weights(7, {kWidth}, 0);
};

}  // namespace

HN_PLUGIN(Tower, REWARD_ID, "0.1.0");
