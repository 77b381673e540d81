#include "euler_scheduler.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <hn/formats/model_config.hpp>
#include <hn/generator/latent_model.hpp>

namespace hn::sd {
namespace {

constexpr double kLastAlphaOfZeroSnr = 1.0 / (1 << 24);

// The training schedule's noise levels, float32 [num_train_timesteps], rising.
at::Tensor training_sigmas(const SchedulerConfig& config) {
  const std::int64_t n = config.num_train_timesteps;
  auto betas =
      config.scaled_linear
          ? at::linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), n, at::kFloat)
                .square()
          : at::linspace(config.beta_start, config.beta_end, n, at::kFloat);
  auto alphas = at::cumprod(1 - betas, 0);
  if (config.zero_terminal_snr) {
    auto roots = alphas.sqrt();
    const auto first = roots[0].clone(), last = roots[-1].clone();
    roots = (roots - last) * (first / (first - last));
    const auto squares = roots.square();
    betas = 1 - at::cat({squares.slice(0, 0, 1), squares.slice(0, 1) / squares.slice(0, 0, -1)});
    alphas = at::cumprod(1 - betas, 0);
    alphas[-1].fill_(kLastAlphaOfZeroSnr);
  }
  return ((1 - alphas) / alphas).sqrt();
}

// Time steps on the training scale, falling, each rounded to float32 as upstream's.
std::vector<double> inference_timesteps(std::int64_t n, const SchedulerConfig& config) {
  using Spacing = SchedulerConfig::Spacing;
  const auto total = static_cast<double>(config.num_train_timesteps);
  std::vector<double> times;
  if (config.spacing == Spacing::kLinspace) {
    const double gap = n > 1 ? (total - 1) / static_cast<double>(n - 1) : 0;
    for (std::int64_t i = n; i-- > 0;)
      times.push_back(static_cast<double>(
          static_cast<float>(i + 1 == n && n > 1 ? total - 1 : gap * static_cast<double>(i))));
  } else if (config.spacing == Spacing::kLeading) {
    const std::int64_t gap = config.num_train_timesteps / n;
    for (std::int64_t i = n; i-- > 0;)
      times.push_back(static_cast<double>(i * gap + config.steps_offset));
  } else {
    // numpy.arange(total, 0, -gap), rounded half to even.
    const double gap = total / static_cast<double>(n), step = (total - gap) - total;
    const auto count = static_cast<std::int64_t>(std::ceil(-total / -gap));
    for (std::int64_t i = 0; i < count; ++i)
      times.push_back(std::nearbyint(total + static_cast<double>(i) * step) - 1);
  }
  return times;
}

// numpy.interp over 0, 1, 2, ...
double interpolate(double at, const std::vector<float>& values) {
  const double last = static_cast<double>(values.size() - 1), where = std::clamp(at, 0.0, last);
  const auto below = static_cast<std::size_t>(where);
  if (below + 1 >= values.size()) return values.back();
  const double a = values[below], b = values[below + 1];
  return a + (b - a) * (where - static_cast<double>(below));
}

}  // namespace

SchedulerConfig SchedulerConfig::read(const std::filesystem::path& file) {
  ModelConfig config(file, "sd_turbo", "EulerDiscreteScheduler");
  SchedulerConfig c;
  c.num_train_timesteps = config.train_timesteps();
  config.read("beta_start", c.beta_start);
  config.read("beta_end", c.beta_end);
  c.scaled_linear =
      config.choice("beta_schedule", "linear", {"linear", "scaled_linear"}) == "scaled_linear";
  c.v_prediction =
      config.choice("prediction_type", "epsilon", {"epsilon", "v_prediction"}) == "v_prediction";
  const auto spacing =
      config.choice("timestep_spacing", "linspace", {"linspace", "leading", "trailing"});
  c.spacing = spacing == "linspace"  ? Spacing::kLinspace
              : spacing == "leading" ? Spacing::kLeading
                                     : Spacing::kTrailing;
  c.final_sigma_is_least =
      config.choice("final_sigmas_type", "zero", {"zero", "sigma_min"}) == "sigma_min";
  config.choice("interpolation_type", "linear", {"linear"});
  config.choice("timestep_type", "discrete", {"discrete"});
  config.read("steps_offset", c.steps_offset);
  config.read("rescale_betas_zero_snr", c.zero_terminal_snr);
  config.only("trained_betas", nullptr);
  for (const char* key : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"})
    config.only(key, false);
  // Bounds of the sigmas refused above; and fields of other schedulers that published files carry.
  config.object.ignore({"sigma_min", "sigma_max", "clip_sample", "clip_sample_range",
                        "sample_max_value", "set_alpha_to_one", "skip_prk_steps", "thresholding",
                        "dynamic_thresholding_ratio", "variance_type"});
  config.object.finish();
  config.require(c.num_train_timesteps > 1 && c.beta_start > 0 && c.beta_end > c.beta_start &&
                     c.beta_end < 1 && c.steps_offset >= 0,
                 "expected at least 2 num_train_timesteps, 0 < beta_start < beta_end < 1 and "
                 "steps_offset from 0 on");
  return c;
}

EulerSchedule euler_schedule(std::int64_t n, const SchedulerConfig& config) {
  check_steps("sd_turbo", n, config.num_train_timesteps);
  const auto all = training_sigmas(config).contiguous();
  const std::vector<float> levels(all.const_data_ptr<float>(),
                                  all.const_data_ptr<float>() + all.numel());
  const auto times = inference_timesteps(n, config);
  std::vector<double> sigmas;
  for (const double t : times)
    sigmas.push_back(static_cast<double>(static_cast<float>(interpolate(t, levels))));
  sigmas.push_back(config.final_sigma_is_least ? static_cast<double>(levels.front()) : 0.0);

  EulerSchedule schedule;
  const double most = *std::max_element(sigmas.begin(), sigmas.end());
  schedule.init_sigma =
      config.spacing == SchedulerConfig::Spacing::kLeading ? std::sqrt(most * most + 1) : most;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double sigma = sigmas[i], change = sigmas[i + 1] - sigma, norm = sigma * sigma + 1;
    EulerStep step{.timestep = times[i],
                   .sigma = sigma,
                   .input_scale = 1 / std::sqrt(norm),
                   .keep = 1,
                   .network = change};
    if (config.v_prediction) {
      // clean = x / norm - v sigma / sqrt(norm); x <- x + (x - clean) / sigma * change.
      step.keep = 1 + (1 - 1 / norm) / sigma * change;
      step.network = change / std::sqrt(norm);
    }
    schedule.steps.push_back(step);
  }
  return schedule;
}

}  // namespace hn::sd
