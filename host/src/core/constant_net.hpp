// A learned offset, the same for every noise and prompt: what a noise network gains that uses
// neither.
#pragma once

#include "core/noise_net.hpp"

namespace hn::core {

inline constexpr const char* kOffsetName = "offset";

// One tensor [C,h,w], 0 at the start.
std::vector<Parameter> constant_parameters(const std::vector<std::int64_t>& noise_shape);

class ConstantNet final : public NoiseNet {
 public:
  explicit ConstantNet(const Adapter& adapter) : adapter_(adapter) {}
  std::unique_ptr<Pass> forward(const at::Tensor& x0, Handles handles, const at::Tensor& delta,
                                bool keep) override;
  Need need(const at::Tensor&, Handles, const at::Tensor&) override { return {}; }

 private:
  const Adapter& adapter_;
};

}  // namespace hn::core
