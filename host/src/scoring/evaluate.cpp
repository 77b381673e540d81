#include "scoring/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace hn::host {
namespace {

void append(Scores& scores, const std::string& name, const std::vector<float>& values) {
  for (auto& [known, column] : scores.columns) {
    if (known != name) continue;
    column.insert(column.end(), values.begin(), values.end());
    return;
  }
  scores.columns.emplace_back(name, std::vector<double>(values.begin(), values.end()));
}

double sum_of_squares(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

std::size_t part_size(const core::Session& session, const EvaluationPlan& plan) {
  std::uint64_t bytes = sizeof(float);
  for (const auto side : session.shapes().image) bytes *= static_cast<std::uint64_t>(side);
  const std::uint64_t fits =
      std::max<std::uint64_t>(1, kMaxImageBytes / std::max<std::uint64_t>(bytes, 1));
  return std::min<std::uint64_t>(fits, plan.prompts.size());
}

}  // namespace

const std::vector<double>* Scores::find(const std::string& name) const {
  for (const auto& [known, column] : columns)
    if (known == name) return &column;
  return nullptr;
}

Scores evaluate(core::Session& session, const core::Services& services, const EvaluationPlan& plan,
                bool adapted, const std::string& what) {
  Scores scores;
  double squares = 0;
  const std::size_t total = plan.prompts.size() * plan.seeds.size();
  const std::size_t part = part_size(session, plan);
  std::size_t done = 0;
  for (const std::int64_t seed : plan.seeds) {
    for (std::size_t begin = 0; begin < plan.prompts.size(); begin += part) {
      if (services.progress) services.progress(what, done, total);
      const std::size_t end = std::min(begin + part, plan.prompts.size());
      core::SampleRequest request;
      request.prompts.assign(plan.prompts.begin() + static_cast<std::ptrdiff_t>(begin),
                             plan.prompts.begin() + static_cast<std::ptrdiff_t>(end));
      request.seed =
          static_cast<std::uint64_t>(seed) + (static_cast<std::uint64_t>(begin / part) << 32);
      request.batch = plan.batch;
      request.adapted = adapted;
      request.weights = plan.weights;
      request.want_delta = adapted;
      core::SampleResult sampled = session.sample(request);
      squares += sum_of_squares(sampled.delta.data);
      core::ScoreRequest score;
      score.images = std::move(sampled.images);
      score.prompts = request.prompts;
      score.batch = plan.batch;
      score.partial = true;
      for (std::size_t k = 0; k < plan.rewards.size(); ++k) {
        if (plan.rewards[k].empty()) continue;
        score.reward = k;
        const core::ScoreResult result = session.score(score);
        append(scores, plan.rewards[k], result.scores);
        for (const auto& [column, values] : result.columns)
          append(scores, plan.rewards[k] + "." + column, values);
        for (const auto& [i, why] : result.missing)
          scores.missing[plan.rewards[k]].emplace(done + i, why);
      }
      done += end - begin;
    }
  }
  if (services.progress) services.progress(what, total, total);
  scores.kl = total == 0 ? 0 : 0.5 * squares / static_cast<double>(total);
  return scores;
}

std::string Unanswered::text() const {
  return reward + ": " + std::to_string(prompts) + " of " + std::to_string(of) +
         " prompts not answered: " + why;
}

std::vector<Unanswered> unanswered(std::initializer_list<const Scores*> states,
                                   const EvaluationPlan& plan) {
  std::vector<Unanswered> rows;
  for (const std::string& reward : plan.rewards) {
    std::set<std::size_t> prompts;
    Unanswered row{reward, 0, plan.prompts.size(), ""};
    for (const Scores* scores : states) {
      const auto found = scores->missing.find(reward);
      if (found == scores->missing.end()) continue;
      for (const auto& [sample, why] : found->second) {
        prompts.insert(sample % plan.prompts.size());
        if (row.why.empty()) row.why = why;
      }
    }
    row.prompts = prompts.size();
    if (row.prompts > 0) rows.push_back(std::move(row));
  }
  return rows;
}

nlohmann::ordered_json to_json(const std::vector<Unanswered>& rows) {
  auto json = nlohmann::ordered_json::array();
  for (const Unanswered& row : rows)
    json.push_back(
        {{"reward", row.reward}, {"prompts", row.prompts}, {"of", row.of}, {"why", row.why}});
  return json;
}

std::vector<std::size_t> prompt_groups(const EvaluationPlan& plan) {
  std::vector<std::size_t> groups;
  for (std::size_t s = 0; s < plan.seeds.size(); ++s)
    for (std::size_t i = 0; i < plan.prompts.size(); ++i) groups.push_back(i);
  return groups;
}

std::vector<Image> pictures(core::Session& session, const std::vector<core::Prompt>& prompts,
                            std::uint64_t seed, std::int64_t batch, bool adapted,
                            core::Weights weights) {
  core::SampleRequest request;
  request.weights = weights;
  request.prompts = prompts;
  request.seed = seed;
  request.batch = batch;
  request.adapted = adapted;
  const core::SampleResult result = session.sample(request);
  std::vector<Image> out;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    out.push_back(to_image(result.images, static_cast<std::int64_t>(i)));
  return out;
}

nlohmann::ordered_json finite_or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json to_json(const Mean& mean) {
  return {{"mean", finite_or_null(mean.mean)},
          {"se", finite_or_null(mean.standard_error)},
          {"n", mean.n}};
}

nlohmann::ordered_json to_json(const Scores& scores) {
  nlohmann::ordered_json columns = nlohmann::ordered_json::object();
  for (const auto& [name, values] : scores.columns) {
    auto list = nlohmann::ordered_json::array();
    for (const double value : values) list.push_back(finite_or_null(value));
    columns[name] = std::move(list);
  }
  nlohmann::ordered_json json = {{"kl", finite_or_null(scores.kl)},
                                 {"columns", std::move(columns)}};
  for (const auto& [reward, samples] : scores.missing)
    for (const auto& [sample, why] : samples)
      json["missing"][reward].push_back({{"sample", sample}, {"why", why}});
  return json;
}

Scores scores_from_json(const nlohmann::ordered_json& json, const std::string& where) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto number = [&](const nlohmann::ordered_json& value) {
    if (value.is_null()) return kNaN;
    if (!value.is_number()) throw Error(HN_DATA_LOSS, "[" + where + "] expected numbers or null");
    return value.get<double>();
  };
  if (!json.is_object() || !json.contains("kl") || !json.contains("columns") ||
      !json["columns"].is_object())
    throw Error(HN_DATA_LOSS, "[" + where + "] expected an object with kl and columns");
  Scores scores;
  scores.kl = number(json["kl"]);
  for (const auto& [name, list] : json["columns"].items()) {
    if (!list.is_array())
      throw Error(HN_DATA_LOSS, "[" + where + "] expected a list in column " + name);
    std::vector<double> values;
    for (const auto& value : list) values.push_back(number(value));
    scores.columns.emplace_back(name, std::move(values));
  }
  if (!json.contains("missing")) return scores;
  try {
    for (const auto& [reward, samples] : json.at("missing").items())
      for (const auto& row : samples)
        scores.missing[reward].emplace(row.at("sample").get<std::size_t>(),
                                       row.at("why").get<std::string>());
  } catch (const nlohmann::json::exception&) {
    throw Error(HN_DATA_LOSS, "[" + where + "] expected sample and why in missing");
  }
  return scores;
}

}  // namespace hn::host
