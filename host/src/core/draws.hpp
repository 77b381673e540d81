// Which prompt and which noise a sample of training or of an evaluation gets.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/random.hpp"
#include "core/session.hpp"

namespace hn::core {

// Pure functions of the seed and the sample's number, see random.hpp.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : seed_(seed) {}

  // The prompt's index of training sample `sample`: a new order of all prompts each epoch.
  std::size_t prompt(std::uint64_t sample, std::size_t prompts);

  // x0 of the training samples first .. first + count - 1 into float32 [count,C,h,w] (CPU). step is
  // the optimiser step that they belong to (0 = the first):
  //   kInf    fresh for each sample          kBatch  one for all samples of an optimiser step
  //   kMulti  one of latent_count fixed ones kOne    always the same
  void train_noise(const TrainSpec& train, std::uint64_t step, std::uint64_t first,
                   at::Tensor& out) const;
  // The re-noising of steps 2..n, float32 [n-1,count,C,h,w]; drawn here and not in the plugin, so
  // that it does not depend on how samples are put into batches.
  void train_step_noise(const TrainSpec& train, std::uint64_t step, std::uint64_t first,
                        at::Tensor& out) const;

  // Sample i of an evaluation: the same whatever the batch size.
  static void eval_noise(std::uint64_t seed, std::uint64_t first, at::Tensor& out);
  static void eval_step_noise(std::uint64_t seed, std::uint64_t first, at::Tensor& out);

 private:
  std::uint64_t noise_index(const TrainSpec& train, std::uint64_t step, std::uint64_t sample) const;

  std::uint64_t seed_;
  std::uint64_t epoch_ = UINT64_MAX;
  std::vector<std::uint32_t> order_;
};

}  // namespace hn::core
