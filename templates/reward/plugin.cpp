// my_reward: how close a picture's brightness is to a wanted one. Written as one LibTorch forward;
// the gradient follows.
#include <hn/torch/reward.hpp>

namespace {

class MyReward final : public hn::TorchReward {
 public:
  // Runs once, when the host loads the plugin: read options, load weights. A hn::Error thrown here
  // reaches the user as text.
  MyReward(const hn::Host& host, const hn::Config& config)
      : TorchReward(host, config), target_(config.f64("org.example.target", 0.25)) {
    if (target_ < 0 || target_ > 1)
      throw hn::Error(HN_INVALID_ARGUMENT,
                      "[my_reward] expected target in 0..1, got " + std::to_string(target_));
  }

  // image: float32 [B,3,H,W] in [0,1], any B (also 0), any strides. Returns one number a sample,
  // [B]; higher is better.
  at::Tensor score(const at::Tensor& image, const hn::Call&) override {
    const at::Tensor luma =
        0.299 * image.select(1, 0) + 0.587 * image.select(1, 1) + 0.114 * image.select(1, 2);
    return 1.0 - (luma.mean({1, 2}) - target_).square();
  }

 private:
  double target_;
};

}  // namespace

HN_PLUGIN(MyReward, "org.example.reward.my_reward",
          "0.1.0");  // both texts stand in plugin.toml too
