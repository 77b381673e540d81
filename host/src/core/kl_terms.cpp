#include "core/kl_terms.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/draws.hpp"
#include "core/host_tensor.hpp"
#include "core/noise_net.hpp"

namespace hn::core {
namespace {

// Directions that go through one backward pass together.
constexpr std::int64_t kAtOnce = 32;

[[noreturn]] void refuse(const std::string& text, hn_status code = HN_INVALID_ARGUMENT) {
  throw Error(code, "[kl_terms] " + text);
}

// f at one noise and prompt, copied kAtOnce times so that so many directions go back at once.
class Point {
 public:
  Point(NoiseNet& net, const at::Tensor& x0, const hn_cond* cond)
      : x0_(x0.unsqueeze(0).repeat({kAtOnce, 1, 1, 1})), delta_(at::empty_like(x0_)) {
    if (cond != nullptr) handles_.assign(static_cast<std::size_t>(kAtOnce), cond);
    pass_ = net.forward(x0_, handles_, delta_, true);
  }

  std::int64_t numbers() const { return x0_[0].numel(); }
  at::Tensor x0() const { return x0_[0].flatten().to(at::kDouble); }
  at::Tensor delta() const { return delta_[0].flatten().to(at::kDouble); }
  // J^T u for each row of u, float32 [m, numbers] with m at most kAtOnce.
  at::Tensor back(const at::Tensor& u) {
    const std::int64_t m = u.size(0);
    at::Tensor whole = at::zeros_like(x0_), grad = at::empty_like(x0_);
    whole.narrow(0, 0, m).copy_(u.view_as(whole.narrow(0, 0, m)));
    pass_->noise_backward(whole, grad);
    return grad.narrow(0, 0, m).reshape({m, numbers()}).clone();
  }

 private:
  at::Tensor x0_, delta_;
  std::vector<const hn_cond*> handles_;
  std::unique_ptr<NoiseNet::Pass> pass_;
};

// J row by row, then the determinant in float64.
void exact(Point& point, const HostServices& services, KlTerms& terms) {
  const std::int64_t d = point.numbers();
  at::Tensor j = at::empty({d, d}, at::kDouble);
  for (std::int64_t first = 0; first < d; first += kAtOnce) {
    services.stop_if_cancelled("kl_terms");
    const std::int64_t m = std::min(kAtOnce, d - first);
    const auto options = point.delta().options().dtype(at::kFloat);
    at::Tensor units = at::zeros({m, d}, options);
    for (std::int64_t i = 0; i < m; ++i) units[i][first + i].fill_(1);
    j.narrow(0, first, m).copy_(point.back(units));
    services.progress("the Jacobian of Delta", static_cast<std::uint64_t>(first + m),
                      static_cast<std::uint64_t>(d));
  }
  terms.trace = j.diagonal().sum().item<double>();
  const auto [sign, log_det] = at::linalg_slogdet(j + at::eye(d, at::kDouble));
  terms.log_det = log_det.item<double>();
  terms.turned = sign.item<double>() < 0;
}

// tr J^k = E[v . J^k v] over signs v (Hutchinson 1990), log det(I + J) = sum_k (-1)^(k+1) tr J^k /
// k while the spectral radius of J is below 1.
void estimated(Point& point, const HostServices& services, const KlRequest& request,
               std::uint64_t index, KlTerms& terms) {
  const std::int64_t d = point.numbers();
  std::vector<double> powers(static_cast<std::size_t>(request.order), 0);
  for (std::int64_t first = 0; first < request.probes; first += kAtOnce) {
    const std::int64_t m = std::min(kAtOnce, request.probes - first);
    at::Tensor v = at::empty({m, d}, at::kFloat);
    for (std::int64_t i = 0; i < m; ++i)
      fill_normal({v[i].data_ptr<float>(), static_cast<std::size_t>(d)}, request.seed,
                  Stream::kTraceProbes, index, static_cast<std::uint32_t>(first + i));
    v = at::where(v < 0, -1.0, 1.0).to(at::kFloat).to(point.delta().device());
    at::Tensor w = v;
    for (double& power : powers) {
      services.stop_if_cancelled("kl_terms");
      w = point.back(w);
      power += (v.to(at::kDouble) * w.to(at::kDouble)).sum().item<double>() /
               static_cast<double>(request.probes);
    }
  }
  terms.trace = powers[0];
  terms.log_det = 0;
  for (std::size_t k = 0; k < powers.size(); ++k)
    terms.log_det += (k % 2 == 0 ? 1 : -1) * powers[k] / static_cast<double>(k + 1);
  terms.remainder = std::abs(powers.back()) / static_cast<double>(powers.size());
}

}  // namespace

std::vector<KlTerms> kl_terms(GeneratorModel& generator, const Adapter& adapter,
                              PromptCache& prompts, at::Device device, const KlRequest& request) {
  if (!is_noise_net(adapter.net().kind)) refuse("the session has no noise network", HN_UNSUPPORTED);
  if (request.probes < 0)
    refuse("probes: expected 0 (the whole Jacobian) or more, got " +
           std::to_string(request.probes));
  if (request.order < 1) refuse("order: expected 1 or more, got " + std::to_string(request.order));
  const auto net = make_noise_net(generator, adapter, NoiseGradient::kNoise);
  const HostServices& services = generator.instance().runtime().services;
  std::vector<KlTerms> result;
  for (std::size_t i = 0; i < request.prompts.size(); ++i) {
    const PromptCache::Pins pins =
        prompts.get(generator.instance(), std::span(request.prompts).subspan(i, 1));
    at::Tensor x0 = at::empty(join_shape({1}, generator.noise_shape()), at::kFloat);
    Draws::eval_noise(request.seed, i, x0);
    const auto handles = pins.handles();
    Point point(*net, x0[0].to(device), handles.empty() ? nullptr : handles[0]);
    KlTerms terms;
    const at::Tensor x = point.x0(), f = point.delta();
    terms.half_square = 0.5 * f.dot(f).item<double>();
    terms.inner = x.dot(f).item<double>();
    if (request.probes == 0)
      exact(point, services, terms);
    else
      estimated(point, services, request, i, terms);
    result.push_back(terms);
  }
  return result;
}

}  // namespace hn::core
