#include "run/net_speed.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace hn::host {
namespace {

using Clock = std::chrono::steady_clock;

// Milliseconds a sample.
double least_time(core::Session& session, const core::SampleRequest& request) {
  constexpr int kPasses = 5;
  constexpr double kEnough = 1000;
  double least = std::numeric_limits<double>::infinity(), all = 0;
  for (int pass = 0; pass < kPasses && all < kEnough; ++pass) {
    const auto begin = Clock::now();
    (void)session.sample(request);
    const double took = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    least = std::min(least, took);
    all += took;
  }
  return least / static_cast<double>(request.prompts.size());
}

}  // namespace

NetSpeed measure_net(core::Session& session, const std::vector<core::Prompt>& prompts) {
  core::SampleRequest request;
  request.prompts = prompts;
  request.batch = static_cast<std::int64_t>(prompts.size());
  // Encodes the prompts and draws the noise, once for all.
  request.want_images = false;
  request.want_noise = true;
  request.noise = session.sample(request).noise;
  request.want_noise = false;
  NetSpeed speed;
  request.want_delta = true;
  speed.delta_milliseconds = least_time(session, request);
  request.want_delta = false;
  request.want_images = true;
  request.adapted = false;
  speed.picture_milliseconds = least_time(session, request);
  return speed;
}

}  // namespace hn::host
