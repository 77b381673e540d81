// An opened session for looking at noises: what the verbs search and headroom begin with.
#pragma once

#include <hnhost/hnhost.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "host/host.hpp"
#include "run/model_request.hpp"
#include "search/session_objective.hpp"

namespace hn::host {

// The request's configuration, resolved for a search: the [[reward]] tables with train = true are
// what is searched for, whether or not they have a gradient, and nothing is trained.
struct SearchSetup {
  RunConfig config;
  std::vector<std::string> sought;  // names of the rewards that count in the value
  std::vector<core::Prompt> prompts;
};
// otherwise: reads the list of prompts of a request without any, from the resolved configuration.
// where: the verb, for messages. Errors: HN_INVALID_ARGUMENT without a reward to search for; those
// of the configuration and of read_prompts.
SearchSetup set_up_search(Host& host, ModelRequest& request, const char* where,
                          std::string TrainConfig::*otherwise);

// The session, and what its objective needs; HN_INVALID_ARGUMENT for a sought reward of weight 0.
// The stages of single batches are not told as progress.
struct OpenedSearch {
  std::unique_ptr<core::Session> session;
  search::Problem problem;
  core::Services services;  // of the caller: progress, cancelled

  void stop_if_cancelled(const char* where) const;
};
OpenedSearch open_search(Host& host, const SearchSetup& setup, const hnhost_hooks* hooks);

// The names of sought rewards without a gradient.
std::vector<std::string> score_only(const OpenedSearch& opened);

// {"reward": score, ...} of noise `row`; null where there is none.
nlohmann::ordered_json scores_json(const search::Problem& problem, const search::Measured& measured,
                                   std::size_t row);

}  // namespace hn::host
