#include "scoring/score_set.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <set>
#include <thread>

#include "config/ranges.hpp"
#include "scoring/evaluate.hpp"
#include "scoring/picture_pairs.hpp"
#include "scoring/score_table.hpp"
#include "scoring/statistics.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

struct Request {
  std::string config, out;
  std::vector<std::string> a, b;  // of a comparison
  ItemSource source;
  std::int64_t batch = 16, decoders = 0;
};

Request parse(std::string_view text, const char* where) {
  auto table = host::TomlTable::parse(text, where);
  Request r;
  const auto list = [&](const char* key) {
    return table.find_list(key).value_or(std::vector<std::string>{});
  };
  r.config = table.find_str("config").value_or("");
  r.out = table.find_str("out").value_or("");
  r.source.inputs = list("inputs");
  r.a = list("a");
  r.b = list("b");
  r.source.prompts = list("prompts");
  r.source.prompts_file = table.find_str("prompts_file").value_or("");
  r.batch = table.find_i64("batch", 1, host::kMostSamples).value_or(16);
  r.decoders = table.find_i64("decoders", 0, host::kMostThreads).value_or(0);
  table.finish();
  if (r.decoders == 0) r.decoders = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  return r;
}

void tell(const host::Host& host, const std::vector<std::string>& notes) {
  for (const std::string& note : notes) host.log(HN_LOG_WARNING, note);
}

// Means that need no list of the scores.
struct Tally {
  double sum = 0;
  std::size_t n = 0;
  void add(double score) {
    if (!std::isfinite(score)) return;
    sum += score;
    ++n;
  }
  nlohmann::ordered_json mean() const {
    return n == 0 ? nlohmann::ordered_json(nullptr) : finite_or_null(sum / static_cast<double>(n));
  }
};

}  // namespace

std::string score_set(host::Host& host, std::string_view text, const hnhost_hooks* hooks) {
  const Request request = parse(text, "score request");
  std::vector<std::string> notes;
  std::vector<ScoreItem> items = list_items(request.source, notes);
  tell(host, notes);
  const std::size_t all = items.size();
  SetScorer scorer(host, host.configure(request.config, ConfigUse::kRewards),
                   host::make_services(host, hooks));
  std::optional<ScoreTable> table;
  if (!request.out.empty()) {
    table.emplace(request.out, scorer.names(), items);
    std::erase_if(items, [&](const ScoreItem& item) { return table->has(item); });
    // A picture that was given twice with one prompt is one row.
    std::set<std::string> seen;
    std::erase_if(items,
                  [&](const ScoreItem& item) { return !seen.insert(identity(item)).second; });
  }
  scorer.require_prompts(items);

  std::vector<Tally> tallies(scorer.names().size());
  std::size_t errors = 0;
  auto rows = nlohmann::ordered_json::array();
  const auto begin = std::chrono::steady_clock::now();
  if (!items.empty())
    scorer.run(items, request.batch, static_cast<int>(request.decoders), [&](const ScoredRow& row) {
      for (std::size_t k = 0; k < tallies.size(); ++k) tallies[k].add(row.scores[k]);
      if (!row.error.empty()) ++errors;
      if (table)
        table->append(row);
      else
        rows.push_back(row_json(row, scorer.names()));
    });
  if (table) table->sync();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  nlohmann::ordered_json answer = {
      {"images", all},
      {"scored", items.size() - errors},
      {"skipped", all - items.size()},
      {"errors", errors},
      {"seconds", seconds},
      {"images_per_second", seconds > 0 ? static_cast<double>(items.size()) / seconds : 0},
      {"notes", notes}};
  answer["rewards"] = nlohmann::ordered_json::array();
  for (std::size_t k = 0; k < tallies.size(); ++k)
    answer["rewards"].push_back(
        {{"name", scorer.names()[k]}, {"mean", tallies[k].mean()}, {"n", tallies[k].n}});
  if (table)
    answer["out"] = request.out;
  else
    answer["rows"] = std::move(rows);
  return answer.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

namespace {

// The sources of the two sides of a comparison.
ItemSource side(const Request& request, const std::vector<std::string>& inputs) {
  ItemSource source = request.source;
  source.inputs = inputs;
  return source;
}

nlohmann::ordered_json compared(const std::string& name, const std::vector<double>& a,
                                const std::vector<double>& b, bool higher_is_better) {
  std::size_t wins_a = 0, wins_b = 0, ties = 0;
  std::vector<double> left, right, differences;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) continue;
    left.push_back(a[i]);
    right.push_back(b[i]);
    differences.push_back(b[i] - a[i]);
    if (a[i] == b[i])
      ++ties;
    else
      ++((b[i] > a[i]) == higher_is_better ? wins_b : wins_a);
  }
  const Interval rate = wilson(wins_b, wins_a + wins_b);
  const Mean difference = mean_of(differences);
  return {{"name", name},
          {"pairs", differences.size()},
          {"wins_a", wins_a},
          {"wins_b", wins_b},
          {"ties", ties},
          {"win_rate_b",
           {{"rate", finite_or_null(rate.value)},
            {"low", finite_or_null(rate.low)},
            {"high", finite_or_null(rate.high)}}},
          {"a", to_json(mean_of(left))},
          {"b", to_json(mean_of(right))},
          {"difference", to_json(difference)},
          {"verdict", verdict_text(verdict(difference, higher_is_better))}};
}

}  // namespace

std::string compare_sets(host::Host& host, std::string_view text, const hnhost_hooks* hooks) {
  const Request request = parse(text, "compare request");
  std::vector<std::string> notes;
  std::vector<ScoreItem> a = list_items(side(request, request.a), notes);
  std::vector<ScoreItem> b = list_items(side(request, request.b), notes);
  // One table of prompts serves both sides, and is noted once.
  notes.erase(std::unique(notes.begin(), notes.end()), notes.end());
  const PicturePairs pairs = pair_up(std::move(a), std::move(b), notes);
  tell(host, notes);
  SetScorer scorer(host, host.configure(request.config, ConfigUse::kRewards),
                   host::make_services(host, hooks));
  const std::size_t rewards = scorer.names().size();
  std::vector<std::vector<double>> scores[2];
  std::size_t errors = 0;
  std::string first_error;
  const std::vector<ScoreItem>* sides[2] = {&pairs.a, &pairs.b};
  for (int side = 0; side < 2; ++side) {
    scorer.require_prompts(*sides[side]);
    scores[side].resize(rewards);
    scorer.run(*sides[side], request.batch, static_cast<int>(request.decoders),
               [&](const ScoredRow& row) {
                 if (!row.error.empty() && errors++ == 0)
                   first_error = row.item->image + ": " + row.error;
                 for (std::size_t k = 0; k < rewards; ++k) scores[side][k].push_back(row.scores[k]);
               });
  }
  nlohmann::ordered_json answer = {{"pairs", pairs.a.size()},
                                   {"only_in_a", pairs.only_a},
                                   {"only_in_b", pairs.only_b},
                                   {"errors", errors},
                                   {"notes", notes}};
  if (errors > 0) answer["first_error"] = first_error;
  answer["rewards"] = nlohmann::ordered_json::array();
  for (std::size_t k = 0; k < rewards; ++k) {
    answer["rewards"].push_back(
        compared(scorer.names()[k], scores[0][k], scores[1][k], scorer.higher_is_better(k)));
  }
  return answer.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace hn::host
