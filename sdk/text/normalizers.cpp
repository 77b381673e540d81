// Source: tokenizers 0.23, normalizers/*.rs.
#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/text/tokenizer_parts.hpp>
#include <hn/text/unicode.hpp>
#include <memory>
#include <optional>

#include "text/byte_level.hpp"
#include "text/character_normalizers.hpp"
#include "text/charsmap.hpp"
#include "text/each_part.hpp"

namespace hn {
namespace {

constexpr const char* kKnown =
    "Sequence, Replace, NFC, NFD, NFKC, NFKD, Nmt, Lowercase, Prepend, Strip, StripAccents, "
    "ByteLevel, Precompiled, BertNormalizer";

// One normalizer; what it gives has at most so many bytes.
using Step = std::function<Piece(Piece, std::size_t most)>;
using Steps = std::vector<Step>;

Step replace(JsonObject& object) {
  const auto cut = read_pattern(object.member("pattern"), object.where() + ": pattern");
  const auto content = object.get<std::string>("content");
  return
      [cut, content, where = object.where() + ": Replace"](const Piece& piece, std::size_t most) {
        Piece result{"", piece.at_start};
        for (const text::Part& part : cut(piece.text)) {
          if (!part.is_match) {
            result.text.append(piece.text, part.begin, part.end - part.begin);
            continue;
          }
          if (part.begin == 0 && part.end > 0 && content.empty()) result.at_start = false;
          if (content.size() > most || result.text.size() > most - content.size())
            refuse_growth(where, most, "bytes");
          result.text += content;
        }
        return result;
      };
}

Step strip(JsonObject& object) {
  const bool left = object.get<bool>("strip_left");
  const bool right = object.get<bool>("strip_right");
  return [left, right](const Piece& piece, std::size_t) {
    const std::string& text = piece.text;
    std::size_t begin = left ? text.size() : 0;
    std::size_t end = right ? 0 : text.size();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t here = at;
      if (text::is_space(text::next_code_point(text, at))) continue;
      if (left) begin = std::min(begin, here);
      if (right) end = at;
    }
    return Piece{begin < end ? text.substr(begin, end - begin) : std::string(),
                 piece.at_start && begin == 0};
  };
}

Piece strip_accents(const Piece& piece, std::size_t) {
  Piece result{"", piece.at_start};
  for (std::size_t at = 0; at < piece.text.size();) {
    const bool first = at == 0;
    const char32_t c = text::next_code_point(piece.text, at);
    if (!text::is_mark(c)) {
      text::append_code_point(result.text, c);
    } else if (first) {
      result.at_start = false;
    }
  }
  return result;
}

// For what only rewrites characters, and makes of each a handful at most.
template <class Function>
Step on_text(Function function) {
  return [function](const Piece& piece, std::size_t) {
    return Piece{function(std::string_view(piece.text)), piece.at_start};
  };
}

Step normal_form(text::NormalForm form) {
  return on_text([form](std::string_view text) {
    return text::normalize(text, form, text::Tables::kUnicode9);
  });
}

// The bytes of a base64 text; nullopt where it is none. Line ends are not part of it.
std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

Step precompiled(JsonObject& object) {
  const auto blob = from_base64(object.get<std::string>("precompiled_charsmap"));
  if (!blob) object.fail("precompiled_charsmap", "base64");
  const auto table =
      std::make_shared<const Charsmap>(*blob, object.where() + ": precompiled_charsmap");
  return [table](const Piece& piece, std::size_t most) {
    return Piece{table->normalize(piece.text, most), piece.at_start};
  };
}

Step prepend(JsonObject& object) {
  const auto prefix = object.get<std::string>("prepend");
  return on_text([prefix](std::string_view text) {
    return text.empty() ? std::string() : prefix + std::string(text);
  });
}

Step bert(JsonObject& object) {
  text::BertCleaning options;
  options.clean_text = object.get_or<bool>("clean_text", true);
  options.handle_chinese_chars = object.get_or<bool>("handle_chinese_chars", true);
  if (object.has("strip_accents")) options.strip_accents = object.get<bool>("strip_accents");
  object.ignore({"strip_accents"});
  options.lowercase = object.get_or<bool>("lowercase", true);
  return on_text([options](std::string_view text) { return text::bert_clean(text, options); });
}

Step by_type(const std::string& type, JsonObject& object) {
  if (type == "Replace") return replace(object);
  if (type == "NFC") return normal_form(text::NormalForm::kNfc);
  if (type == "NFD") return normal_form(text::NormalForm::kNfd);
  if (type == "NFKC") return normal_form(text::NormalForm::kNfkc);
  if (type == "NFKD") return normal_form(text::NormalForm::kNfkd);
  if (type == "Nmt") return on_text(text::nmt);
  if (type == "Lowercase") return on_text(text::lowercase_letters);
  if (type == "Strip") return strip(object);
  if (type == "StripAccents") return strip_accents;
  if (type == "ByteLevel") return on_text(text::to_byte_characters);
  if (type == "Precompiled") return precompiled(object);
  if (type == "Prepend") return prepend(object);
  if (type == "BertNormalizer") return bert(object);
  refuse_type(object.where(), type, kKnown);
}

}  // namespace

Normalizer read_normalizer(const nlohmann::json& json, const std::string& where) {
  Steps steps;
  std::size_t count = 0;
  const auto add = [&](const std::string& type, JsonObject& object, const std::string& at) {
    // The step's own name, for what it throws at work.
    steps.push_back([step = by_type(type, object), at, type](Piece piece, std::size_t most) {
      piece = step(std::move(piece), most);
      if (piece.text.size() > most) refuse_growth(at + ": " + type, most, "bytes");
      return piece;
    });
  };
  text::each_part(json, where, "normalizers", "normalizers", count, add);
  return [steps](Piece piece) {
    const std::size_t most = most_bytes(piece.text.size());
    for (const Step& step : steps) piece = step(std::move(piece), most);
    return piece;
  };
}

}  // namespace hn
