// The noise hypernetwork: the generator's own noise_net with the adapter's matrices. Source: arXiv
// 2508.09968, section 4.
#pragma once

#include "core/noise_net.hpp"

namespace hn::core {

class LoraNet final : public NoiseNet {
 public:
  // fn: noise_net, opened with adapters.
  LoraNet(FunctionClient& fn, const Adapter& adapter, NoiseGradient gradient);

  std::unique_ptr<Pass> forward(const at::Tensor& x0, Handles handles, const at::Tensor& delta,
                                bool keep) override;
  Need need(const at::Tensor& x0, Handles handles, const at::Tensor& delta) override;
  void set_saved_budget(std::uint64_t bytes) override { fn_.saved_budget = bytes; }

 private:
  class LoraPass;
  BoundFunction fn_;
  std::size_t noise_, offset_;  // slots
};

}  // namespace hn::core
