// Rewards over any number of pictures of any sizes, with memory that does not grow.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/host.hpp"
#include "scoring/image_window.hpp"
#include "scoring/score_items.hpp"

namespace hn::host {

struct ScoredRow {
  const ScoreItem* item = nullptr;
  std::vector<double> scores;             // one a reward; NaN where there is an error
  std::map<std::string, double> columns;  // further outputs: "judge.counting"
  std::string error;                      // the picture's, or those of rewards, each with its name
};

class SetScorer {
 public:
  // Opens the configuration's rewards without its generator; progress is of the loading, then of
  // run(). stream: as Host::open_rewards has it. Errors: those of the plugins.
  SetScorer(host::Host& host, const host::RunConfig& config, core::Services services,
            hn_stream stream = {0, 0, 0});

  const std::vector<std::string>& names() const { return names_; }
  bool higher_is_better(std::size_t reward) const { return higher_is_better_[reward]; }
  // Throws HN_INVALID_ARGUMENT when a reward reads prompts and an item has none; it names both.
  void require_prompts(std::span<const ScoreItem> items) const;

  // Calls row() for each item in order. batch: pictures of one size at a time, fewer where they
  // are so large that the batch would take more than 1 GiB as floats; threads: that decode, a few
  // batches ahead while the pictures take at most 512 MiB together. A broken picture, or one that a
  // reward cannot answer, is a row with its reason, and the other rewards' scores are there.
  // Errors: HN_CANCELLED between batches, HN_OUT_OF_MEMORY, HN_DEVICE_LOST, and what row() throws.
  void run(std::span<const ScoreItem> items, std::int64_t batch, int threads,
           const std::function<void(const ScoredRow&)>& row);

 private:
  void score_window(std::span<const ScoreItem> items, std::vector<Decoded>& decoded,
                    std::int64_t batch, std::vector<ScoredRow>& rows);
  void score_group(std::span<const ScoreItem> items, core::Tensor images,
                   std::span<const std::size_t> group, std::vector<ScoredRow>& rows);

  std::vector<std::string> names_;
  std::vector<bool> higher_is_better_;
  std::vector<bool> reads_prompts_;
  core::Services services_;
  host::PicturesConfig pictures_;
  std::unique_ptr<core::Session> session_;
};

}  // namespace hn::host
