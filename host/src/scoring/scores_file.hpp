// scores.json of a run directory: every held-out sample's scores before and after the training.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "scoring/evaluate.hpp"

namespace hn::host {

struct StoredScores {
  std::vector<std::string> prompts;
  std::vector<std::int64_t> seeds;
  std::optional<Scores> before, after;
};

// Errors: HN_NOT_FOUND, HN_DATA_LOSS; both name the file, what is wrong with it and what helps.
StoredScores read_scores(const std::filesystem::path& file);

// Atomically; the same scores always give the same bytes. Errors: those of AtomicFile.
void write_scores(const std::filesystem::path& file, const StoredScores& scores);

}  // namespace hn::host
