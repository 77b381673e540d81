// The unigram language model of SentencePiece: the best cut of a text into pieces, by Viterbi.
//
// Sources: sentencepiece 0.2 (unigram_model.cc, Model::EncodeOptimized; sentencepiece_processor.cc,
// PopulateSentencePieceText) and tokenizers 0.23 (models/unigram/model.rs). The two differ in the
// width of their sums and in which pieces a text may match, hence the options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hn {

enum class UnigramPieceKind {
  kNormal,
  kUserDefined,  // always chosen where it occurs
  kReserved,     // never met in a text: control, unknown and byte pieces
  kUnused,       // has an id, is never chosen
};

struct UnigramPiece {
  std::string text;
  double score = 0;  // logarithm of its probability
  UnigramPieceKind kind = UnigramPieceKind::kNormal;
};

struct UnigramOptions {
  std::vector<UnigramPiece> pieces;  // a piece's id is its index
  std::optional<std::int32_t> unk_id;
  bool byte_fallback = false;     // characters without a piece become "<0x0A>" pieces
  bool single_precision = false;  // sums in float32, as sentencepiece; else in float64
};

class UnigramModel {
 public:
  // `where` starts the messages. Errors: HN_DATA_LOSS for no pieces, an unk_id that is none of
  // them, a score that is not finite.
  UnigramModel(const UnigramOptions& options, const std::string& where);

  // Appends the ids of the best cut of `text` (well-formed UTF-8). Neighbouring characters without
  // a piece become one unknown id. HN_INVALID_ARGUMENT where there are such and no unk_id.
  void encode(std::string_view text, std::vector<std::int32_t>& ids) const;

  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  std::int32_t id_limit() const { return static_cast<std::int32_t>(pieces_.size()); }

 private:
  // A node of the trie; its children lie side by side, ordered by label.
  struct Node {
    std::uint32_t first_child = 0;
    std::uint16_t children = 0;
    unsigned char label = 0;
    std::int32_t id = -1;  // of the piece that ends here
  };
  // The best way to a position of the text.
  struct Best {
    std::int32_t id = -1;
    std::size_t begin = 0;
    double score = 0;
    bool reached = false;
  };
  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  void build_trie();
  const Node* child(const Node& node, unsigned char label) const;
  double add(double score, double piece) const;
  double score_of(std::int32_t id, std::size_t length) const;
  void append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const;

  std::vector<UnigramPiece> pieces_;
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> ids_;
  std::vector<Node> trie_;
  std::optional<std::int32_t> unk_id_;
  std::string where_;
  bool byte_fallback_;
  bool single_precision_;
  double unk_score_ = 0, max_score_ = 0;
};

}  // namespace hn
