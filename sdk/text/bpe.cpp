#include <algorithm>
#include <array>
#include <hn/cpp/error.hpp>
#include <hn/text/bpe.hpp>
#include <hn/text/unicode.hpp>
#include <queue>

#include "text/byte_level.hpp"

namespace hn {
namespace {

// As upstream: so many words are remembered, and none longer than this.
constexpr std::size_t kCachedWords = 10000;
constexpr std::size_t kCachedWordBytes = 256;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

[[noreturn]] void refuse_id(const std::string& where, const std::string& token, std::int32_t id) {
  throw Error(HN_DATA_LOSS, where + ": vocab: token \"" + token +
                                "\": expected an id from 0 on, got " + std::to_string(id));
}

[[noreturn]] void refuse_merge(const std::string& where, std::size_t rank,
                               const std::pair<std::string, std::string>& merge,
                               const std::string& absent) {
  throw Error(HN_DATA_LOSS, where + ": merges: number " + std::to_string(rank) + " (\"" +
                                merge.first + "\", \"" + merge.second +
                                "\"): expected tokens of the vocabulary, got no \"" + absent +
                                "\"");
}

}  // namespace

BpeModel::BpeModel(const BpeOptions& options, const std::string& where)
    : prefix_(options.continuing_subword_prefix),
      suffix_(options.end_of_word_suffix),
      fuse_unk_(options.fuse_unk),
      byte_fallback_(options.byte_fallback),
      ignore_merges_(options.ignore_merges) {
  vocab_.reserve(options.vocab.size());
  for (const auto& [token, id] : options.vocab) {
    if (id < 0 || id == INT32_MAX) refuse_id(where, token, id);
    vocab_[token] = id;
    id_limit_ = std::max(id_limit_, id + 1);
  }
  for (const auto& [word, id] : options.whole_words) {
    whole_words_[word] = id;
    id_limit_ = std::max(id_limit_, id + 1);
  }
  if (options.unk_token) {
    unk_id_ = token_to_id(*options.unk_token);
    if (!unk_id_)
      throw Error(HN_DATA_LOSS, where + ": unk_token: expected a token of the vocabulary, got \"" +
                                    *options.unk_token + "\"");
  }
  merges_.reserve(options.merges.size());
  for (std::size_t rank = 0; rank < options.merges.size(); ++rank) {
    const auto& [left, right] = options.merges[rank];
    std::string merged = left;
    merged += right.size() < prefix_.size() ? right : right.substr(prefix_.size());
    std::array<std::int32_t, 3> ids{};
    std::size_t i = 0;
    const std::array<const std::string*, 3> tokens = {&left, &right, &merged};
    for (const std::string* token : tokens) {
      const auto id = token_to_id(*token);
      if (!id) refuse_merge(where, rank, options.merges[rank], *token);
      ids[i++] = *id;
    }
    merges_[pair_key(ids[0], ids[1])] = {static_cast<std::uint32_t>(rank), ids[2]};
  }
}

std::optional<std::int32_t> BpeModel::token_to_id(std::string_view token) const {
  if (const auto found = vocab_.find(token); found != vocab_.end()) return found->second;
  if (const auto found = whole_words_.find(token); found != whole_words_.end())
    return found->second;
  return std::nullopt;
}

const BpeModel::Merge* BpeModel::find_merge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BpeModel::append_symbol(std::int32_t id) {
  const auto here = static_cast<std::int32_t>(symbols_.size());
  if (here > 0) symbols_.back().next = here;
  symbols_.push_back({id, here - 1, -1, true});
}

bool BpeModel::append_bytes(std::string_view character) {
  std::vector<std::int32_t> ids;
  for (const char c : character) {
    const auto found = vocab_.find(text::byte_token(static_cast<unsigned char>(c)));
    if (found == vocab_.end()) return false;
    ids.push_back(found->second);
  }
  for (const std::int32_t id : ids) append_symbol(id);
  return true;
}

void BpeModel::split_into_symbols(std::string_view word) {
  symbols_.clear();
  // An unknown token that waits: with fuse_unk the next unknown character joins it. As upstream,
  // bytes of a fallback do not flush it.
  bool unknown_waits = false;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t begin = at;
    text::next_code_point(word, at);
    scratch_.clear();
    if (begin > 0) scratch_ += prefix_;
    scratch_ += word.substr(begin, at - begin);
    if (at == word.size()) scratch_ += suffix_;
    if (const auto found = vocab_.find(scratch_); found != vocab_.end()) {
      if (unknown_waits) append_symbol(*unk_id_);
      unknown_waits = false;
      append_symbol(found->second);
      continue;
    }
    if (byte_fallback_ && append_bytes(scratch_)) continue;
    if (!unk_id_) continue;
    if (unknown_waits && !fuse_unk_) append_symbol(*unk_id_);
    unknown_waits = true;
  }
  if (unknown_waits) append_symbol(*unk_id_);
}

void BpeModel::merge_symbols() {
  struct Candidate {
    std::uint32_t rank;
    std::int32_t position;
    std::int32_t id;
    // The lowest rank first, then the leftmost.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::int32_t position) {
    const Symbol& symbol = symbols_[static_cast<std::size_t>(position)];
    if (symbol.next < 0) return;
    if (const Merge* merge =
            find_merge(symbol.id, symbols_[static_cast<std::size_t>(symbol.next)].id))
      queue.push({merge->rank, position, merge->id});
  };
  for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) offer(static_cast<std::int32_t>(i));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols_[static_cast<std::size_t>(best.position)];
    if (!left.alive || left.next < 0) continue;
    Symbol& right = symbols_[static_cast<std::size_t>(left.next)];
    // Stale unless the two still merge into what was promised.
    const Merge* merge = find_merge(left.id, right.id);
    if (merge == nullptr || merge->id != best.id) continue;
    left.id = best.id;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) symbols_[static_cast<std::size_t>(left.next)].previous = best.position;
    if (left.previous >= 0) offer(left.previous);
    offer(best.position);
  }
}

void BpeModel::encode(std::string_view word, std::vector<std::int32_t>& ids) {
  if (word.empty()) return;
  if (const auto found = whole_words_.find(word); found != whole_words_.end()) {
    ids.push_back(found->second);
    return;
  }
  if (ignore_merges_) {
    if (const auto found = vocab_.find(word); found != vocab_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  if (const auto found = cache_.find(word); found != cache_.end()) {
    ids.insert(ids.end(), found->second.begin(), found->second.end());
    return;
  }
  split_into_symbols(word);
  merge_symbols();
  const std::size_t first = ids.size();
  for (const Symbol& symbol : symbols_) {
    if (symbol.alive) ids.push_back(symbol.id);
  }
  if (word.size() <= kCachedWordBytes && cache_.size() < kCachedWords) {
    cache_.emplace(
        std::string(word),
        std::vector<std::int32_t>(ids.begin() + static_cast<std::ptrdiff_t>(first), ids.end()));
  }
}

}  // namespace hn
