// The verb pull: a listed model into Hugging Face's cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/session.hpp"
#include "http/http.hpp"
#include "pull/hub_client.hpp"
#include "pull/transfer.hpp"
#include "pull/weights_list.hpp"

namespace hn::pull {

struct PullRequest {
  std::string model;
  std::string variant;   // "" = the model's default
  std::string revision;  // "" = the list's
  bool accept_licence = false;
  bool dry_run = false;  // only says what would be fetched
  bool verify = false;   // computes the sums of files that are there already
  NetOptions net;
  TransferOptions transfer;
  // Of the file system with this folder; for tests. Empty: the system's answer.
  std::function<std::uint64_t(const std::filesystem::path&)> free_bytes;
};

// What was done, as hnhost_pull's JSON (docs/weights.md). Network alone is reached through the
// module. Errors: HN_NOT_FOUND (unknown model, repository, revision, file), HN_UNSUPPORTED (licence
// not accepted, token or terms wanted), HN_DATA_LOSS (wrong bytes), HN_CANCELLED (what is there is
// kept), HN_INTERNAL (network and disk, after retries).
nlohmann::ordered_json pull(const WeightsList& list, const HubPlaces& places,
                            const PullRequest& request, const hnhost_http_v1& module,
                            const core::Services& services);

// Offline: what is there, or HN_NOT_FOUND with what is missing.
nlohmann::ordered_json pull_offline(const WeightsList& list, const HubPlaces& places,
                                    const PullRequest& request);

}  // namespace hn::pull
