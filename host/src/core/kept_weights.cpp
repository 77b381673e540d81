#include "core/kept_weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace hn::core {

KeptWeights::KeptWeights(const TrainSpec& train, at::Tensor values)
    : ema_(train.ema), values_(std::move(values)) {
  if (ema_ > 0) average_ = values_.clone();
}

void KeptWeights::update() {
  if (!average_.defined()) return;
  ++updates_;
  const auto n = static_cast<double>(updates_);
  average_.lerp_(values_, 1 - std::min(ema_, (1 + n) / (10 + n)));
}

const at::Tensor& KeptWeights::at(Weights which) const {
  switch (which) {
    case Weights::kTrained: return values_;
    case Weights::kAverage: return average();
    case Weights::kKept: break;
  }
  return best_.defined() ? best_ : average();
}

void KeptWeights::keep(const BestState& state) {
  if (best_.defined())
    best_.copy_(average());
  else
    best_ = average().clone();
  state_ = state;
}

void KeptWeights::go_back() {
  const at::Tensor& from = at(Weights::kKept);
  if (!from.is_same(values_)) values_.copy_(from);
  if (average_.defined() && !from.is_same(average_)) average_.copy_(from);
  updates_ = 0;
}

void KeptWeights::begin_anew() {
  if (average_.defined()) average_.copy_(values_);
  best_ = at::Tensor();
  state_.reset();
  updates_ = 0;
}

std::vector<std::pair<std::string, at::Tensor>> KeptWeights::buffers() const {
  std::vector<std::pair<std::string, at::Tensor>> all;
  if (average_.defined()) all.emplace_back("average", average_);
  if (best_.defined()) all.emplace_back("best", best_);
  return all;
}

void KeptWeights::restore(std::uint64_t updates, const std::optional<BestState>& best) {
  updates_ = updates;
  state_ = best;
  if (!best)
    best_ = at::Tensor();
  else if (!best_.defined())
    best_ = at::zeros_like(values_);
}

WeightsInPlace::WeightsInPlace(at::Tensor values, const at::Tensor& wanted)
    : values_(std::move(values)) {
  if (wanted.is_same(values_)) return;
  own_ = values_.clone();
  values_.copy_(wanted);
}

WeightsInPlace::~WeightsInPlace() {
  if (own_.defined()) values_.copy_(own_);
}

}  // namespace hn::core
