#include "run/headroom_job.hpp"

#include <absl/strings/str_join.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <hn/cpp/error.hpp>

#include "config/ranges.hpp"
#include "run/search_setup.hpp"
#include "scoring/evaluate.hpp"
#include "scoring/headroom.hpp"
#include "search/methods.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Request {
  ModelRequest model;
  std::size_t seeds = 16;
};

Request parse(std::string_view text) {
  TomlTable table = TomlTable::parse(text, "headroom request");
  Request request;
  request.model.read(table);
  request.seeds = static_cast<std::size_t>(table.find_i64("seeds", 2, kMostSamples).value_or(16));
  if (request.model.count == 0) request.model.count = 32;
  table.finish();
  return request;
}

// Scores by reward, prompt and seed, and what was computed twice.
struct Scores {
  std::vector<std::vector<std::vector<double>>> seeds;  // [K][P][N]
  std::vector<std::vector<double>> again;               // [K][P]
  std::vector<double> gradient_norms;                   // [P]
};

class Measurement {
 public:
  Measurement(const SearchSetup& setup, OpenedSearch& opened, std::size_t seeds)
      : setup_(setup), opened_(opened), seeds_(seeds) {
    const std::size_t rewards = opened_.problem.rewards.size();
    scores_.seeds.resize(rewards);
    scores_.again.resize(rewards);
    std::vector<std::string> without = score_only(opened_);
    if (!without.empty()) no_gradient_ = absl::StrJoin(without, ", ") + " gives none (score-only)";
  }

  ordered_json run() {
    const Clock::time_point begin = Clock::now();
    for (std::size_t i = 0; i < setup_.prompts.size(); ++i) {
      opened_.stop_if_cancelled("headroom");
      if (opened_.services.progress)
        opened_.services.progress("measuring", i, setup_.prompts.size());
      measure(i);
    }
    ordered_json out;
    out["generator"] = setup_.config.generator;
    out["sought"] = setup_.sought;
    out["prompts"] = scores_.again.at(0).size();
    out["seeds"] = seeds_;
    out["unanswered"] = unanswered_;
    if (!why_.empty()) out["why_unanswered"] = why_;
    const ordered_json whole = to_json(headroom(of_value()));
    for (const auto& [key, value] : whole.items()) out[key] = value;
    out["rewards"] = ordered_json::array();
    for (std::size_t k = 0; k < opened_.problem.rewards.size(); ++k)
      out["rewards"].push_back(row(k));
    out["evaluations"] = to_json(evaluations_);
    out["seconds"] = std::chrono::duration<double>(Clock::now() - begin).count();
    return out;
  }

 private:
  void measure(std::size_t index) {
    search::SessionObjective objective(*opened_.session, opened_.problem, setup_.prompts[index],
                                       index);
    const std::size_t size = objective.size();
    std::vector<std::vector<double>> found(opened_.problem.rewards.size());
    std::vector<float> start;
    std::vector<float> noises;
    const auto batch = static_cast<std::size_t>(opened_.problem.batch);
    for (std::size_t first = 0; first < seeds_; first += batch) {
      const std::size_t count = std::min(batch, seeds_ - first);
      noises.resize(count * size);
      const std::span<float> all(noises);
      for (std::size_t i = 0; i < count; ++i)
        objective.normals(first + i, all.subspan(i * size, size));
      objective.transform(all);
      if (first == 0) start.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size));
      const search::Measured measured = objective.measure(all);
      if (!measured.why.empty()) return leave_out(measured.why);
      for (std::size_t k = 0; k < found.size(); ++k)
        found[k].insert(found[k].end(), measured.scores[k].begin(), measured.scores[k].end());
    }
    const search::Measured again = objective.measure(start);
    if (!again.why.empty()) return leave_out(again.why);
    for (std::size_t k = 0; k < found.size(); ++k) {
      scores_.seeds[k].push_back(std::move(found[k]));
      scores_.again[k].push_back(again.scores[k][0]);
    }
    const std::uint64_t rewards = found.size();
    evaluations_.generator_forwards += seeds_ + 1;
    evaluations_.reward_forwards += (seeds_ + 1) * rewards;
    if (no_gradient_.empty()) follow(objective, start);
    evaluations_.add(objective.evaluations());
  }

  void follow(search::SessionObjective& objective, std::span<const float> start) {
    std::vector<float> gradient(start.size());
    try {
      (void)objective.gradients(start, gradient);
    } catch (const Error& error) {
      if (error.code() != HN_UNSUPPORTED) throw;
      no_gradient_ = error.what();
      return;
    }
    double squares = 0;
    for (const float value : gradient) squares += static_cast<double>(value) * value;
    scores_.gradient_norms.push_back(std::sqrt(squares));
  }

  void leave_out(const std::string& why) {
    ++unanswered_;
    if (why_.empty()) why_ = why;
  }

  HeadroomInput of_value() const {
    HeadroomInput input;
    input.evaluated = setup_.config.eval.count;
    input.no_gradient = no_gradient_;
    if (no_gradient_.empty()) input.gradient_norms = scores_.gradient_norms;
    for (std::size_t i = 0; i < scores_.again.at(0).size(); ++i) {
      input.values.emplace_back(seeds_, 0.0);
      input.again.push_back(0);
      for (std::size_t k = 0; k < opened_.problem.weights.size(); ++k) {
        const double weight = opened_.problem.weights[k];
        if (weight == 0) continue;  // a missing score of what is only measured is no zero
        for (std::size_t j = 0; j < seeds_; ++j)
          input.values[i][j] += weight * scores_.seeds[k][i][j];
        input.again[i] += weight * scores_.again[k][i];
      }
    }
    return input;
  }

  // One reward by itself, in its own units; prompts that it cannot answer are left out.
  ordered_json row(std::size_t k) const {
    const core::RewardSpec& reward = opened_.problem.rewards[k];
    const double sign = reward.higher_is_better ? 1 : -1;
    HeadroomInput input;
    for (std::size_t i = 0; i < scores_.again[k].size(); ++i) {
      std::vector<double> values;
      for (const double score : scores_.seeds[k][i]) values.push_back(sign * score);
      const bool whole = std::isfinite(scores_.again[k][i]) &&
                         std::all_of(values.begin(), values.end(),
                                     [](double value) { return std::isfinite(value); });
      if (!whole) continue;
      input.values.push_back(std::move(values));
      input.again.push_back(sign * scores_.again[k][i]);
    }
    ordered_json out = {{"name", reward.name},
                        {"sought", opened_.problem.weights[k] != 0},
                        {"prompts", input.values.size()}};
    if (input.values.size() < 2) return out;
    const ordered_json whole = to_json(headroom(input));
    for (const char* key : {"best_of", "variance", "repeat_deviation", "floor"})
      out[key] = whole.at(key);
    return out;
  }

  const SearchSetup& setup_;
  OpenedSearch& opened_;
  std::size_t seeds_;
  Scores scores_;
  search::Evaluations evaluations_;
  std::string no_gradient_;  // why there is none; empty: there is
  std::size_t unanswered_ = 0;
  std::string why_;
};

}  // namespace

std::string headroom_job(Host& host, std::string_view text, const hnhost_hooks* hooks) {
  Request request = parse(text);
  const SearchSetup setup = set_up_search(host, request.model, "headroom", &TrainConfig::prompts);
  if (setup.prompts.size() < 2)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[headroom] expected at least 2 prompts, got ", setup.prompts.size()));
  OpenedSearch opened = open_search(host, setup, hooks);
  return Measurement(setup, opened, request.seeds).run().dump(2) + "\n";
}

}  // namespace hn::host
