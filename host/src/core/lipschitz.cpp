#include "core/lipschitz.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/bound_function.hpp"
#include "core/draws.hpp"
#include "core/host_tensor.hpp"

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
  if (adapter.net().kind != NetKind::kHypernet)
    throw Error(HN_UNSUPPORTED, "[lipschitz] the session has no noise network");
  if (iterations < 1)
    throw Error(HN_INVALID_ARGUMENT,
                "[lipschitz] iterations: expected 1 or more, got " + std::to_string(iterations));
  FunctionClient& net = *generator.adapted();
  const std::size_t noise = net.input("noise"), offset = net.output("offset");
  if (!net.inputs()[noise].diff())
    throw Error(HN_UNSUPPORTED,
                "[lipschitz] noise_net gives no gradient with respect to its noise");

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

    BoundFunction at_x0(net), probe(net);
    at_x0.bind(adapter, false);
    probe.bind(adapter, false);
    at_x0.in[noise] = x0;
    at_x0.out[offset] = at::empty_like(x0);
    at_x0.need_grad[noise] = 1;
    const Saved saved = at_x0.forward(pins.handles(), true);
    const auto value_at = [&](const at::Tensor& x) {
      at::Tensor out = at::empty_like(x);
      probe.in[noise] = x;
      probe.out[offset] = out;
      probe.forward(pins.handles(), false);
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
      at_x0.cotangent[offset] = u;
      at_x0.grad[noise] = back;
      at_x0.backward(saved, false);
      sigma = normalise(back);
      v = back;
    }
    const at::Tensor host = sigma.to(at::kCPU, at::kDouble);
    result.insert(result.end(), host.const_data_ptr<double>(), host.const_data_ptr<double>() + n);
  }
  return result;
}

}  // namespace hn::core
