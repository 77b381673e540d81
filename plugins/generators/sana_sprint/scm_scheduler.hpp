// The time steps of SANA-Sprint's continuous-time consistency sampling, and the numbers of each
// step.
//
// Source: diffusers 0.42.1, schedulers/scheduling_scm.py and pipelines/sana/pipeline_sana_sprint.py
// (the denoising loop). With sigma the data's standard deviation, x the state and F the network,
// one step from t to u is
//   s = sin t / (cos t + sin t), c = sqrt(s^2 + (1-s)^2), in = c x / sigma, f = ((1-2s) in +
//   (1-2s+2s^2) F(in, s)) / c * sigma, x0 = cos t x - sin t f, next x = cos u x0 + sin u sigma
//   noise.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "config.hpp"

namespace hn::sana {

struct ScmStep {
  double timestep;               // s, what the network is told
  double input_scale;            // c
  double skip, network, divide;  // of f: (skip in + network F) / divide
  double cos_t, sin_t;           // of x0
  double cos_next, sin_next;     // of the re-noising
};

struct ScmOptions {
  double max_timestep = 1.57080;
  double intermediate_timestep = 1.3;  // used for exactly 2 steps
  // The released code of Noise Hypernetworks casts t to bfloat16 before sine and cosine; diffusers
  // 0.42 keeps float32.
  bool bfloat16_timestep = false;
};

// The n steps of a schedule; all arithmetic in float32 as upstream, or in bfloat16 on request.
// HN_INVALID_ARGUMENT for n below 1 or above num_train_timesteps.
std::vector<ScmStep> scm_schedule(std::int64_t n, const SchedulerConfig& config,
                                  const ScmOptions& options);

}  // namespace hn::sana
