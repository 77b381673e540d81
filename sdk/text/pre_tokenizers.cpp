// Source: tokenizers 0.23, pre_tokenizers/*.rs and tokenizer/normalizer.rs
// (NormalizedString::split).
#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/text/tokenizer_parts.hpp>
#include <hn/text/unicode.hpp>

#include "text/byte_level.hpp"
#include "text/each_part.hpp"

namespace hn {
namespace {

using text::Part;

constexpr const char* kKnown =
    "Sequence, Split, ByteLevel, Metaspace, Whitespace, WhitespaceSplit, Digits, Punctuation, "
    "CharDelimiterSplit, BertPreTokenizer";
constexpr const char* kSpaceMark = "\u2581";  // Metaspace's default replacement

SplitBehavior read_behavior(JsonObject& object, const char* otherwise) {
  const auto name = otherwise == nullptr ? object.get<std::string>("behavior")
                                         : object.get_or<std::string>("behavior", otherwise);
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  object.fail("behavior", "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

// Joins each match to its neighbour on the left; two matches in a row stay apart.
std::vector<Part> merge_to_the_left(const std::vector<Part>& parts) {
  std::vector<Part> merged;
  bool previous = false;
  for (const Part& part : parts) {
    if (part.is_match && !previous && !merged.empty()) {
      merged.back().end = part.end;
    } else {
      merged.push_back(part);
    }
    previous = part.is_match;
  }
  return merged;
}

std::vector<Part> merge_to_the_right(const std::vector<Part>& parts) {
  std::vector<Part> merged;
  bool previous = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->is_match && !previous && !merged.empty()) {
      merged.back().begin = part->begin;
    } else {
      merged.push_back(*part);
    }
    previous = part->is_match;
  }
  std::reverse(merged.begin(), merged.end());
  return merged;
}

std::vector<Part> merge_equals(const std::vector<Part>& parts) {
  std::vector<Part> merged;
  bool previous = false;
  for (const Part& part : parts) {
    if (part.is_match == previous && !merged.empty()) {
      merged.back().end = part.end;
    } else {
      merged.push_back(part);
    }
    previous = part.is_match;
  }
  return merged;
}

struct Step {
  PreTokenizer cut;
  std::string where;
};
using Steps = std::vector<Step>;

// Each step makes at most a few times of what it gets, so that looking behind each is enough.
std::vector<Piece> run(const Steps& steps, Piece piece) {
  const std::size_t most = most_bytes(piece.text.size());
  std::vector<Piece> pieces;
  pieces.push_back(std::move(piece));
  for (const Step& step : steps) {
    std::vector<Piece> next;
    std::size_t bytes = 0;
    for (Piece& part : pieces) {
      if (part.text.empty()) continue;
      for (Piece& cut : step.cut(std::move(part))) {
        bytes += cut.text.size();
        next.push_back(std::move(cut));
      }
      if (bytes > most) refuse_growth(step.where, most, "bytes");
    }
    pieces = std::move(next);
  }
  return pieces;
}

PreTokenizer split(JsonObject& object) {
  const auto cut = read_pattern(object.member("pattern"), object.where() + ": pattern");
  const SplitBehavior behavior = read_behavior(object, nullptr);
  const bool invert = object.get_or<bool>("invert", false);
  return [cut, behavior, invert](const Piece& piece) {
    return split_piece(piece, cut(piece.text), behavior, invert);
  };
}

PreTokenizer byte_level(JsonObject& object) {
  const bool add_prefix_space = object.get<bool>("add_prefix_space");
  const bool use_regex = object.get_or<bool>("use_regex", true);
  object.ignore({"trim_offsets"});
  const text::Regex regex(text::kGpt2Pattern, object.where());
  return [add_prefix_space, use_regex, regex](Piece piece) {
    if (add_prefix_space && !piece.text.starts_with(' ')) piece.text.insert(0, " ");
    std::vector<Piece> pieces;
    if (use_regex) {
      pieces = split_piece(piece, regex.cut(piece.text), SplitBehavior::kIsolated);
    } else {
      pieces.push_back(std::move(piece));
    }
    for (Piece& part : pieces) part.text = text::to_byte_characters(part.text);
    return pieces;
  };
}

PreTokenizer metaspace(JsonObject& object) {
  const auto mark = object.get_or<std::string>("replacement", kSpaceMark);
  std::size_t length = 0;
  if (!mark.empty()) text::next_code_point(mark, length);
  if (mark.empty() || length != mark.size()) object.fail("replacement", "one character");
  // Files from before prepend_scheme say add_prefix_space.
  const bool legacy_prefix = object.get_or<bool>("add_prefix_space", true);
  const auto scheme =
      object.get_or<std::string>("prepend_scheme", legacy_prefix ? "always" : "never");
  if (scheme != "always" && scheme != "first" && scheme != "never")
    object.fail("prepend_scheme", "always, first or never");
  if (!legacy_prefix && scheme != "never")
    object.fail("prepend_scheme", "never, as add_prefix_space is false");
  const bool cut = object.get_or<bool>("split", true);
  object.ignore({"str_rep"});
  return [mark, scheme, cut](const Piece& piece) {
    Piece marked{"", piece.at_start};
    for (const char c : piece.text) marked.text += c == ' ' ? mark : std::string(1, c);
    const bool prepend = scheme == "always" || (scheme == "first" && piece.at_start);
    if (prepend && !marked.text.starts_with(mark)) marked.text.insert(0, mark);
    if (!cut) return std::vector<Piece>{marked};
    return split_piece(marked, text::cut_by_literal(marked.text, mark),
                       SplitBehavior::kMergedWithNext);
  };
}

PreTokenizer by_characters(bool (*matches)(char32_t), SplitBehavior behavior) {
  return [matches, behavior](const Piece& piece) {
    return split_piece(piece, text::cut_by_character(piece.text, matches), behavior);
  };
}

// \w+|[^\w\s]+ : runs of word characters, runs of the rest, white space dropped.
std::vector<Piece> whitespace(const Piece& piece) {
  enum class Class { kSpace, kWord, kOther };
  std::vector<Piece> pieces;
  Class previous = Class::kSpace;
  for (std::size_t at = 0; at < piece.text.size();) {
    const std::size_t begin = at;
    const char32_t c = text::next_code_point(piece.text, at);
    const Class now = text::is_word(c)    ? Class::kWord
                      : text::is_space(c) ? Class::kSpace
                                          : Class::kOther;
    if (now != Class::kSpace) {
      if (now != previous) pieces.push_back({"", piece.at_start && begin == 0});
      pieces.back().text.append(piece.text, begin, at - begin);
    }
    previous = now;
  }
  return pieces;
}

std::vector<Piece> bert(const Piece& piece) {
  std::vector<Piece> pieces;
  for (const Piece& word : split_piece(piece, text::cut_by_character(piece.text, text::is_space),
                                       SplitBehavior::kRemoved)) {
    for (Piece& part :
         split_piece(word, text::cut_by_character(word.text, text::is_old_punctuation),
                     SplitBehavior::kIsolated))
      pieces.push_back(std::move(part));
  }
  return pieces;
}

PreTokenizer char_delimiter(JsonObject& object) {
  const auto delimiter = object.get<std::string>("delimiter");
  return [delimiter](const Piece& piece) {
    return split_piece(piece, text::cut_by_literal(piece.text, delimiter), SplitBehavior::kRemoved);
  };
}

PreTokenizer by_type(const std::string& type, JsonObject& object) {
  if (type == "Split") return split(object);
  if (type == "ByteLevel") return byte_level(object);
  if (type == "Metaspace") return metaspace(object);
  if (type == "Whitespace") return whitespace;
  if (type == "WhitespaceSplit") return by_characters(text::is_space, SplitBehavior::kRemoved);
  if (type == "Digits")
    return by_characters(text::is_numeric, object.get<bool>("individual_digits")
                                               ? SplitBehavior::kIsolated
                                               : SplitBehavior::kContiguous);
  if (type == "Punctuation")
    return by_characters(text::is_old_punctuation, read_behavior(object, "Isolated"));
  if (type == "CharDelimiterSplit") return char_delimiter(object);
  if (type == "BertPreTokenizer") return bert;
  refuse_type(object.where(), type, kKnown);
}

}  // namespace

std::vector<Piece> split_piece(const Piece& piece, const std::vector<Part>& parts,
                               SplitBehavior behavior, bool invert) {
  std::vector<Part> kept = parts;
  if (invert) {
    for (Part& part : kept) part.is_match = !part.is_match;
  }
  switch (behavior) {
    case SplitBehavior::kRemoved:
      std::erase_if(kept, [](const Part& part) { return part.is_match; });
      break;
    case SplitBehavior::kIsolated: break;
    case SplitBehavior::kMergedWithPrevious: kept = merge_to_the_left(kept); break;
    case SplitBehavior::kMergedWithNext: kept = merge_to_the_right(kept); break;
    case SplitBehavior::kContiguous: kept = merge_equals(kept); break;
  }
  std::vector<Piece> pieces;
  for (const Part& part : kept) {
    if (part.begin < part.end)
      pieces.push_back({piece.text.substr(part.begin, part.end - part.begin),
                        piece.at_start && part.begin == 0});
  }
  return pieces;
}

PreTokenizer read_pre_tokenizer(const nlohmann::json& json, const std::string& where) {
  Steps steps;
  std::size_t count = 0;
  const auto add = [&](const std::string& type, JsonObject& object, const std::string& at) {
    steps.push_back({by_type(type, object), at + ": " + type});
  };
  text::each_part(json, where, "pretokenizers", "pre-tokenizers", count, add);
  return [steps](Piece piece) { return run(steps, std::move(piece)); };
}

}  // namespace hn
