#include "scoring/scorer_service.hpp"

#include <hn/formats/json_file.hpp>
#include <thread>

#include "config/ranges.hpp"
#include "scoring/score_table.hpp"

namespace hn::host {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t checked_batch(std::uint64_t batch) {
  if (batch < 1 || batch > static_cast<std::uint64_t>(host::kMostSamples))
    throw Error(HN_INVALID_ARGUMENT, "[score] batch: expected 1 to " +
                                         std::to_string(host::kMostSamples) + ", got " +
                                         std::to_string(batch));
  return static_cast<std::int64_t>(batch);
}

// What is wrong with one request; empty: nothing.
std::string problem(const Json& request) {
  if (!request.is_object()) return "expected an object with image and prompt";
  if (!request.contains("image") || !request.at("image").is_string())
    return "expected a path under image";
  if (!request.contains("prompt")) return "";
  if (!request.at("prompt").is_string()) return "expected a text under prompt";
  if (request.at("prompt").get_ref<const std::string&>().find('\0') != std::string::npos)
    return "expected a text under prompt, got a zero byte in it";
  return "";
}

}  // namespace

ScorerService::ScorerService(host::Host& host, std::string_view config, std::uint64_t batch,
                             core::Services services, hn_stream stream)
    : batch_(checked_batch(batch)),
      scorer_(host, host.configure(config, ConfigUse::kRewards), std::move(services), stream) {}

std::string ScorerService::answer(std::string_view text) {
  Json requests;
  try {
    requests = parse_ordered_json(text, "not JSON");
  } catch (const Error& error) {
    return Json{{"error", error.what()}}.dump();
  }
  const bool list = requests.is_array();
  if (!list) requests = Json::array({std::move(requests)});
  std::vector<ScoreItem> items;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Json& request = requests[i];
    std::string wrong = problem(request);
    if (!request.is_object()) request = Json::object();
    // An answer that comes in again is a request: what it was told then goes.
    for (const char* key : {"scores", "columns", "error"}) request.erase(key);
    if (wrong.empty()) {
      const auto image = request.at("image").get<std::string>();
      const ScoreItem item{image, image, request.value("prompt", "")};
      try {
        scorer_.require_prompts({&item, 1});
        items.push_back(item);
        places.push_back(i);
        continue;
      } catch (const Error& e) {
        wrong = e.what();
      }
    }
    request["error"] = wrong;
  }
  std::size_t next = 0;
  if (!items.empty())
    scorer_.run(items, batch_, static_cast<int>(std::thread::hardware_concurrency()),
                [&](const ScoredRow& row) {
                  Json& request = requests[places[next++]];
                  const Json scored = row_json(row, scorer_.names());
                  for (const char* key : {"scores", "columns", "error"})
                    if (scored.contains(key)) request[key] = scored.at(key);
                });
  return (list ? requests : requests[0]).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hn::host
