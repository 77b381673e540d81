#include "flow_match_scheduler.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <hn/generator/latent_model.hpp>

namespace hn::flux {
namespace {

// calculate_shift: linear in the picture's size.
double shift_of(const SchedulerConfig& c, std::int64_t tokens) {
  const double slope = (c.max_shift - c.base_shift) /
                       static_cast<double>(c.max_image_seq_len - c.base_image_seq_len);
  return static_cast<double>(tokens) * slope +
         (c.base_shift - slope * static_cast<double>(c.base_image_seq_len));
}

}  // namespace

std::vector<FlowStep> flow_match_schedule(std::int64_t n, const SchedulerConfig& config,
                                          std::int64_t tokens) {
  check_steps("flux_schnell", n, config.num_train_timesteps);
  if (config.shift_terminal && n == 1)
    throw Error(HN_INVALID_ARGUMENT,
                "[flux_schnell] steps: expected at least 2 with the scheduler's shift_terminal, "
                "got 1");
  auto sigmas = at::linspace(1.0, 1.0 / static_cast<double>(n), n, at::kDouble).to(at::kFloat);
  if (config.dynamic_shifting) {
    const double mu = shift_of(config, tokens), factor = config.linear_shift ? mu : std::exp(mu);
    sigmas = factor / (factor + (sigmas.reciprocal() - 1));
  } else {
    sigmas = config.shift * sigmas / (1 + (config.shift - 1) * sigmas);
  }
  if (config.shift_terminal) {
    const auto rest = 1 - sigmas;
    sigmas = 1 - rest / (rest[n - 1] / (1 - *config.shift_terminal));
  }
  const auto times = sigmas * static_cast<double>(config.num_train_timesteps);
  const auto ends = at::cat({sigmas, at::zeros({1}, sigmas.options())});
  const auto deltas = ends.slice(0, 1) - sigmas;
  std::vector<FlowStep> steps;
  for (std::int64_t i = 0; i < n; ++i)
    steps.push_back({times[i].item<double>(), deltas[i].item<double>()});
  return steps;
}

}  // namespace hn::flux
