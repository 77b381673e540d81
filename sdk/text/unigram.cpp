#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/text/unigram.hpp>
#include <limits>

#include "text/byte_level.hpp"

namespace hn {
namespace {

// How much worse than the worst piece an unknown character is; the same number in both libraries.
constexpr double kUnknownPenalty = 10.0;

std::size_t character_bytes(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

bool in_trie(const UnigramPiece& piece) {
  return !piece.text.empty() && piece.kind != UnigramPieceKind::kReserved;
}

}  // namespace

UnigramModel::UnigramModel(const UnigramOptions& options, const std::string& where)
    : pieces_(options.pieces),
      unk_id_(options.unk_id),
      where_(where),
      byte_fallback_(options.byte_fallback),
      single_precision_(options.single_precision) {
  if (pieces_.empty() || pieces_.size() >= INT32_MAX)
    throw Error(HN_DATA_LOSS,
                where + ": expected at least one piece, got " + std::to_string(pieces_.size()));
  if (unk_id_ && (*unk_id_ < 0 || *unk_id_ >= id_limit()))
    throw Error(HN_DATA_LOSS, where + ": unk_id: expected an id below " +
                                  std::to_string(id_limit()) + ", got " + std::to_string(*unk_id_));
  double worst = std::numeric_limits<double>::max();
  // Upstream begins with the least float above 0, so that a user-defined piece costs just 0.1.
  double best = std::numeric_limits<float>::min();
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const UnigramPiece& piece = pieces_[i];
    if (!std::isfinite(piece.score))
      throw Error(HN_DATA_LOSS, where + ": piece " + std::to_string(i) + " \"" + piece.text +
                                    "\": expected a finite score, got " +
                                    std::to_string(piece.score));
    ids_[piece.text] = static_cast<std::int32_t>(i);
    if (piece.kind != UnigramPieceKind::kNormal) continue;
    worst = std::min(worst, piece.score);
    best = std::max(best, piece.score);
  }
  if (worst == std::numeric_limits<double>::max()) worst = 0;
  max_score_ = best;
  unk_score_ =
      single_precision_ ? static_cast<float>(worst - kUnknownPenalty) : worst - kUnknownPenalty;
  build_trie();
}

void UnigramModel::build_trie() {
  std::vector<std::int32_t> order;
  for (std::int32_t i = 0; i < id_limit(); ++i)
    if (in_trie(pieces_[static_cast<std::size_t>(i)])) order.push_back(i);
  const auto text = [&](std::int32_t id) -> const std::string& {
    return pieces_[static_cast<std::size_t>(id)].text;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int32_t a, std::int32_t b) { return text(a) < text(b); });
  // Breadth first, so that the children of a node are neighbours: each entry is a node with the
  // pieces below it, a range of the sorted list, and how many letters they share.
  struct Range {
    std::size_t node, begin, end, depth;
  };
  trie_.assign(1, {});
  std::vector<Range> queue = {{0, 0, order.size(), 0}};
  for (std::size_t next = 0; next < queue.size(); ++next) {
    Range range = queue[next];
    // Of pieces with the same text the last one counts, as in a table filled in order.
    while (range.begin < range.end && text(order[range.begin]).size() == range.depth)
      trie_[range.node].id = order[range.begin++];
    trie_[range.node].first_child = static_cast<std::uint32_t>(trie_.size());
    for (std::size_t at = range.begin; at < range.end;) {
      const auto label = static_cast<unsigned char>(text(order[at])[range.depth]);
      std::size_t end = at;
      while (end < range.end && static_cast<unsigned char>(text(order[end])[range.depth]) == label)
        ++end;
      queue.push_back({trie_.size(), at, end, range.depth + 1});
      trie_.push_back({.label = label});
      ++trie_[range.node].children;
      at = end;
    }
  }
}

const UnigramModel::Node* UnigramModel::child(const Node& node, unsigned char label) const {
  const Node* begin = trie_.data() + node.first_child;
  const Node* end = begin + node.children;
  const Node* found = std::lower_bound(
      begin, end, label, [](const Node& n, unsigned char wanted) { return n.label < wanted; });
  return found != end && found->label == label ? found : nullptr;
}

// A sum of two float32 numbers in float64, rounded once, is the float32 sum.
double UnigramModel::add(double score, double piece) const {
  return single_precision_ ? static_cast<float>(score + piece) : score + piece;
}

double UnigramModel::score_of(std::int32_t id, std::size_t length) const {
  const UnigramPiece& piece = pieces_[static_cast<std::size_t>(id)];
  if (piece.kind != UnigramPieceKind::kUserDefined) return piece.score;
  return static_cast<double>(length) * max_score_ - 0.1;
}

void UnigramModel::encode(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (text.empty()) return;
  std::vector<Best> best(text.size() + 1);
  best[0].reached = true;
  const auto offer = [&](std::size_t begin, std::size_t end, std::int32_t id, double piece) {
    const double score = add(best[begin].score, piece);
    Best& there = best[end];
    if (!there.reached || score > there.score) there = {id, begin, score, true};
  };
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t character =
        std::min(character_bytes(static_cast<unsigned char>(text[begin])), text.size() - begin);
    bool has_character = false;
    const Node* node = trie_.data();
    for (std::size_t end = begin; end < text.size();) {
      node = child(*node, static_cast<unsigned char>(text[end++]));
      if (node == nullptr) break;
      if (node->id < 0 ||
          pieces_[static_cast<std::size_t>(node->id)].kind == UnigramPieceKind::kUnused)
        continue;
      offer(begin, end, node->id, score_of(node->id, end - begin));
      has_character = has_character || end - begin == character;
    }
    if (!has_character) offer(begin, begin + character, -1, unk_score_);
    begin += character;
  }

  std::vector<std::size_t> ends;
  for (std::size_t end = text.size(); end > 0; end = best[end].begin) ends.push_back(end);
  for (std::size_t i = ends.size(); i-- > 0;) {
    const Best& step = best[ends[i]];
    if (step.id >= 0 && step.id != unk_id_) {
      ids.push_back(step.id);
      continue;
    }
    const std::size_t begin = step.begin;
    while (i > 0 && (best[ends[i - 1]].id < 0 || best[ends[i - 1]].id == unk_id_)) --i;
    append_unknown(text.substr(begin, ends[i] - begin), ids);
  }
}

void UnigramModel::append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (byte_fallback_) {
    std::vector<std::int32_t> bytes;
    for (const char c : text) {
      const auto found = token_to_id(text::byte_token(static_cast<unsigned char>(c)));
      if (!found) break;
      bytes.push_back(*found);
    }
    if (bytes.size() == text.size()) {
      ids.insert(ids.end(), bytes.begin(), bytes.end());
      return;
    }
  }
  if (!unk_id_)
    throw Error(HN_INVALID_ARGUMENT, where_ + ": the vocabulary has no piece for \"" +
                                         std::string(text) + "\", and no unknown piece");
  ids.push_back(*unk_id_);
}

std::optional<std::int32_t> UnigramModel::token_to_id(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace hn
