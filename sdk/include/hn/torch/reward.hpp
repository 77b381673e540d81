// A reward written as one LibTorch forward. The whole of a plugin:
//
//   class Brightness final : public hn::TorchReward {
//    public:
//     using hn::TorchReward::TorchReward;
//     at::Tensor score(const at::Tensor& image, const hn::Call&) override {
//       return image.mean({1, 2, 3});
//     }
//   };
//   HN_PLUGIN(Brightness, "org.example.reward.brightness", "1.0.0");
#pragma once

#include <hn/cpp/plugin.hpp>
#include <hn/torch/device.hpp>
#include <hn/torch/function.hpp>

namespace hn {

class TorchReward : public Instance {
 public:
  explicit TorchReward(const Host& host) : Instance(host) {}
  // Reads the option `device`: one that is unknown or not there is refused, see device_from.
  TorchReward(const Host& host, const Config& config)
      : Instance(host), device_(device_from(config)) {}

  // image: float32 [B,3,H,W] in [0,1] on the call's device. Returns [B]; call.cond<T>(b) is sample
  // b's prompt when has_cond() is true. Gradients follow from autograd.
  virtual at::Tensor score(const at::Tensor& image, const Call& call) = 0;

  // Where weights belong: the option `device`.
  at::Device device() const { return device_; }

  // False makes the reward score-only: it ranks and evaluates, and is refused for training by
  // gradient.
  virtual bool differentiable() const { return true; }
  // Names of further [B] outputs beside the score; override scores() then.
  virtual std::vector<std::string> columns() const { return {}; }
  // The score and the columns, in that order.
  virtual std::vector<at::Tensor> scores(const at::Tensor& image, const Call& call) {
    return {score(image, call)};
  }
  // The image's height and width, or HN_DIM_ANY.
  virtual std::array<std::int64_t, 2> image_size() const { return {HN_DIM_ANY, HN_DIM_ANY}; }

  std::unique_ptr<Function> open(std::string_view name, const Config&) override {
    if (name != "score") throw unknown_function(name);
    return std::make_unique<Score>(*this);
  }

 private:
  class Score final : public TorchFunction {
   public:
    explicit Score(TorchReward& reward) : reward_(reward) {
      const std::uint32_t diff = reward.differentiable() ? HN_SLOT_DIFF : 0u;
      const auto [h, w] = reward.image_size();
      inputs_ = {{"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, h, w}, diff}};
      outputs_ = {{"score", "score", {HN_DIM_BATCH}, diff}};
      for (const std::string& column : reward.columns())
        outputs_.push_back({column, "column", {HN_DIM_BATCH}, HN_SLOT_OPTIONAL});
      flags_ = reward.has_cond() ? HN_FN_NEEDS_COND : 0u;
    }

   protected:
    std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const Call& call) override {
      return reward_.scores(in[0], call);
    }

   private:
    TorchReward& reward_;
  };

  at::Device device_ = at::kCPU;
};

}  // namespace hn
