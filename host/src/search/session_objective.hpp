// The objective of one prompt on a session: the weighted sum of rewards of the picture of a noise.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/session.hpp"
#include "search/objective.hpp"

namespace hn::search {

// What was computed, in samples: a batch of 16 counts 16.
struct Evaluations {
  std::uint64_t network = 0;  // of the noise network
  std::uint64_t generator_forwards = 0, generator_backwards = 0;
  std::uint64_t reward_forwards = 0, reward_backwards = 0;  // each reward counts

  void add(const Evaluations& other);
};
nlohmann::ordered_json to_json(const Evaluations& evaluations);
Evaluations evaluations_from(const nlohmann::ordered_json& json);

struct Problem {
  std::vector<core::RewardSpec> rewards;     // names and loss scales, in the session's order
  std::vector<double> weights;               // of the value, one a reward; 0: only measured
  core::NetKind net = core::NetKind::kNone;  // of the session's adapter
  std::uint64_t seed = 0;
  std::int64_t batch = 16;
};

// Scores of noises by every reward: [K][B], NaN where a reward cannot answer, with the reason.
struct Measured {
  std::vector<std::vector<double>> scores;
  std::string why;      // the first reason of a reward that counts in the value; empty: none
  core::Tensor images;  // [B,3,H,W]
};

class SessionObjective final : public Objective {
 public:
  // index: of the prompt; its start and its steps' noise are those that hnhost_sample_files draws
  // for sample `index` with this seed. Everything is borrowed.
  SessionObjective(core::Session& session, const Problem& problem, const core::Prompt& prompt,
                   std::size_t index);

  std::size_t size() const override { return size_; }
  void normals(std::uint64_t number, std::span<float> out) const override;
  void transform(std::span<float> noises) override;
  std::vector<double> values(std::span<const float> noises) override;
  std::vector<double> gradients(std::span<const float> noises, std::span<float> grads) override;

  // Pictures of noises and the scores of every reward, those that are only measured too.
  Measured measure(std::span<const float> noises);
  // [n-1,C,h,w] of every candidate; empty for one step.
  const std::vector<float>& step_noise() const { return step_noise_; }
  const Evaluations& evaluations() const { return evaluations_; }

 private:
  core::SampleRequest sample_request(std::span<const float> noises) const;
  core::Tensor rows(std::span<const float> noises) const;
  std::optional<core::Tensor> steps_of(std::size_t count) const;
  std::size_t count_of(std::span<const float> noises) const { return noises.size() / size_; }
  // The value's summand of one reward's scores.
  void add(std::size_t reward, std::span<const float> scores, std::span<double> values) const;

  core::Session& session_;
  const Problem& problem_;
  const core::Prompt& prompt_;
  std::uint64_t index_;
  std::size_t size_;
  std::vector<float> step_noise_;
  Evaluations evaluations_;
};

}  // namespace hn::search
