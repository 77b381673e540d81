#include "scoring/set_scorer.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <tuple>

namespace hn::host {
namespace {

constexpr std::int64_t kBatchesAhead = 4;

// Of decoded pictures, 3 bytes a pixel: at most so many bytes in the window that is being scored,
// and in that window and the next one together; a larger picture is decoded when its turn comes.
constexpr std::uint64_t kWindowBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kDecodedBytes = 2 * kWindowBytes;

// A batch as floats, 12 bytes a pixel; of larger pictures fewer are scored at once, at least one.
constexpr std::uint64_t kBatchBytes = std::uint64_t{1} << 30;

// Encoded prompts kept over a set: some hundreds, for prompts of several pictures. Thousands, each
// of its own, would only pile up, and what they cost the heap is many times their bytes.
constexpr std::uint64_t kPromptBytes = 1 << 20;

// Prompts that a session refuses or takes alike: by what they have beside text and metadata.
int kind_of(const core::Prompt& prompt) {
  return (prompt.negative.empty() ? 0 : 1) + (prompt.has_tensors() ? 2 : 0);
}

}  // namespace

SetScorer::SetScorer(host::Host& host, const host::RunConfig& config, core::Services services,
                     hn_stream stream)
    : services_(std::move(services)), pictures_(config.pictures) {
  for (const core::RewardSpec& reward :
       host::session_spec(config, host.registry(), host::ConfigUse::kRewards).rewards) {
    names_.push_back(reward.name);
    higher_is_better_.push_back(reward.higher_is_better);
    reads_prompts_.push_back(host.registry().reward(reward.registered).reward().text_limit > 0);
  }
  // Once it is open the session's own progress would count within one batch.
  const auto loading = std::make_shared<std::atomic<bool>>(true);
  core::Services quiet = services_;
  quiet.progress = [loading, told = services_.progress](std::string_view what, std::uint64_t done,
                                                        std::uint64_t total) {
    if (*loading && told) told(what, done, total);
  };
  session_ = host.open_rewards(config, std::move(quiet), stream, kPromptBytes);
  *loading = false;
}

void SetScorer::require_prompts(std::span<const ScoreItem> items) const {
  for (std::size_t k = 0; k < names_.size(); ++k) {
    if (!reads_prompts_[k]) continue;
    for (const ScoreItem& item : items)
      if (item.prompt.text.empty())
        throw Error(HN_INVALID_ARGUMENT,
                    "[score] " + names_[k] + " reads prompts, but " + item.image +
                        " has none (--prompts, --prompt, a column prompt, or a "
                        ".txt file beside it)");
  }
}

void SetScorer::score_group(std::span<const ScoreItem> items, core::Tensor images,
                            std::span<const std::size_t> group, std::vector<ScoredRow>& rows) {
  core::ScoreRequest request;
  request.images = std::move(images);
  request.batch = static_cast<std::int64_t>(group.size());
  for (const std::size_t i : group) request.prompts.push_back(items[i].prompt);
  request.partial = true;  // what one reward cannot answer takes no other number with it
  for (std::size_t k = 0; k < names_.size(); ++k) {
    request.reward = k;
    core::ScoreResult result;
    try {
      result = session_->score(request);
    } catch (const Error& error) {
      // What no reward reads of a prompt is refused by name; the others of the set go on.
      if (error.code() != HN_UNSUPPORTED || kind_of(items[group[0]].prompt) == 0) throw;
      for (const std::size_t i : group) rows[i].error = error.what();
      return;
    }
    for (std::size_t n = 0; n < group.size(); ++n) {
      ScoredRow& row = rows[group[n]];
      if (const auto missing = result.missing.find(n); missing != result.missing.end()) {
        row.error += (row.error.empty() ? "" : "; ") + missing->second;
        continue;
      }
      row.scores[k] = static_cast<double>(result.scores[n]);
      for (const auto& [column, values] : result.columns)
        row.columns[names_[k] + "." + column] = static_cast<double>(values[n]);
    }
  }
}

void SetScorer::score_window(std::span<const ScoreItem> items, std::vector<Decoded>& decoded,
                             std::int64_t batch, std::vector<ScoredRow>& rows) {
  rows.assign(items.size(), {});
  std::map<std::tuple<int, int, int>, std::vector<std::size_t>> by_size;
  for (std::size_t i = 0; i < items.size(); ++i) {
    rows[i].item = &items[i];
    rows[i].scores.assign(names_.size(), std::numeric_limits<double>::quiet_NaN());
    rows[i].error = decoded[i].error;
    if (decoded[i].error.empty())
      by_size[{decoded[i].image.height, decoded[i].image.width, kind_of(items[i].prompt)}]
          .push_back(i);
  }
  for (const auto& [size, indices] : by_size) {
    const std::uint64_t each = std::uint64_t{12} * static_cast<std::uint64_t>(std::get<0>(size)) *
                               static_cast<std::uint64_t>(std::get<1>(size));
    const auto most = static_cast<std::size_t>(
        std::clamp<std::uint64_t>(kBatchBytes / each, 1, static_cast<std::uint64_t>(batch)));
    for (std::size_t first = 0; first < indices.size(); first += most) {
      if (services_.cancelled && services_.cancelled())
        throw Error(HN_CANCELLED, "[score] stopped by the user");
      const auto group = std::span(indices).subspan(first, std::min(most, indices.size() - first));
      std::vector<Image> images;
      std::vector<std::string> names;
      for (const std::size_t i : group) {
        images.push_back(std::move(decoded[i].image));
        names.push_back(items[i].image);
      }
      core::Tensor tensor = from_images(images, names);
      images.clear();
      score_group(items, std::move(tensor), group, rows);
    }
  }
}

void SetScorer::run(std::span<const ScoreItem> items, std::int64_t batch, int threads,
                    const std::function<void(const ScoredRow&)>& row) {
  const auto next_after = [&](std::size_t begin) {
    return next_window(items.subspan(begin), static_cast<std::size_t>(batch * kBatchesAhead),
                       kWindowBytes, static_cast<std::size_t>(batch), threads, pictures_);
  };
  const auto start = [&](std::size_t begin, const Window& window, bool ahead) {
    return decode_ahead(items.subspan(begin, window.count), threads, pictures_, ahead);
  };
  Window window = next_after(0);
  std::future<std::vector<Decoded>> coming = start(0, window, true);
  std::vector<ScoredRow> rows;
  for (std::size_t begin = 0; begin < items.size();) {
    std::vector<Decoded> decoded = coming.get();
    const std::size_t end = begin + window.count;
    const Window next = next_after(end);
    if (next.count > 0) coming = start(end, next, window.bytes + next.bytes <= kDecodedBytes);
    score_window(items.subspan(begin, window.count), decoded, batch, rows);
    decoded.clear();
    for (const ScoredRow& each : rows) row(each);
    if (services_.progress) services_.progress("scoring", end, items.size());
    begin = end;
    window = next;
  }
}

}  // namespace hn::host
