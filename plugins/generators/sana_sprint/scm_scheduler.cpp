#include "scm_scheduler.hpp"

#include <ATen/ATen.h>

#include <hn/generator/latent_model.hpp>

namespace hn::sana {

std::vector<ScmStep> scm_schedule(std::int64_t n, const SchedulerConfig& config,
                                  const ScmOptions& options) {
  check_steps("sana_sprint", n, config.num_train_timesteps);
  const auto times =
      n == 2 ? at::tensor({options.max_timestep, options.intermediate_timestep, 0.0}, at::kFloat)
             : at::linspace(options.max_timestep, 0, n + 1, at::kFloat);
  const auto number = [](const at::Tensor& x) { return x.item<double>(); };
  std::vector<ScmStep> steps;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto t = times[i], next = times[i + 1];
    const auto told = options.bfloat16_timestep ? t.to(at::kBFloat16) : t;
    const auto s = at::sin(told) / (at::cos(told) + at::sin(told));
    const auto c = at::sqrt(s.square() + (1 - s).square());
    steps.push_back({.timestep = number(s),
                     .input_scale = number(c),
                     .skip = number(1 - 2 * s),
                     .network = number(1 - 2 * s + 2 * s.square()),
                     .divide = number(c),
                     .cos_t = number(at::cos(t)),
                     .sin_t = number(at::sin(t)),
                     .cos_next = number(at::cos(next)),
                     .sin_next = number(at::sin(next))});
  }
  return steps;
}

}  // namespace hn::sana
