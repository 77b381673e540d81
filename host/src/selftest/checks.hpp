// Whether a reward works at all: checks that need no reference, on pictures drawn here.
//
// They find what a bad install does: weights that were not loaded (a constant score), a prompt that
// is not read, a batch that is mixed up, a gradient that is zero or not a number.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/session.hpp"
#include "loader/manifest.hpp"

namespace hn::selftest {

enum class Status { kPassed, kFailed, kSkipped };
const char* status_name(Status status);  // "passed", "failed", "skipped"

struct Check {
  std::string name;  // "finite", "pictures", ...
  Status status = Status::kPassed;
  std::string text;  // what was seen
};

// An open reward.
struct Subject {
  // Scores of images [B,3,H,W] in [0,1] with a prompt each; may throw hn::Error.
  std::function<core::ScoreResult(const core::Tensor& images,
                                  const std::vector<std::string>& prompts, bool want_grad)>
      score;
  bool differentiable = true;
  host::RewardFacts facts;
  std::vector<host::Detector> detectors;  // those that hold for the opened model
};

// Pictures [count,3,height,width], values from 0.1 to 0.9: blobs of colour on a slope, with noise;
// picture i is the same for every count.
core::Tensor draw_pictures(std::int64_t count, std::int64_t height, std::int64_t width);

// All checks, in this order: finite, detectors, pictures, prompts, range, batch, gradient, ascent.
// What the reward throws is a failed check with its text; later ones are left out where they cannot
// be asked any more.
std::vector<Check> run_checks(const Subject& subject);

}  // namespace hn::selftest
