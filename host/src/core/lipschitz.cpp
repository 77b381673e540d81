#include "core/lipschitz.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/draws.hpp"
#include "core/host_tensor.hpp"
#include "core/noise_net.hpp"

namespace hn::core {
namespace {

constexpr std::int64_t kBatch = 16;
constexpr double kStep = 1e-2;

// Divides each sample by its norm (a zero stays zero) and returns the norms.
at::Tensor normalise(at::Tensor& x) {
  at::Tensor norms = at::linalg_vector_norm(x.flatten(1), 2, at::IntArrayRef{1});
  x.div_(norms.clamp_min(1e-30).view({-1, 1, 1, 1}));
  return norms;
}

}  // namespace

std::vector<double> lipschitz(GeneratorModel& generator, const Adapter& adapter,
                              PromptCache& prompts, at::Device device,
                              const std::vector<Prompt>& texts, std::uint64_t seed,
                              int iterations) {
  if (!is_noise_net(adapter.net().kind))
    throw Error(HN_UNSUPPORTED, "[lipschitz] the session has no noise network");
  if (iterations < 1)
    throw Error(HN_INVALID_ARGUMENT,
                "[lipschitz] iterations: expected 1 or more, got " + std::to_string(iterations));
  const auto at_x0 = make_noise_net(generator, adapter, NoiseGradient::kNoise);
  const auto probe = make_noise_net(generator, adapter, NoiseGradient::kNone);

  std::vector<double> result;
  const auto total = static_cast<std::int64_t>(texts.size());
  for (std::int64_t first = 0; first < total; first += kBatch) {
    const std::int64_t n = std::min(kBatch, total - first);
    const PromptCache::Pins pins = prompts.get(
        generator.instance(),
        std::span(texts).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)));
    const std::vector<std::int64_t> shape = join_shape({n}, generator.noise_shape());
    at::Tensor x0 = at::empty(shape, at::kFloat), v = at::empty(shape, at::kFloat);
    Draws::eval_noise(seed, static_cast<std::uint64_t>(first), x0);
    for (std::int64_t b = 0; b < n; ++b)
      fill_normal({v[b].data_ptr<float>(), static_cast<std::size_t>(v[b].numel())}, seed,
                  Stream::kPowerIteration, static_cast<std::uint64_t>(first + b));
    x0 = x0.to(device);
    v = v.to(device);
    normalise(v);

    const at::Tensor delta = at::empty_like(x0);
    const auto pass = at_x0->forward(x0, pins.handles(), delta, true);
    const auto value_at = [&](const at::Tensor& x) {
      at::Tensor out = at::empty_like(x);
      (void)probe->forward(x, pins.handles(), out, false);
      return out;
    };
    const std::int64_t numbers = x0.numel() / std::max<std::int64_t>(n, 1);
    const double step = kStep * std::sqrt(static_cast<double>(numbers));
    at::Tensor sigma = at::zeros({n}, at::kFloat);
    for (int i = 0; i < iterations; ++i) {
      generator.instance().runtime().services.stop_if_cancelled("lipschitz");
      at::Tensor u = value_at(x0 + v * step) - value_at(x0 - v * step);
      normalise(u);
      at::Tensor back = at::empty_like(x0);
      pass->noise_backward(u, back);
      sigma = normalise(back);
      v = back;
    }
    const at::Tensor host = sigma.to(at::kCPU, at::kDouble);
    result.insert(result.end(), host.const_data_ptr<double>(), host.const_data_ptr<double>() + n);
  }
  return result;
}

}  // namespace hn::core
