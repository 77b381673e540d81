#include "run/search_setup.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "host/hooks.hpp"
#include "scoring/evaluate.hpp"
#include "support/cat.hpp"

namespace hn::host {

SearchSetup set_up_search(Host& host, ModelRequest& request, const char* where,
                          std::string TrainConfig::*otherwise) {
  SearchSetup setup;
  RunConfig& config = setup.config;
  config = request.parsed();
  for (RewardConfig& reward : config.rewards) {
    if (reward.train) setup.sought.push_back(reward.name);
    reward.train = false;
    reward.every = 0;
    reward.every_given = true;
  }
  if (setup.sought.empty())
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", where, "] expected a reward to search for (--reward NAME), got none"));
  config.guards.clear();
  config.net.kind = core::NetKind::kNone;
  config.run.dir.clear();
  request.resolve(config, host.registry());
  setup.prompts = request.read_prompts(config, host.registry(), config.train.*otherwise, where);
  return setup;
}

OpenedSearch open_search(Host& host, const SearchSetup& setup, const hnhost_hooks* hooks) {
  OpenedSearch opened;
  opened.services = make_services(host, hooks);
  opened.problem.rewards = session_spec(setup.config, host.registry()).rewards;
  for (const core::RewardSpec& reward : opened.problem.rewards) {
    const bool sought =
        std::find(setup.sought.begin(), setup.sought.end(), reward.name) != setup.sought.end();
    const double weight = sought ? reward.weight * reward.loss_scale : 0.0;
    if (sought && weight == 0)
      throw Error(HN_INVALID_ARGUMENT, cat("[reward ", reward.name,
                                           "] weight: expected another than 0, got 0; with "
                                           "train = false it is measured"));
    opened.problem.weights.push_back(weight);
  }
  opened.problem.net = setup.config.net.kind;
  opened.problem.seed = setup.config.seed;
  opened.problem.batch = setup.config.search.batch;
  core::Services inner = opened.services;
  const auto loaded = std::make_shared<std::atomic<bool>>(false);
  inner.progress = [loaded, told = opened.services.progress](
                       std::string_view what, std::uint64_t done, std::uint64_t total) {
    if (told && !*loaded) told(what, done, total);
  };
  opened.session = host.open_session(setup.config, std::move(inner));
  *loaded = true;
  return opened;
}

void OpenedSearch::stop_if_cancelled(const char* where) const {
  if (services.cancelled && services.cancelled())
    throw Error(HN_CANCELLED, cat("[", where, "] stopped"));
}

std::vector<std::string> score_only(const OpenedSearch& opened) {
  std::vector<std::string> names;
  for (std::size_t k = 0; k < opened.problem.weights.size(); ++k)
    if (opened.problem.weights[k] != 0 && !opened.session->traits(k).differentiable)
      names.push_back(opened.problem.rewards[k].name);
  return names;
}

nlohmann::ordered_json scores_json(const search::Problem& problem, const search::Measured& measured,
                                   std::size_t row) {
  auto scores = nlohmann::ordered_json::object();
  for (std::size_t k = 0; k < problem.rewards.size(); ++k)
    scores[problem.rewards[k].name] = finite_or_null(measured.scores[k][row]);
  return scores;
}

}  // namespace hn::host
