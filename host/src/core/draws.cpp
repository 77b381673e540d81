#include "core/draws.hpp"

#include <ATen/ATen.h>

namespace hn::core {
namespace {

std::span<float> numbers_of(const at::Tensor& contiguous) {
  return {contiguous.data_ptr<float>(), static_cast<std::size_t>(contiguous.numel())};
}

// out: [n-1, B, ...]; index_of(b) tells the draw of sample b.
template <class IndexOf>
void fill_step_noise(at::Tensor& out, std::uint64_t seed, Stream stream, IndexOf&& index_of) {
  for (std::int64_t s = 0; s < out.size(0); ++s)
    for (std::int64_t b = 0; b < out.size(1); ++b)
      fill_normal(numbers_of(out[s][b]), seed, stream, index_of(b), static_cast<std::uint32_t>(s));
}

template <class IndexOf>
void fill_noise(at::Tensor& out, std::uint64_t seed, Stream stream, IndexOf&& index_of) {
  for (std::int64_t b = 0; b < out.size(0); ++b)
    fill_normal(numbers_of(out[b]), seed, stream, index_of(b));
}

}  // namespace

std::size_t Draws::prompt(std::uint64_t sample, std::size_t prompts) {
  const std::uint64_t epoch = sample / prompts;
  if (epoch != epoch_ || order_.size() != prompts) {
    order_ = shuffled(static_cast<std::uint32_t>(prompts), seed_, epoch);
    epoch_ = epoch;
  }
  return order_[sample % prompts];
}

std::uint64_t Draws::noise_index(const TrainSpec& train, std::uint64_t step,
                                 std::uint64_t sample) const {
  switch (train.latents) {
    case LatentMode::kInf: return sample;
    case LatentMode::kBatch: return step;
    case LatentMode::kMulti: {
      const std::uint64_t bits = random_bits(seed_, Stream::kLatentChoice, sample, 0);
      return (bits * static_cast<std::uint64_t>(train.latent_count)) >> 32;
    }
    case LatentMode::kOne: return 0;
  }
  return sample;
}

void Draws::train_noise(const TrainSpec& train, std::uint64_t step, std::uint64_t first,
                        at::Tensor& out) const {
  fill_noise(out, seed_, Stream::kTrainNoise, [&](std::int64_t b) {
    return noise_index(train, step, first + static_cast<std::uint64_t>(b));
  });
}

void Draws::train_step_noise(const TrainSpec& train, std::uint64_t step, std::uint64_t first,
                             at::Tensor& out) const {
  fill_step_noise(out, seed_, Stream::kTrainStepNoise, [&](std::int64_t b) {
    return noise_index(train, step, first + static_cast<std::uint64_t>(b));
  });
}

void Draws::eval_noise(std::uint64_t seed, std::uint64_t first, at::Tensor& out) {
  fill_noise(out, seed, Stream::kEvalNoise,
             [&](std::int64_t b) { return first + static_cast<std::uint64_t>(b); });
}

void Draws::eval_step_noise(std::uint64_t seed, std::uint64_t first, at::Tensor& out) {
  fill_step_noise(out, seed, Stream::kEvalStepNoise,
                  [&](std::int64_t b) { return first + static_cast<std::uint64_t>(b); });
}

}  // namespace hn::core
