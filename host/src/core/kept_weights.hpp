// Beside the trained numbers of an adapter: their running average, and the best state so far.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/session.hpp"

namespace hn::core {

class KeptWeights {
 public:
  // values: the adapter's flat buffer, borrowed; with train.ema 0 there is no average.
  KeptWeights(const TrainSpec& train, at::Tensor values);

  // After an optimiser step: average += (1 - decay) (values - average) with
  // decay = min(ema, (1 + n) / (10 + n)) at the n-th step, so that the start is soon forgotten.
  void update();
  // The average's numbers, the adapter's own without one.
  const at::Tensor& average() const { return average_.defined() ? average_ : values_; }

  // What `which` means now; kKept: the best, else the average.
  const at::Tensor& at(Weights which) const;

  // The average becomes the best.
  void keep(const BestState& state);
  const std::optional<BestState>& best() const { return state_; }

  // Puts the best into the adapter, the average where there is none, and begins the average there.
  void go_back();
  // The adapter was given other numbers: the average begins there, there is no best.
  void begin_anew();

  // For checkpoints, in place: "average", "best", as far as they are there.
  std::vector<std::pair<std::string, at::Tensor>> buffers() const;
  std::uint64_t updates() const { return updates_; }
  void restore(std::uint64_t updates, const std::optional<BestState>& best);

 private:
  double ema_;
  at::Tensor values_, average_, best_;
  std::uint64_t updates_ = 0;
  std::optional<BestState> state_;
};

// For the object's life the adapter's buffer holds other numbers; without any, nothing happens.
class WeightsInPlace {
 public:
  WeightsInPlace() = default;
  WeightsInPlace(at::Tensor values, const at::Tensor& wanted);
  ~WeightsInPlace();
  WeightsInPlace(const WeightsInPlace&) = delete;
  WeightsInPlace& operator=(const WeightsInPlace&) = delete;

 private:
  at::Tensor values_, own_;
};

}  // namespace hn::core
