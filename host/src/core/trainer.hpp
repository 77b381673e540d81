// The optimiser steps: draws, micro batches, accumulation, clipping, and what happens on NaN.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/chain.hpp"
#include "core/draws.hpp"
#include "core/gradient_watch.hpp"
#include "core/kept_weights.hpp"
#include "core/kl_control.hpp"
#include "core/optimiser.hpp"

namespace hn::core {

class Trainer {
 public:
  // Everything is borrowed; spec.train was checked. The step's gradients are the same, up to
  // rounding, however its samples are split into accumulation and micro batches.
  Trainer(const SessionSpec& spec, GeneratorModel& generator,
          std::vector<std::unique_ptr<RewardModel>>& rewards, Adapter& adapter,
          PromptCache& prompts, at::Device device);

  // What can be known before the first step, done once: prompts are encoded where the generator
  // frees its text encoder, and each reward that runs is asked whether it can answer the training
  // prompts, the first kPromptsAhead different ones. HN_INVALID_ARGUMENT names those that a trained
  // reward cannot answer; one that is only measured and answers none is off, with a warning.
  static constexpr std::size_t kPromptsAhead = 1000;
  void prepare();

  // One optimiser step. Something not finite: under kSkip the adapter and the optimiser stay as
  // they are, and only the step is counted, so that the next draw is another; after max_skips in a
  // row, or under kStop, it is HN_INVALID_ARGUMENT and nothing at all has changed.
  // HN_OUT_OF_MEMORY: once more from the start after everything was trimmed. A plugin that is gone
  // (Unavailable): the same step again, whose draws are the same, up to max_repeats times, or
  // skipped. Any error leaves the state before.
  StepReport step();

  std::uint64_t steps_done() const { return steps_done_; }
  std::int64_t skips_in_a_row() const { return skips_; }
  OptimiserState& optimiser() { return optimiser_; }
  void restore(std::uint64_t steps_done, std::int64_t skips, std::int64_t updates);
  RewardStates& rewards() { return states_; }
  NoisePolicy* policy() { return chain_.policy(); }  // NULL where each step draws its own scores
  KeptWeights& kept() { return kept_; }
  const KeptWeights& kept() const { return kept_; }

  // As Session::go_back.
  void go_back(const std::string& why);
  // Why the training is over before its steps are done, or nothing.
  std::string stopped() const;

  // What keeps a training on its way, for checkpoints: the regulariser's weight, the gradient's
  // usual norm, returns, the learning rate's factor, the step of the last return.
  static constexpr std::size_t kNumbers = 12;
  std::array<double, kNumbers> numbers() const;
  void restore_numbers(std::span<const double, kNumbers> numbers);

 private:
  std::int64_t micro_batch() const;
  // A generator that frees its text encoder (option text_encoder = "free") reads all prompts before
  // the first step, while it is loaded; without a cache on disk, as many as memory keeps.
  void encode_ahead();
  void check_prompts();
  double accumulate_gradients(ChainTotals& totals);  // returns the norm before clipping
  double gradients_of_step(ChainTotals& totals);     // the same, tried again where that may help
  std::string step_name() const;
  std::string skipped_before() const;
  void skip(const Error& why, StepReport& report);
  void require_finite_gradients(double norm) const;
  void fill_report(const ChainTotals& totals, StepReport& report);
  double rate(std::uint64_t step) const;
  void update(const ChainTotals& totals, StepReport& report);

  const SessionSpec& spec_;
  const TrainSpec& train_;
  Runtime& runtime_;
  GeneratorModel& generator_;
  PromptCache& prompts_;
  const std::vector<std::unique_ptr<RewardModel>>& rewards_;
  std::vector<std::int64_t> noise_shape_;
  std::int64_t step_noises_;  // n - 1, or 0 without such a slot
  Adapter& adapter_;
  at::Device device_;
  Draws draws_;
  Chain chain_;
  OptimiserState optimiser_;
  RewardStates states_;
  KeptWeights kept_;
  KlControl kl_;
  GradientWatch watch_;  // of the whole step
  SampleWatch samples_;  // of each sample's noise
  std::int64_t returns_ = 0;
  double rate_factor_ = 1;
  std::uint64_t returned_at_ = 0;  // the step after which the last return was; 0: the start
  std::uint64_t steps_done_ = 0;
  std::int64_t skips_ = 0;
  bool prepared_ = false;
  std::vector<char> off_;              // rewards that answer no training prompt
  std::vector<std::string> warnings_;  // of prepare(), for the report of the first step
};

}  // namespace hn::core
