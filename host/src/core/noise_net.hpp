// The noise network: delta = f(x0, prompt), which is added to the noise before the generator. Three
// kinds behind one interface, each in a file of its own:
//
//   kHypernet      the generator's noise_net, a LoRA of it (lora_net.hpp)
//   kLowFrequency  a network beside the generator, over the noise's low frequencies
//                  (low_frequency_net.hpp)
//   kConstant      one offset for every noise and prompt (constant_net.hpp)
//
// Each is exactly 0 at the start. The numbers that it trains are an Adapter's (adapter.hpp), so the
// optimiser, checkpoints and files know no kind. The last two want nothing of a generator but
// `generate` with a gradient to its noise.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/adapter.hpp"
#include "core/memory_budget.hpp"
#include "core/models.hpp"

namespace hn::core {

// What its backward passes are to give.
enum class NoiseGradient { kNone, kParameters, kNoise };

class NoiseNet {
 public:
  using Handles = std::span<const hn_cond* const>;

  // What one forward kept. Its tensors and handles stay alive and unchanged as long as this lives.
  class Pass {
   public:
    virtual ~Pass() = default;
    // delta_grad: dL/d delta. kParameters: dL/d parameters into the adapter's gradients, added or
    // in place of what is there.
    virtual void backward(const at::Tensor& delta_grad, bool add) = 0;
    // kNoise: (d delta/d x0)^T delta_grad into x0_grad, overwritten; any number of times.
    virtual void noise_backward(const at::Tensor& delta_grad, const at::Tensor& x0_grad) = 0;
  };

  virtual ~NoiseNet() = default;
  // x0, delta: float32 [b,C,h,w]; delta is overwritten. handles: one a sample, none where the
  // generator reads no prompts. The answer is NULL unless `keep`. Errors: those of the plugin.
  virtual std::unique_ptr<Pass> forward(const at::Tensor& x0, Handles handles,
                                        const at::Tensor& delta, bool keep) = 0;
  // What a kept forward of these shapes holds, and the most that it may.
  virtual Need need(const at::Tensor& x0, Handles handles, const at::Tensor& delta) = 0;
  virtual void set_saved_budget(std::uint64_t /*bytes*/) {}
};

// The condition decided (kPooled or kNone). HN_INVALID_ARGUMENT names net.frequencies where the
// noise has fewer, and net.condition where a pooled embedding is asked for and there is none.
NetSpec fit_net(GeneratorModel& generator, NetSpec net);

// What a network of this kind trains; generator.adapt(net) was called, and `net` is as fit_net
// gives it. A fine-tune's too.
std::vector<Parameter> net_parameters(GeneratorModel& generator, const NetSpec& net);

// adapter: of net_parameters, of a kind that is a noise network. Both are borrowed.
// HN_UNSUPPORTED: kNoise of a plugin that has no such gradient.
std::unique_ptr<NoiseNet> make_noise_net(GeneratorModel& generator, const Adapter& adapter,
                                         NoiseGradient gradient);

// Shapes::net_flops.
std::optional<std::uint64_t> net_flops(const GeneratorModel& generator, const Adapter& adapter);

}  // namespace hn::core
