#include "scoring/scorer_service.hpp"

#include <hn/formats/json_file.hpp>
#include <thread>

#include "config/ranges.hpp"
#include "scoring/score_requests.hpp"
#include "scoring/score_table.hpp"

namespace hn::host {
namespace {

std::int64_t checked_batch(std::uint64_t batch) {
  if (batch < 1 || batch > static_cast<std::uint64_t>(host::kMostSamples))
    throw Error(HN_INVALID_ARGUMENT, "[score] batch: expected 1 to " +
                                         std::to_string(host::kMostSamples) + ", got " +
                                         std::to_string(batch));
  return static_cast<std::int64_t>(batch);
}

}  // namespace

ScorerService::ScorerService(host::Host& host, std::string_view config, std::uint64_t batch,
                             core::Services services, hn_stream stream)
    : batch_(checked_batch(batch)),
      scorer_(host, host.configure(config, ConfigUse::kRewards), std::move(services), stream) {}

std::string ScorerService::answer(std::string_view text) {
  ScoreRequests requests(text);
  requests.refuse([&](const ScoreItem& item) -> std::string {
    try {
      scorer_.require_prompts({&item, 1});
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  });
  std::size_t next = 0;
  if (!requests.items().empty())
    scorer_.run(
        requests.items(), batch_, static_cast<int>(std::thread::hardware_concurrency()),
        [&](const ScoredRow& row) { requests.take(next++, row_json(row, scorer_.names())); });
  return requests.answer();
}

}  // namespace hn::host
