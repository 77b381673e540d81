#include "run/diagnose_job.hpp"

#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "config/ranges.hpp"
#include "core/shape_numbers.hpp"
#include "run/model_request.hpp"
#include "scoring/evaluate.hpp"
#include "scoring/statistics.hpp"
#include "scoring/two_way.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kPrompts = 8, kSeeds = 8;
constexpr std::size_t kLipschitzPrompts = 4, kGradientSeeds = 2;
constexpr int kLipschitzIterations = 8;
// Up to so many numbers of a noise the divergence is computed from the whole Jacobian.
constexpr double kWholeJacobian = 2048;
constexpr std::int64_t kTraceProbes = 32;

struct Request {
  ModelRequest model;
  std::size_t seeds = kSeeds;
};

Request parse(std::string_view text) {
  TomlTable table = TomlTable::parse(text, "diagnose request");
  Request request;
  request.model.read(table);
  request.seeds =
      static_cast<std::size_t>(table.find_i64("seeds", 2, kMostSamples).value_or(kSeeds));
  if (request.model.count == 0) request.model.count = kPrompts;
  table.finish();
  return request;
}

RunConfig configuration(Request& request, const Registry& registry) {
  RunConfig config = request.model.parsed();
  request.model.take_rewards(config);
  request.model.resolve(config, registry);
  return config;
}

std::span<const float> row(const core::Tensor& tensor, std::size_t i) {
  const std::size_t size = tensor.data.size() / static_cast<std::size_t>(tensor.shape.at(0));
  return std::span(tensor.data).subspan(i * size, size);
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Root mean square difference of two pictures, meaned over all pairs of one prompt.
double mean_distance(const core::Tensor& pictures) {
  const auto count = static_cast<std::size_t>(pictures.shape.at(0));
  double sum = 0, pairs = 0;
  for (std::size_t a = 0; a < count; ++a)
    for (std::size_t b = a + 1; b < count; ++b) {
      const auto x = row(pictures, a), y = row(pictures, b);
      double squares = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double d = static_cast<double>(x[i]) - y[i];
        squares += d * d;
      }
      sum += std::sqrt(squares / static_cast<double>(x.size()));
      pairs += 1;
    }
  return sum / pairs;
}

// Mean and deviation of each channel of a noise, over samples and places.
struct Channels {
  std::vector<double> sums, squares;
  double count = 0;

  void add(std::span<const float> noise, std::size_t channels) {
    sums.resize(channels);
    squares.resize(channels);
    const std::size_t places = noise.size() / channels;
    for (std::size_t c = 0; c < channels; ++c)
      for (const float v : noise.subspan(c * places, places)) {
        sums[c] += v;
        squares[c] += static_cast<double>(v) * v;
      }
    count += static_cast<double>(places);
  }
  ordered_json json() const {
    double sum = 0, square = 0, far = 0;
    for (std::size_t c = 0; c < sums.size(); ++c) {
      sum += sums[c];
      square += squares[c];
      if (std::abs(sums[c] / count) > std::abs(far)) far = sums[c] / count;
    }
    const double all = count * static_cast<double>(sums.size()), mean = sum / all;
    return {{"mean", mean},
            {"deviation", std::sqrt(std::max(0.0, square / all - mean * mean))},
            {"farthest_channel_mean", far}};
  }
};

class Diagnosis {
 public:
  Diagnosis(core::Session& session, const core::Services& services, const core::SessionSpec& spec,
            const RunConfig& config, std::vector<core::Prompt> prompts, std::size_t seeds)
      : session_(session),
        services_(services),
        spec_(spec),
        config_(config),
        prompts_(std::move(prompts)),
        seeds_(seeds),
        hypernet_(core::is_noise_net(config.net.kind)),
        before_(spec.rewards.size()),
        after_(spec.rewards.size()) {}

  ordered_json run() {
    draw_noise();
    for (std::size_t p = 0; p < prompts_.size(); ++p) {
      if (services_.progress) services_.progress("diagnosing", p, prompts_.size());
      measure(p);
    }
    ordered_json out;
    out["generator"] = config_.generator;
    out["method"] = hypernet_ ? "noise hypernetwork" : "direct fine-tune";
    out["prompts"] = prompts_.size();
    out["seeds"] = seeds_;
    if (hypernet_) {
      out["delta"] = delta_json();
      out["noise"] = {{"before", noise_before_.json()}, {"after", noise_after_.json()}};
      out["lipschitz"] = lipschitz_json();
      out["divergence"] = divergence_json();
    }
    out["diversity"] = diversity_json();
    out["rewards"] = rewards_json();
    out["conflicts"] = conflicts_json();
    return out;
  }

 private:
  // The same noises for every prompt: what depends on which can then be told apart.
  void draw_noise() {
    core::SampleRequest request;
    request.prompts.assign(seeds_, prompts_[0]);
    request.seed = config_.seed;
    request.adapted = false;
    request.want_images = false;
    request.want_noise = true;
    noise_ = session_.sample(request).noise;
  }

  core::SampleResult sample(std::size_t p, bool adapted) const {
    core::SampleRequest request;
    request.prompts.assign(seeds_, prompts_[p]);
    request.noise = noise_;
    request.seed = config_.seed;
    request.batch = config_.eval.batch;
    request.adapted = adapted;
    request.want_delta = adapted && hypernet_;
    return session_.sample(request);
  }

  void measure(std::size_t p) {
    core::SampleResult before = sample(p, false), after = sample(p, true);
    distances_before_.push_back(mean_distance(before.images));
    distances_after_.push_back(mean_distance(after.images));
    score(p, before.images, before_);
    score(p, after.images, after_);
    for (std::size_t s = 0; s < seeds_; ++s) groups_.push_back(p);
    core::Tensor noise = noise_;
    if (hypernet_) {
      for (std::size_t i = 0; i < noise.data.size(); ++i) noise.data[i] += after.delta.data[i];
      const auto channels = static_cast<std::size_t>(noise.shape.at(1));
      for (std::size_t s = 0; s < seeds_; ++s) {
        noise_before_.add(row(noise_, s), channels);
        noise_after_.add(row(noise, s), channels);
      }
      deltas_.push_back(std::move(after.delta));
    }
    compare_gradients(p, noise);
  }

  void score(std::size_t p, const core::Tensor& images, std::vector<std::vector<double>>& into) {
    core::ScoreRequest request;
    request.images = images;
    request.prompts.assign(seeds_, prompts_[p]);
    request.batch = config_.eval.batch;
    request.partial = true;
    for (std::size_t k = 0; k < into.size(); ++k) {
      request.reward = k;
      const std::vector<float> scores = session_.score(request).scores;
      into[k].insert(into[k].end(), scores.begin(), scores.end());
    }
  }

  // Of every pair of rewards with a gradient, the cosine between the ways they would move a noise.
  void compare_gradients(std::size_t p, const core::Tensor& noise) {
    const std::size_t count = std::min(kGradientSeeds, seeds_);
    core::NoiseGradientRequest request;
    request.prompts.assign(count, prompts_[p]);
    request.noise = noise;
    request.noise.shape[0] = static_cast<std::int64_t>(count);
    request.noise.data.resize(count * row(noise, 0).size());
    request.seed = config_.seed;
    request.batch = config_.eval.batch;
    if (session_.shapes().steps > 1) return;  // the noise of later steps is the sampler's own
    std::vector<std::optional<core::Tensor>> gradients(spec_.rewards.size());
    for (std::size_t k = 0; k < spec_.rewards.size(); ++k) {
      if (!session_.traits(k).differentiable) continue;
      request.weights.assign(spec_.rewards.size(), 0);
      request.weights[k] = spec_.rewards[k].higher_is_better ? 1 : -1;
      gradients[k] = session_.noise_gradient(request).grad;
    }
    for (std::size_t a = 0; a < gradients.size(); ++a)
      for (std::size_t b = a + 1; b < gradients.size(); ++b) {
        if (!gradients[a] || !gradients[b]) continue;
        for (std::size_t i = 0; i < count; ++i) {
          const auto x = row(*gradients[a], i), y = row(*gradients[b], i);
          const double lengths = std::sqrt(dot(x, x) * dot(y, y));
          if (lengths > 0) cosines_[{a, b}].push_back(dot(x, y) / lengths);
        }
      }
  }

  ordered_json delta_json() const {
    std::vector<std::span<const float>> rows;
    double squares = 0;
    for (const core::Tensor& delta : deltas_)
      for (std::size_t s = 0; s < seeds_; ++s) {
        rows.push_back(row(delta, s));
        squares += dot(rows.back(), rows.back());
      }
    const double kl = 0.5 * squares / static_cast<double>(rows.size());
    const TwoWay parts = two_way(rows, prompts_.size(), seeds_);
    const double total = parts.total();
    const auto share = [&](double part) { return total > 0 ? part / total : 0.0; };
    return {{"kl", kl},
            {"rms", std::sqrt(2 * kl / static_cast<double>(rows[0].size()))},
            {"constant_share", share(parts.constant)},
            {"prompt_share", share(parts.prompt)},
            {"noise_share", share(parts.noise)},
            {"both_share", share(parts.both)}};
  }

  std::vector<core::Prompt> few_prompts() const {
    std::vector<core::Prompt> some = prompts_;
    if (some.size() > kLipschitzPrompts) some.resize(kLipschitzPrompts);
    return some;
  }

  // The exact KL divergence beside 0.5 |delta|^2, and what that leaves out.
  ordered_json divergence_json() const {
    core::KlRequest request;
    request.prompts = few_prompts();
    request.seed = config_.seed;
    const double numbers = core::shape_numbers(session_.shapes().noise);
    if (numbers > kWholeJacobian) request.probes = kTraceProbes;
    std::vector<double> bounds, errors, exact, remainders;
    bool turned = false;
    for (const core::KlTerms& t : session_.kl_terms(request)) {
      bounds.push_back(t.half_square);
      errors.push_back(t.trace - t.log_det);
      exact.push_back(bounds.back() + errors.back());
      remainders.push_back(t.remainder);
      turned = turned || t.turned;
    }
    return {{"method", request.probes == 0 ? "jacobian" : "hutchinson"},
            {"bound", to_json(mean_of(bounds))},
            {"error", to_json(mean_of(errors))},
            {"exact", to_json(mean_of(exact))},
            {"remainder", finite_or_null(mean_of(remainders).mean)},
            {"invertible", !turned}};
  }

  ordered_json lipschitz_json() const {
    const std::vector<double> values =
        session_.lipschitz(few_prompts(), config_.seed, kLipschitzIterations);
    double largest = 0;
    for (const double each : values)
      if (!std::isnan(largest) && !(each <= largest)) largest = each;  // a NaN stays
    return {{"largest", finite_or_null(largest)},
            {"prompts", values.size()},
            {"below_one", largest < 1}};
  }

  ordered_json diversity_json() const {
    std::vector<std::size_t> each(distances_before_.size());
    for (std::size_t i = 0; i < each.size(); ++i) each[i] = i;
    const Paired result = paired(distances_before_, distances_after_, each);
    return {{"before", to_json(result.before)},
            {"after", to_json(result.after)},
            {"difference", to_json(result.difference)}};
  }

  ordered_json rewards_json() const {
    auto rows = ordered_json::array();
    for (std::size_t k = 0; k < spec_.rewards.size(); ++k) {
      const Paired result = paired(before_[k], after_[k], groups_);
      const bool higher = spec_.rewards[k].higher_is_better;
      rows.push_back({{"name", spec_.rewards[k].name},
                      {"trained", spec_.rewards[k].train},
                      {"higher_is_better", higher},
                      {"before", to_json(result.before)},
                      {"after", to_json(result.after)},
                      {"difference", to_json(result.difference)},
                      {"verdict", verdict_text(verdict(result.difference, higher))}});
    }
    return rows;
  }

  ordered_json conflicts_json() const {
    auto rows = ordered_json::array();
    for (const auto& [pair, values] : cosines_)
      rows.push_back(
          {{"rewards", {spec_.rewards[pair.first].name, spec_.rewards[pair.second].name}},
           {"cosine", to_json(mean_of(values))}});
    return rows;
  }

  core::Session& session_;
  const core::Services& services_;
  const core::SessionSpec& spec_;
  const RunConfig& config_;
  std::vector<core::Prompt> prompts_;
  std::size_t seeds_;
  bool hypernet_;
  core::Tensor noise_;                // [S,C,h,w]
  std::vector<core::Tensor> deltas_;  // a prompt each
  Channels noise_before_, noise_after_;
  std::vector<double> distances_before_, distances_after_;  // [P]
  std::vector<std::vector<double>> before_, after_;         // [K][P * S]
  std::vector<std::size_t> groups_;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<double>> cosines_;
};

}  // namespace

std::string diagnose_job(Host& host, std::string_view text, const hnhost_hooks* hooks) {
  Request request = parse(text);
  if (request.model.adapter.empty())
    throw Error(HN_INVALID_ARGUMENT,
                "[diagnose] adapter: expected a run or an adapter to look at, got none");
  const RunConfig config = configuration(request, host.registry());
  const core::SessionSpec spec = session_spec(config, host.registry());
  const core::Services services = make_services(host, hooks);
  std::vector<core::Prompt> prompts =
      request.model.read_prompts(config, host.registry(), config.eval.prompts, "diagnose");
  if (prompts.size() < 2)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[diagnose] expected at least 2 prompts, got ", prompts.size()));
  const auto session = host.open_session(config, services);
  return Diagnosis(*session, services, spec, config, std::move(prompts), request.seeds)
             .run()
             .dump(2) +
         "\n";
}

}  // namespace hn::host
