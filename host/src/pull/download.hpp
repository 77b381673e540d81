// One blob of the cache: locked, fetched, verified, put in place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "pull/digest.hpp"
#include "pull/repo_cache.hpp"
#include "pull/transfer.hpp"
#include "pull/weights_list.hpp"

namespace hn::pull {

struct Meter {
  // Bytes of the file at hand that are there; called a few times a second. May throw to stop.
  std::function<void(const std::string& what, std::uint64_t bytes)> progress;
  std::function<void(const std::string&)> note;
};

struct Fetched {
  bool downloaded = false;  // false: it was there
  Sum verified = Sum::kNone;
  std::uint64_t bytes = 0;
};

// The file of a commit, whole and with the right sum, as a blob unless the snapshot has it as a
// file of its own. What is there is taken when its size is right; with `recheck` its sum is
// computed again. Wrong bytes are thrown away and fetched once more before they are an error:
// HN_DATA_LOSS with both sums. Another process at the same blob is waited for.
Fetched fetch_blob(const RepoCache& cache, const std::string& commit, const FileFacts& facts,
                   const KnownFile& known, const Source& source, const TransferOptions& options,
                   bool recheck, const Meter& meter);

// HN_DATA_LOSS where the list and the server do not agree on a file.
void check_known(const std::string& repo, const FileFacts& facts, const KnownFile& known);

}  // namespace hn::pull
