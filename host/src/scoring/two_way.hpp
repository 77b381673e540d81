// How much of a vector that was measured for every prompt and every noise is due to which.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace hn::host {

// Components of variance of v_ps = constant + prompt_p + noise_s + both_ps, summed over the numbers
// of a vector, so that all four add up to the mean of |v|^2.
struct TwoWay {
  double constant = 0;  // the same for all: |mean|^2
  double prompt = 0;    // depends on the prompt alone
  double noise = 0;     // on the noise alone
  double both = 0;      // on both together, repetitions included
  double total() const { return constant + prompt + noise + both; }
};

// vectors[p * seeds + s], all of one length; at least two prompts and two seeds. The unbiased
// estimates of a crossed random-effects design without repetitions (Searle, Casella and McCulloch,
// "Variance Components", 1992, chapter 4); one that comes out below 0 is 0. HN_INVALID_ARGUMENT
// names what does not fit.
TwoWay two_way(std::span<const std::span<const float>> vectors, std::size_t prompts,
               std::size_t seeds);

}  // namespace hn::host
