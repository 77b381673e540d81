// One file with everything that an exact resume needs.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "core/trainer.hpp"

namespace hn::core {

// What must agree between a checkpoint and the session that loads it, field by field: everything
// that a step's result depends on. Left out: where and how fast it runs (device, threads, micro
// batches, caches), the policy on NaN, the folder of the weights (its last part stays), and the
// number of steps where the schedule does not depend on it.
std::map<std::string, std::string> fingerprint(const SessionSpec& spec);

// Replaces the file atomically: adapter, optimiser buffers, counters, fingerprint, notes, and the
// sum of it all (sealed_file.hpp). All randomness is a function of the seed and the step, so there
// is no random state to keep.
void save_checkpoint(const SessionSpec& spec, const Adapter& adapter, Trainer& trainer,
                     const Notes& notes, const std::filesystem::path& file);

// The answer is the notes. HN_INVALID_ARGUMENT names every differing field with both values, and
// every tensor that is missing, unexpected, of another shape or not finite, or the version of a
// file of another release; the session is then unchanged. HN_DATA_LOSS for a byte that changed
// since it was written, HN_NOT_FOUND and HN_DATA_LOSS as SafetensorsFile::open.
Notes load_checkpoint(const SessionSpec& spec, Adapter& adapter, Trainer& trainer,
                      const std::filesystem::path& file);

}  // namespace hn::core
