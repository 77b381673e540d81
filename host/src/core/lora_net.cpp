#include "core/lora_net.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace hn::core {

class LoraNet::LoraPass final : public NoiseNet::Pass {
 public:
  LoraPass(LoraNet& net, Saved saved) : net_(net), saved_(std::move(saved)) {}
  void backward(const at::Tensor& delta_grad, bool add) override {
    net_.fn_.cotangent[net_.offset_] = delta_grad;
    net_.fn_.backward(saved_, add);
  }
  void noise_backward(const at::Tensor& delta_grad, const at::Tensor& x0_grad) override {
    net_.fn_.cotangent[net_.offset_] = delta_grad;
    net_.fn_.grad[net_.noise_] = x0_grad;
    net_.fn_.backward(saved_, false);
  }

 private:
  LoraNet& net_;
  Saved saved_;
};

LoraNet::LoraNet(FunctionClient& fn, const Adapter& adapter, NoiseGradient gradient)
    : fn_(fn), noise_(fn.input("noise")), offset_(fn.output("offset")) {
  fn_.bind(adapter, gradient == NoiseGradient::kParameters);
  if (gradient != NoiseGradient::kNoise) return;
  if (!fn.inputs()[noise_].diff())
    throw Error(HN_UNSUPPORTED,
                "[lipschitz] noise_net gives no gradient with respect to its noise");
  fn_.need_grad[noise_] = 1;
}

std::unique_ptr<NoiseNet::Pass> LoraNet::forward(const at::Tensor& x0, Handles handles,
                                                 const at::Tensor& delta, bool keep) {
  fn_.in[noise_] = x0;
  fn_.out[offset_] = delta;
  Saved saved = fn_.forward(handles, keep);
  if (!keep) return nullptr;
  return std::make_unique<LoraPass>(*this, std::move(saved));
}

Need LoraNet::need(const at::Tensor& x0, Handles handles, const at::Tensor& delta) {
  fn_.in[noise_] = x0;
  fn_.out[offset_] = delta;
  return need_of(fn_, handles);
}

}  // namespace hn::core
