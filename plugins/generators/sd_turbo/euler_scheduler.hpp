// The Euler steps of Stable Diffusion's probability-flow ODE, as numbers.
//
// Source: diffusers 0.42.1, schedulers/scheduling_euler_discrete.py, without churn. With x the
// state, sigma its noise level and out the network's output, one step is
//   in = input_scale x, x <- keep x + network out,
// where epsilon prediction has keep = 1 and network = sigma' - sigma, and v prediction the same
// with the clean image out of x and v.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hn::sd {

struct SchedulerConfig {
  std::int64_t num_train_timesteps = 1000;
  double beta_start = 0.0001, beta_end = 0.02;
  bool scaled_linear = false;  // beta_schedule; false: linear
  bool v_prediction = false;   // prediction_type; false: epsilon
  enum class Spacing { kLinspace, kLeading, kTrailing } spacing = Spacing::kLinspace;
  std::int64_t steps_offset = 0;      // of leading spacing
  bool zero_terminal_snr = false;     // rescale_betas_zero_snr
  bool final_sigma_is_least = false;  // final_sigmas_type sigma_min; false: zero

  // Errors: HN_NOT_FOUND, HN_DATA_LOSS (not JSON, unknown keys, wrong types), HN_UNSUPPORTED, by
  // its key, for what this code does not have: another class, betas, interpolation, sigmas or time
  // steps.
  static SchedulerConfig read(const std::filesystem::path& file);
};

struct EulerStep {
  double timestep;  // what the network is told
  double sigma;
  double input_scale, keep, network;
};

struct EulerSchedule {
  double init_sigma = 1;  // the first state is the unit-variance noise times it
  std::vector<EulerStep> steps;
};

// The schedule of n steps. sigmas in float32 as upstream. HN_INVALID_ARGUMENT for n below 1 or
// above num_train_timesteps.
EulerSchedule euler_schedule(std::int64_t n, const SchedulerConfig& config);

}  // namespace hn::sd
