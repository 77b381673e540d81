// Requests of `hnhost score --stdin`: whatever comes, the answer is one line of JSON.
#include "scoring/score_requests.hpp"

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(score_requests) {
  using hn::host::ScoreRequests;
  hn::fuzz::read([&] {
    ScoreRequests requests(input);
    requests.refuse([](const hn::host::ScoreItem& item) {
      return item.prompt.text.empty() ? "no prompt for " + item.image : std::string();
    });
    for (std::size_t i = 0; i < requests.items().size(); ++i)
      requests.take(i, {{"scores", {{"clip", 0.5}}}});
    const std::string answer = requests.answer();
    hn::fuzz::require(answer.find('\n') == std::string::npos, "more than a line: " + answer);
    hn::fuzz::require(nlohmann::json::accept(answer), "no JSON: " + answer);
    // An answer is a request again, and what it was told does not pile up.
    hn::fuzz::require(ScoreRequests(answer).items().size() >= requests.items().size(),
                      "an answer is no request: " + answer);
  });
}
