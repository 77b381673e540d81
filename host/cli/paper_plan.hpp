// The paper in small: which trainings, searches and evaluations its tables stand on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hn::cli {

struct PaperSize {
  std::vector<std::int64_t> seeds;
  std::int64_t prompts = 0;           // held-out ones that are reported; 0: all
  std::int64_t steps = 0, batch = 0;  // of the CLIP trainings
  std::int64_t redness_steps = 0;
  std::int64_t noises = 0;  // that a search looks at
  std::vector<std::int64_t> ranks, generator_steps;
  std::vector<double> kl_weights;
  std::vector<std::int64_t> finetune_steps;
};
PaperSize quick_paper();
PaperSize full_paper();

// One directory of the whole: a training, or an evaluation of another's adapter (no steps), or a
// search.
struct PaperJob {
  enum class Kind { kRun, kSearch };
  Kind kind = Kind::kRun;
  std::string folder;  // below the paper's
  std::string group;   // what it is of: "table1", "steps", "ranks", "front"
  std::string method;  // its row: "noise hypernetwork"
  std::int64_t seed = 0;
  double value = 0;     // of the group's axis: generator steps, rank, KL weight
  std::string adapter;  // folder of the job whose adapter it takes; empty: none
  std::string config;   // TOML, without what depends on the place
};

// In the order in which they are to be done: a job's adapter is before it.
std::vector<PaperJob> paper_jobs(const PaperSize& size);

}  // namespace hn::cli
