#include "run/set_scorer.hpp"

#include <algorithm>
#include <limits>

namespace hn::run {
namespace {

constexpr std::int64_t kBatchesAhead = 4;

// Encoded prompts kept over a set: some hundreds, for prompts of several pictures. Thousands, each
// of its own, would only pile up, and what they cost the heap is many times their bytes.
constexpr std::uint64_t kPromptBytes = 1 << 20;

// The failures of one picture; everything else ends the work.
bool concerns_one_picture(hn_status code) {
  return code == HN_INVALID_ARGUMENT || code == HN_UNSUPPORTED || code == HN_NOT_FOUND ||
         code == HN_DATA_LOSS;
}

}  // namespace

SetScorer::SetScorer(host::Host& host, const host::RunConfig& config, core::Services services)
    : services_(std::move(services)) {
  core::SessionSpec spec = host::session_spec(config, host.registry());
  if (spec.rewards.empty())
    throw Error(HN_INVALID_ARGUMENT, "[score] expected at least one reward, got none");
  spec.net.kind = core::NetKind::kNone;
  spec.prompt_cache_bytes = std::min(spec.prompt_cache_bytes, kPromptBytes);
  for (core::RewardSpec& reward : spec.rewards) {
    const host::Choice choice = host.registry().reward(reward.name);
    reward.plugin = host.open_plugin(*choice.plugin);
    names_.push_back(reward.name);
    reads_prompts_.push_back(choice.reward().text_limit > 0);
  }
  // The session's own progress would count within one batch.
  core::Services quiet = services_;
  quiet.progress = {};
  session_ = host.core().open_session(std::move(spec), std::move(quiet));
}

void SetScorer::require_prompts(std::span<const ScoreItem> items) const {
  for (std::size_t k = 0; k < names_.size(); ++k) {
    if (!reads_prompts_[k]) continue;
    for (const ScoreItem& item : items)
      if (item.prompt.empty())
        throw Error(HN_INVALID_ARGUMENT,
                    "[score] " + names_[k] + " reads prompts, but " + item.image +
                        " has none (--prompts, --prompt, a column prompt, or a "
                        ".txt file beside it)");
  }
}

void SetScorer::score_group(std::span<const ScoreItem> items, std::vector<Decoded>& decoded,
                            std::span<const std::size_t> group, std::vector<ScoredRow>& rows) {
  std::vector<Image> images;
  std::vector<std::string> names;
  core::ScoreRequest request;
  for (const std::size_t i : group) {
    images.push_back(decoded[i].image);
    names.push_back(items[i].image);
    request.prompts.push_back(items[i].prompt);
  }
  request.images = from_images(images, names);
  request.batch = static_cast<std::int64_t>(group.size());
  try {
    for (std::size_t k = 0; k < names_.size(); ++k) {
      request.reward = k;
      const core::ScoreResult result = session_->score(request);
      for (std::size_t n = 0; n < group.size(); ++n) {
        rows[group[n]].scores[k] = static_cast<double>(result.scores[n]);
        for (const auto& [column, values] : result.columns)
          rows[group[n]].columns[names_[k] + "." + column] = static_cast<double>(values[n]);
      }
    }
  } catch (const Error& e) {
    if (!concerns_one_picture(e.code())) throw;
    if (group.size() > 1) {  // one by one: the others are innocent
      for (const std::size_t& i : group) score_group(items, decoded, {&i, 1}, rows);
      return;
    }
    rows[group[0]].error = e.what();
  }
}

void SetScorer::score_window(std::span<const ScoreItem> items, std::vector<Decoded>& decoded,
                             std::int64_t batch, std::vector<ScoredRow>& rows) {
  rows.assign(items.size(), {});
  std::map<std::pair<int, int>, std::vector<std::size_t>> by_size;
  for (std::size_t i = 0; i < items.size(); ++i) {
    rows[i].item = &items[i];
    rows[i].scores.assign(names_.size(), std::numeric_limits<double>::quiet_NaN());
    rows[i].error = decoded[i].error;
    if (decoded[i].error.empty())
      by_size[{decoded[i].image.height, decoded[i].image.width}].push_back(i);
  }
  for (const auto& [size, indices] : by_size)
    for (std::size_t first = 0; first < indices.size(); first += static_cast<std::size_t>(batch)) {
      if (services_.cancelled && services_.cancelled())
        throw Error(HN_CANCELLED, "[score] stopped by the user");
      const std::size_t count = std::min(static_cast<std::size_t>(batch), indices.size() - first);
      score_group(items, decoded, std::span(indices).subspan(first, count), rows);
    }
}

void SetScorer::run(std::span<const ScoreItem> items, std::int64_t batch, int threads,
                    const std::function<void(const ScoredRow&)>& row) {
  const auto window = static_cast<std::size_t>(batch * kBatchesAhead);
  const auto part = [&](std::size_t begin) {
    return items.subspan(begin, std::min(window, items.size() - begin));
  };
  std::future<std::vector<Decoded>> coming = decode_ahead(part(0), threads);
  std::vector<ScoredRow> rows;
  for (std::size_t begin = 0; begin < items.size(); begin += window) {
    std::vector<Decoded> decoded = coming.get();
    if (begin + window < items.size()) coming = decode_ahead(part(begin + window), threads);
    score_window(part(begin), decoded, batch, rows);
    for (const ScoredRow& each : rows) row(each);
    if (services_.progress)
      services_.progress("scoring", std::min(begin + window, items.size()), items.size());
  }
}

}  // namespace hn::run
