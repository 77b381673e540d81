// Requests one by one, as JSON: what the verb score does between stdin and stdout.
#pragma once

#include <string>
#include <string_view>

#include "scoring/set_scorer.hpp"

namespace hn::host {

class ScorerService {
 public:
  // config: TOML of a configuration with rewards. batch: pictures of one size at a time. stream: as
  // Host::open_rewards has it.
  ScorerService(host::Host& host, std::string_view config, std::uint64_t batch,
                core::Services services, hn_stream stream);

  // request: as ScoreRequests has it. Answer: the request's object with "scores" (and "columns")
  // or "error"; a list for a list, in its order. A request that is not understood is an answer with
  // "error", never an exception.
  // Errors: HN_OUT_OF_MEMORY, HN_DEVICE_LOST, HN_CANCELLED.
  std::string answer(std::string_view request);

 private:
  std::int64_t batch_;
  SetScorer scorer_;
};

}  // namespace hn::host
