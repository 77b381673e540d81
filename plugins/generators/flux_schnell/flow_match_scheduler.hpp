// The Euler steps of flow matching: x moves along the predicted velocity from noise (sigma 1) to a
// picture (sigma 0).
//
// Source: diffusers 0.42.1, schedulers/scheduling_flow_match_euler_discrete.py (set_timesteps,
// step) and pipelines/flux/pipeline_flux.py (sigmas, calculate_shift).
#pragma once

#include <cstdint>
#include <vector>

#include "config.hpp"

namespace hn::flux {

struct FlowStep {
  double timestep;  // sigma * num_train_timesteps
  double delta;     // x += delta * velocity; negative
};

// n steps for a picture of `tokens` packed latents, which count with dynamic shifting only; float32
// arithmetic as upstream. HN_INVALID_ARGUMENT for n below 1 or above num_train_timesteps,
// and for 1 with shift_terminal, where upstream divides by 0.
std::vector<FlowStep> flow_match_schedule(std::int64_t n, const SchedulerConfig& config,
                                          std::int64_t tokens);

}  // namespace hn::flux
