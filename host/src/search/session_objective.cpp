#include "search/session_objective.hpp"

#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>

#include "core/random.hpp"

namespace hn::search {
namespace {

std::size_t product(const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t size : shape) n *= static_cast<std::size_t>(size);
  return n;
}

}  // namespace

void Evaluations::add(const Evaluations& other) {
  network += other.network;
  generator_forwards += other.generator_forwards;
  generator_backwards += other.generator_backwards;
  reward_forwards += other.reward_forwards;
  reward_backwards += other.reward_backwards;
}

nlohmann::ordered_json to_json(const Evaluations& e) {
  return {{"network_forwards", e.network},
          {"generator_forwards", e.generator_forwards},
          {"generator_backwards", e.generator_backwards},
          {"reward_forwards", e.reward_forwards},
          {"reward_backwards", e.reward_backwards}};
}

Evaluations evaluations_from(const nlohmann::ordered_json& json) {
  const auto number = [&](const char* key) { return json.at(key).get<std::uint64_t>(); };
  return {number("network_forwards"), number("generator_forwards"), number("generator_backwards"),
          number("reward_forwards"), number("reward_backwards")};
}

SessionObjective::SessionObjective(core::Session& session, const Problem& problem,
                                   const core::Prompt& prompt, std::size_t index)
    : session_(session),
      problem_(problem),
      prompt_(prompt),
      index_(index),
      size_(product(session.shapes().noise)) {
  const auto steps = static_cast<std::size_t>(session.shapes().steps - 1);
  step_noise_.resize(steps * size_);
  for (std::size_t s = 0; s < steps; ++s)
    core::fill_normal(std::span(step_noise_).subspan(s * size_, size_), problem.seed,
                      core::Stream::kEvalStepNoise, index, static_cast<std::uint32_t>(s));
}

void SessionObjective::normals(std::uint64_t number, std::span<float> out) const {
  if (number == 0)
    core::fill_normal(out, problem_.seed, core::Stream::kEvalNoise, index_);
  else
    core::fill_normal(out, problem_.seed, core::Stream::kSearchNoise, (index_ << 32) | number);
}

core::Tensor SessionObjective::rows(std::span<const float> noises) const {
  core::Tensor tensor{session_.shapes().noise, {noises.begin(), noises.end()}};
  tensor.shape.insert(tensor.shape.begin(), static_cast<std::int64_t>(count_of(noises)));
  return tensor;
}

std::optional<core::Tensor> SessionObjective::steps_of(std::size_t count) const {
  if (step_noise_.empty()) return std::nullopt;
  core::Tensor tensor;
  const std::size_t steps = step_noise_.size() / size_;
  tensor.shape = {static_cast<std::int64_t>(steps), static_cast<std::int64_t>(count)};
  const auto& one = session_.shapes().noise;
  tensor.shape.insert(tensor.shape.end(), one.begin(), one.end());
  for (std::size_t s = 0; s < steps; ++s)
    for (std::size_t i = 0; i < count; ++i)
      tensor.data.insert(tensor.data.end(),
                         step_noise_.begin() + static_cast<std::ptrdiff_t>(s * size_),
                         step_noise_.begin() + static_cast<std::ptrdiff_t>((s + 1) * size_));
  return tensor;
}

core::SampleRequest SessionObjective::sample_request(std::span<const float> noises) const {
  core::SampleRequest request;
  const std::size_t count = count_of(noises);
  request.prompts.assign(count, prompt_);
  request.noise = rows(noises);
  request.step_noise = steps_of(count);
  request.seed = problem_.seed;
  request.batch = problem_.batch;
  return request;
}

void SessionObjective::transform(std::span<float> noises) {
  if (problem_.net != core::NetKind::kHypernet) return;
  core::SampleRequest request = sample_request(noises);
  request.want_images = false;
  request.want_delta = true;
  const core::SampleResult result = session_.sample(request);
  for (std::size_t i = 0; i < noises.size(); ++i) noises[i] += result.delta.data[i];
  evaluations_.network += count_of(noises);
}

void SessionObjective::add(std::size_t reward, std::span<const float> scores,
                           std::span<double> values) const {
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] += problem_.weights[reward] * static_cast<double>(scores[i]);
}

std::vector<double> SessionObjective::values(std::span<const float> noises) {
  core::SampleRequest request = sample_request(noises);
  // The network's delta is in the noise already; a fine-tune acts on the generator.
  request.adapted = problem_.net == core::NetKind::kFinetune;
  core::ScoreRequest score;
  score.images = session_.sample(request).images;
  score.prompts = request.prompts;
  score.batch = problem_.batch;
  const std::size_t count = count_of(noises);
  evaluations_.generator_forwards += count;
  std::vector<double> values(count, 0.0);
  for (std::size_t k = 0; k < problem_.weights.size(); ++k) {
    if (problem_.weights[k] == 0) continue;
    score.reward = k;
    add(k, session_.score(score).scores, values);
    evaluations_.reward_forwards += count;
  }
  return values;
}

std::vector<double> SessionObjective::gradients(std::span<const float> noises,
                                                std::span<float> grads) {
  core::NoiseGradientRequest request;
  const std::size_t count = count_of(noises);
  request.prompts.assign(count, prompt_);
  request.noise = rows(noises);
  request.step_noise = steps_of(count);
  request.weights = problem_.weights;
  request.seed = problem_.seed;
  request.batch = problem_.batch;
  request.adapted = problem_.net == core::NetKind::kFinetune;
  const core::NoiseGradientResult result = session_.noise_gradient(request);
  std::copy(result.grad.data.begin(), result.grad.data.end(), grads.begin());
  const auto trained = static_cast<std::uint64_t>(std::count_if(
      problem_.weights.begin(), problem_.weights.end(), [](double w) { return w != 0; }));
  evaluations_.generator_forwards += count;
  evaluations_.generator_backwards += count;
  evaluations_.reward_forwards += count * trained;
  evaluations_.reward_backwards += count * trained;
  return result.values;
}

Measured SessionObjective::measure(std::span<const float> noises) {
  core::SampleRequest request = sample_request(noises);
  request.adapted = problem_.net == core::NetKind::kFinetune;
  Measured measured;
  core::ScoreRequest score;
  score.images = session_.sample(request).images;
  score.prompts = request.prompts;
  score.batch = problem_.batch;
  score.partial = true;
  for (std::size_t k = 0; k < problem_.weights.size(); ++k) {
    score.reward = k;
    const core::ScoreResult result = session_.score(score);
    measured.scores.emplace_back(result.scores.begin(), result.scores.end());
    if (problem_.weights[k] != 0 && measured.why.empty() && !result.missing.empty())
      measured.why = result.missing.begin()->second;
  }
  measured.images = std::move(score.images);
  return measured;
}

}  // namespace hn::search
