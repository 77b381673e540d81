// sdk/text: normalizers over every code point, and what a file from elsewhere may
// make of a text. Goldens: tests/golden/tokenizers/make_normalizers.py.

#include <array>
#include <hn/text/tokenizer.hpp>
#include <hn/text/unicode.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "support/gzip.hpp"
#include "text/character_normalizers.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using Json = nlohmann::json;

Json read_golden() {
  return Json::parse(
      test::unzip(std::string(HN_SOURCE_DIR) + "/tests/golden/tokenizers/normalizers.json.gz"));
}

using Ranges = std::vector<std::array<char32_t, 2>>;

bool contains(const Ranges& ranges, char32_t c) {
  for (const auto& [first, last] : ranges)
    if (c >= first && c <= last) return true;
  return false;
}

template <class Normalize>
void expect_ranges(const Json& golden, Normalize normalize) {
  const auto drops = golden.at("drops").get<Ranges>(), blanks = golden.at("blanks").get<Ranges>(),
             apart = golden.at("apart").get<Ranges>();
  std::size_t wrong = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c == U' ' || (c >= 0xD800 && c < 0xE000)) continue;
    std::string character;
    text::append_code_point(character, c);
    const std::string got = normalize("a" + character + "b");
    const bool same = (got == "ab") == contains(drops, c) &&
                      (got == "a b") == contains(blanks, c) &&
                      (got == "a " + character + " b") == contains(apart, c);
    if (!same && ++wrong <= 5) ADD_FAILURE() << "U+" << std::hex << static_cast<unsigned>(c);
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(NormalizersTest, EqualTokenizersOnEveryCodePoint) {
  const Json golden = read_golden();
  expect_ranges(golden.at("nmt"), text::nmt);
  const text::BertCleaning none{.clean_text = false,
                                .handle_chinese_chars = false,
                                .strip_accents = false,
                                .lowercase = false};
  for (const char* name : {"clean_text", "handle_chinese_chars", "strip_accents"}) {
    SCOPED_TRACE(name);
    text::BertCleaning one = none;
    one.clean_text = name == std::string("clean_text");
    one.handle_chinese_chars = name == std::string("handle_chinese_chars");
    one.strip_accents = name == std::string("strip_accents");
    expect_ranges(golden.at(name), [&](const std::string& s) { return text::bert_clean(s, one); });
  }
}

TEST(NormalizersTest, CharacterClassesEqualTokenizersOnEveryCodePoint) {
  const Json golden = read_golden();
  const auto punctuation = golden.at("punctuation").get<Ranges>();
  const auto accents = golden.at("accents").get<Ranges>();
  std::size_t wrong = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    if (text::is_old_punctuation(c) != contains(punctuation, c) ||
        text::is_mark(c) != contains(accents, c)) {
      if (++wrong <= 5) ADD_FAILURE() << "U+" << std::hex << static_cast<unsigned>(c);
    }
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(NormalizersTest, BertStripsAccentsWhereItLowersUnlessTold) {
  EXPECT_EQ(text::bert_clean("\u00c9", {}), "e");
  EXPECT_EQ(text::bert_clean("\u00c9", {.strip_accents = false, .lowercase = true}), "\u00e9");
  EXPECT_EQ(text::bert_clean("\u00c9", {.strip_accents = true, .lowercase = false}), "E");
  EXPECT_EQ(text::bert_clean("\u00c9", {.strip_accents = {}, .lowercase = false}), "\u00c9");
}

// Letters a and b are 0 and 1.
Json with(const char* key, const Json& part) {
  Json json = {{"model",
                {{"type", "BPE"},
                 {"vocab", {{"a", 0}, {"b", 1}, {"<unk>", 2}}},
                 {"merges", Json::array()},
                 {"unk_token", "<unk>"}}}};
  json[key] = part;
  return json;
}

std::vector<std::int32_t> encode(const Json& json, const std::string& text) {
  return Tokenizer::from_json(json.dump(), "t.json").encode(text);
}

Json times(int count, const char* type, const char* list, const Json& part) {
  return {{"type", type}, {list, Json(std::vector<Json>(static_cast<std::size_t>(count), part))}};
}

TEST(NormalizersTest, RefuseToGrowATextWithoutEnd) {
  const auto replace = [](const Json& pattern, const std::string& content) -> Json {
    return {{"type", "Replace"}, {"pattern", pattern}, {"content", content}};
  };
  const Json doubled = replace({{"String", "a"}}, "aa");
  EXPECT_EQ(encode(with("normalizer", times(10, "Sequence", "normalizers", doubled)), "a").size(),
            1024U);
  for (const Json& step : {doubled, replace({{"Regex", "a"}}, "aa"),
                           Json({{"type", "Sequence"}, {"normalizers", {doubled}}}),
                           Json({{"type", "Prepend"}, {"prepend", std::string(1 << 16, 'a')}})}) {
    SCOPED_TRACE(step.dump().substr(0, 100));
    expect_error(
        HN_INVALID_ARGUMENT, {"t.json: normalizer: normalizers", "bytes of this text"},
        [&] { encode(with("normalizer", times(100, "Sequence", "normalizers", step)), "a"); });
  }
  // One step with a long content.
  expect_error(HN_INVALID_ARGUMENT, {"t.json: normalizer", "expected at most 4258304 bytes"}, [&] {
    encode(with("normalizer", replace({{"String", "a"}}, std::string(1 << 20, 'b'))),
           std::string(1000, 'a'));
  });
  // Two bytes for each that is not ASCII, again and again.
  expect_error(HN_INVALID_ARGUMENT, {"normalizers", "ByteLevel"}, [&] {
    encode(with("normalizer", times(40, "Sequence", "normalizers", {{"type", "ByteLevel"}})), "é");
  });
  expect_error(HN_INVALID_ARGUMENT, {"pretokenizers", "ByteLevel", "bytes"}, [&] {
    encode(with("pre_tokenizer",
                times(40, "Sequence", "pretokenizers",
                      {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", false}})),
           "é");
  });
}

TEST(NormalizersTest, BoundAddedTokensAndStretchesTogether) {
  // 2^19 letters of each: below the limit of one text, above that of all.
  const Json grow = times(19, "Sequence", "normalizers",
                          {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  Json json = with("normalizer", grow);
  json["added_tokens"] = Json::array();
  for (int i = 0; i < 20; ++i)
    json["added_tokens"].push_back(
        {{"id", 10 + i}, {"content", "a" + std::to_string(i)}, {"normalized", true}});
  expect_error(HN_INVALID_ARGUMENT, {"t.json: added_tokens", "bytes"}, [&] { encode(json, "b"); });
  json["added_tokens"] = {{{"id", 10}, {"content", "#"}, {"special", true}}};
  std::string text;
  for (int i = 0; i < 20; ++i) text += "#a";
  expect_error(HN_INVALID_ARGUMENT, {"t.json", "ids of this text"}, [&] { encode(json, text); });
}

TEST(NormalizersTest, CountThePartsOfAFile) {
  for (const auto& [key, type, list, part] :
       {std::tuple<const char*, const char*, const char*, Json>{
            "normalizer", "Sequence", "normalizers", {{"type", "NFC"}}},
        {"pre_tokenizer", "Sequence", "pretokenizers", {{"type", "Whitespace"}}},
        {"post_processor",
         "Sequence",
         "processors",
         {{"type", "ByteLevel"}, {"trim_offsets", true}, {"add_prefix_space", true}}}}) {
    EXPECT_NO_THROW(encode(with(key, times(256, type, list, part)), "a"));
    expect_error(HN_UNSUPPORTED, {key, "at most 256"},
                 [&] { encode(with(key, times(257, type, list, part)), "a"); });
    const Json nested = times(1, type, list, times(257, type, list, part));
    expect_error(HN_UNSUPPORTED, {key, "at most 256"}, [&] { encode(with(key, nested), "a"); });
  }
}

TEST(NormalizersTest, RefuseToRepeatIdsWithoutEnd) {
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json twice = {{"type", "TemplateProcessing"},
                      {"single", {text, text}},
                      {"pair", Json::array()},
                      {"special_tokens", Json::object()}};
  EXPECT_EQ(encode(with("post_processor", twice), "ab").size(), 4U);
  expect_error(HN_INVALID_ARGUMENT, {"post_processor", "ids"}, [&] {
    encode(with("post_processor", times(40, "Sequence", "processors", twice)), "ab");
  });
}

TEST(NormalizersTest, APythonPatternIsCalledOne) {
  for (const char* pattern : {"(?P<word>\\w+)", "(?P=word)", "a(?P>w)", "(?L:a)"})
    expect_error(HN_UNSUPPORTED, {"t.json: normalizer: pattern", "Oniguruma", "Python", "(?"}, [&] {
      encode(with("normalizer",
                  {{"type", "Replace"}, {"pattern", {{"Regex", pattern}}}, {"content", ""}}),
             "a");
    });
  EXPECT_EQ(
      encode(with("normalizer",
                  {{"type", "Replace"}, {"pattern", {{"Regex", "\\(\\?P<"}}}, {"content", ""}}),
             "a(?P<"),
      std::vector<std::int32_t>{0});
}

// Each match is quick enough, all of them together are not.
TEST(NormalizersTest, AllMatchesOfATextShareOneLimit) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += std::string(24, 'a') + "c";
  expect_error(HN_INVALID_ARGUMENT, {"in time"}, [&] {
    encode(with("normalizer",
                {{"type", "Replace"}, {"pattern", {{"Regex", "(a|a|aa)*b"}}}, {"content", ""}}),
           text);
  });
}

}  // namespace
}  // namespace hn
