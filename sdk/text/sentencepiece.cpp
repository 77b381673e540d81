#include "text/sentencepiece.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/text/unicode.hpp>
#include <memory>
#include <set>

#include "text/charsmap.hpp"

namespace hn {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";
constexpr const char* kEnd = "</s>";

// One message of a protocol buffer, field by field.
class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  // Moves to the next field; false at the end.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const std::uint64_t key = read_varint();
    field_ = key >> 3;
    wire_ = static_cast<unsigned>(key & 7);
    switch (wire_) {
      case 0: number_ = read_varint(); break;
      case 1: text_ = take(8); break;
      case 2: text_ = take(read_varint()); break;
      case 5: text_ = take(4); break;
      default: fail("a wire type of 0, 1, 2 or 5", std::to_string(wire_));
    }
    return true;
  }
  std::uint64_t field() const { return field_; }

  std::string_view bytes() const { return require(2), text_; }
  bool boolean() const { return require(0), number_ != 0; }
  std::int32_t int32() const {
    require(0);
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(number_));
  }
  float float32() const {
    require(5);
    std::uint32_t bits = 0;
    for (std::size_t i = 4; i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(text_[i]);
    return std::bit_cast<float>(bits);
  }

 private:
  [[noreturn]] void fail(const std::string& expected, const std::string& got) const {
    throw Error(HN_DATA_LOSS, where_ + ": field " + std::to_string(field_) + " before byte " +
                                  std::to_string(at_) + ": expected " + expected + ", got " + got);
  }
  void require(unsigned wire) const {
    if (wire_ != wire) fail("wire type " + std::to_string(wire), std::to_string(wire_));
  }
  std::uint64_t read_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ < bytes_.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    fail("a whole number", "the end of the message");
  }
  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - at_)
      fail(std::to_string(size) + " bytes", std::to_string(bytes_.size() - at_));
    const auto part = bytes_.substr(at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return part;
  }

  std::string_view bytes_, text_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::uint64_t field_ = 0, number_ = 0;
  unsigned wire_ = 0;
};

// SentencePiece.Type
enum PieceType {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

void read_piece(std::string_view bytes, SentencePieceFile& file, const std::string& where) {
  UnigramPiece piece;
  std::int32_t type = kNormal;
  for (Message m(bytes, where); m.next();) {
    if (m.field() == 1) piece.text = m.bytes();
    if (m.field() == 2) piece.score = m.float32();
    if (m.field() == 3) type = m.int32();
  }
  const auto id = static_cast<std::int32_t>(file.model.pieces.size());
  switch (type) {
    case kNormal: break;
    case kUserDefined: piece.kind = UnigramPieceKind::kUserDefined; break;
    case kUnused: piece.kind = UnigramPieceKind::kUnused; break;
    case kUnknown: file.model.unk_id = id; [[fallthrough]];
    case kByte: piece.kind = UnigramPieceKind::kReserved; break;
    case kControl:
      piece.kind = UnigramPieceKind::kReserved;
      file.control.push_back(piece.text);
      break;
    default:
      throw Error(HN_DATA_LOSS, where + ": piece " + std::to_string(id) +
                                    ": type: expected 1 to 6, got " + std::to_string(type));
  }
  file.model.pieces.push_back(std::move(piece));
}

void read_trainer(std::string_view bytes, SentencePieceFile& file, const std::string& where) {
  std::int32_t type = 1;
  for (Message m(bytes, where); m.next();) {
    if (m.field() == 3) type = m.int32();
    if (m.field() == 24) file.whitespace_as_suffix = m.boolean();
    if (m.field() == 35) file.model.byte_fallback = m.boolean();
  }
  if (type != 1)
    throw Error(HN_UNSUPPORTED,
                where + ": model_type: expected 1 (unigram), got " + std::to_string(type));
}

void read_normalizer_spec(std::string_view bytes, SentencePieceFile& file,
                          const std::string& where) {
  for (Message m(bytes, where); m.next();) {
    if (m.field() == 2) file.charsmap = m.bytes();
    if (m.field() == 3) file.add_dummy_prefix = m.boolean();
    if (m.field() == 4) file.remove_extra_whitespaces = m.boolean();
    if (m.field() == 5) file.escape_whitespaces = m.boolean();
  }
}

class SentencePieceNormalizer {
 public:
  SentencePieceNormalizer(const SentencePieceFile& file, const std::string& where)
      : trim_(file.remove_extra_whitespaces),
        prefix_(file.add_dummy_prefix),
        suffix_(file.whitespace_as_suffix),
        space_(file.escape_whitespaces ? kSpaceMark : std::string_view(" ")),
        where_(where) {
    if (!file.charsmap.empty())
      charsmap_ = std::make_shared<const Charsmap>(file.charsmap, where + ": precompiled_charsmap");
    for (const UnigramPiece& piece : file.model.pieces)
      if (piece.kind == UnigramPieceKind::kUserDefined && !piece.text.empty())
        whole_.push_back(piece.text);
    std::stable_sort(whole_.begin(), whole_.end(),
                     [](const auto& a, const auto& b) { return a.size() > b.size(); });
  }

  std::string operator()(std::string_view text) const {
    while (trim_ && !text.empty()) {
      const auto [part, length] = first(text);
      if (part != " ") break;
      text.remove_prefix(length);
    }
    if (text.empty()) return {};
    const std::size_t most = most_bytes(text.size());
    std::string result;
    if (prefix_ && !suffix_) result += space_;
    bool after_space = trim_;
    while (!text.empty()) {
      if (result.size() > most) refuse_growth(where_ + ": normalizer_spec", most, "bytes");
      auto [part, length] = first(text);
      while (after_space && part.starts_with(' ')) part.remove_prefix(1);
      if (!part.empty()) {
        for (const char c : part) {
          if (c == ' ') {
            result += space_;
          } else {
            result += c;
          }
        }
        after_space = part.ends_with(' ');
      }
      text.remove_prefix(length);
      if (!trim_) after_space = false;
    }
    while (trim_ && result.ends_with(space_)) result.resize(result.size() - space_.size());
    if (prefix_ && suffix_) result += space_;
    return result;
  }

 private:
  // What the beginning of `text` becomes, and how many bytes that takes.
  std::pair<std::string_view, std::size_t> first(std::string_view text) const {
    for (const std::string& whole : whole_)
      if (text.starts_with(whole)) return {text.substr(0, whole.size()), whole.size()};
    if (charsmap_ != nullptr) {
      if (const auto match = charsmap_->longest(text)) return {match->replacement, match->length};
    }
    std::size_t length = 0;
    text::next_code_point(text, length);
    return {text.substr(0, length), length};
  }

  bool trim_, prefix_, suffix_;
  std::string_view space_;
  std::string where_;
  std::shared_ptr<const Charsmap> charsmap_;
  std::vector<std::string> whole_;  // user-defined pieces, longest first
};

}  // namespace

SentencePieceFile read_sentencepiece(std::string_view bytes, const std::string& where) {
  SentencePieceFile file;
  file.model.single_precision = true;
  for (Message m(bytes, where); m.next();) {
    if (m.field() == 1) read_piece(m.bytes(), file, where);
    if (m.field() == 2) read_trainer(m.bytes(), file, where + ": trainer_spec");
    if (m.field() == 3) read_normalizer_spec(m.bytes(), file, where + ": normalizer_spec");
  }
  if (file.model.pieces.empty())
    throw Error(HN_DATA_LOSS, where + ": expected the pieces of a SentencePiece model, got none");
  return file;
}

Normalizer sentencepiece_normalizer(const SentencePieceFile& file, const std::string& where) {
  return [normalizer = SentencePieceNormalizer(file, where)](const Piece& piece) {
    return Piece{normalizer(piece.text), piece.at_start};
  };
}

TokenizerParts t5_sentencepiece_parts(std::string_view bytes, std::int32_t extra_ids,
                                      const std::string& where) {
  SentencePieceFile file = read_sentencepiece(bytes, where);
  TokenizerParts parts;
  parts.where = where;
  parts.normalizer = sentencepiece_normalizer(file, where);
  // The normaliser writes a space in front of what it gets, so that no token would be met again.
  parts.tokens_as_they_stand = true;
  std::set<std::string> special(file.control.begin(), file.control.end());
  if (file.model.unk_id)
    special.insert(file.model.pieces[static_cast<std::size_t>(*file.model.unk_id)].text);
  for (std::int32_t i = extra_ids; i-- > 0;) {
    const std::string name = "<extra_id_" + std::to_string(i) + ">";
    special.insert(name);
    file.model.pieces.push_back({name, 0, UnigramPieceKind::kReserved});
  }
  std::int32_t end = -1;
  for (std::size_t i = 0; i < file.model.pieces.size(); ++i) {
    const std::string& text = file.model.pieces[i].text;
    if (text == kEnd) end = static_cast<std::int32_t>(i);
    if (special.contains(text))
      parts.added_tokens.push_back(
          {.id = static_cast<std::int32_t>(i), .content = text, .special = true});
  }
  if (end < 0)
    throw Error(HN_DATA_LOSS, where + ": expected the piece </s>, got a vocabulary without it");
  parts.post_processor = [end](std::vector<std::int32_t> ids) {
    ids.push_back(end);
    return ids;
  };
  parts.unigram = std::move(file.model);
  return parts;
}

}  // namespace hn
