// sdk/text: tokenizer.json, part by part, and what a broken one says. Ids against
// the references: the parity test.
#include <chrono>
#include <hn/text/tokenizer.hpp>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

// Letters a to z are 0 to 25, then the tokens that the tests need.
Json base() {
  Json vocab;
  for (int i = 0; i < 26; ++i) vocab[std::string(1, static_cast<char>('a' + i))] = i;
  vocab["ab"] = 26;
  vocab["abc"] = 27;
  vocab[" "] = 28;
  vocab["<unk>"] = 29;
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", {{"type", "Fuse"}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", "<unk>"},
            {"fuse_unk", false},
            {"vocab", vocab},
            {"merges", {"a b", "ab c"}}}}};
}

Tokenizer from(const Json& json) { return Tokenizer::from_json(json.dump(), "t.json"); }

Ids encode(const Json& json, const std::string& text) { return from(json).encode(text); }

TEST(TokenizerTest, MergesByRankAndLeavesTheRest) {
  EXPECT_EQ(encode(base(), ""), Ids{});
  EXPECT_EQ(encode(base(), "abcab"), (Ids{27, 26}));
  EXPECT_EQ(encode(base(), "bca"), (Ids{1, 2, 0}));
}

TEST(TokenizerTest, AcceptsMergesInBothSpellings) {
  Json json = base();
  json["model"]["merges"] = {"#version: 0.2", Json::array({"a", "b"}), "ab c"};
  EXPECT_EQ(encode(json, "abc"), Ids{27});
  json["model"].erase("type");
  EXPECT_EQ(encode(json, "abc"), Ids{27});
}

TEST(TokenizerTest, UnknownCharactersFuseOrNotOrVanish) {
  Json json = base();
  EXPECT_EQ(encode(json, "aÄÖb"), (Ids{0, 29, 29, 1}));
  json["model"]["fuse_unk"] = true;
  EXPECT_EQ(encode(json, "aÄÖb"), (Ids{0, 29, 1}));
  json["model"]["unk_token"] = nullptr;
  EXPECT_EQ(encode(json, "aÄÖb"), Ids{26});
}

TEST(TokenizerTest, BytesStandInForUnknownCharacters) {
  Json json = base();
  json["model"]["byte_fallback"] = true;
  json["model"]["vocab"]["<0xC3>"] = 30;
  json["model"]["vocab"]["<0x84>"] = 31;
  EXPECT_EQ(encode(json, "aÄ"), (Ids{0, 30, 31}));
  EXPECT_EQ(encode(json, "aÖ"), (Ids{0, 29}));  // its second byte has no token
}

TEST(TokenizerTest, IgnoreMergesTakesWholeWords) {
  Json json = base();
  json["model"]["vocab"]["xyz"] = 30;
  EXPECT_EQ(encode(json, "xyz"), (Ids{23, 24, 25}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(encode(json, "xyz"), Ids{30});
}

TEST(TokenizerTest, ReadsBytesThatAreNotUtf8AsReplacementCharacters) {
  Json json = base();
  json["model"]["vocab"]["\uFFFD"] = 30;
  EXPECT_EQ(encode(json,
                   "a\xff"
                   "b"),
            (Ids{0, 30, 1}));
  EXPECT_EQ(encode(json, "\xe2\x82"), Ids{30});                // one cut sequence, one replacement
  EXPECT_EQ(encode(json, "\xed\xa0\x80"), (Ids{30, 30, 30}));  // a surrogate is three errors
  EXPECT_EQ(encode(json, "\xf4\x90\x80\x80"), (Ids{30, 30, 30, 30}));
  EXPECT_EQ(encode(json, std::string("\xc0\x80", 2)), (Ids{30, 30}));
}

TEST(TokenizerTest, SplitsInEveryWay) {
  const auto split = [](const char* behavior, bool invert) {
    Json json = base();
    json["pre_tokenizer"] = {{"type", "Split"},
                             {"pattern", {{"String", "b"}}},
                             {"behavior", behavior},
                             {"invert", invert}};
    // The merges "ab" and "abc" happen only inside a piece.
    return encode(json, "abcabb");
  };
  EXPECT_EQ(split("Removed", false), (Ids{0, 2, 0}));
  EXPECT_EQ(split("Isolated", false), (Ids{0, 1, 2, 0, 1, 1}));
  EXPECT_EQ(split("MergedWithPrevious", false), (Ids{26, 2, 26, 1}));
  EXPECT_EQ(split("MergedWithNext", false), (Ids{0, 1, 2, 0, 1, 1}));
  EXPECT_EQ(split("Contiguous", false), (Ids{0, 1, 2, 0, 1, 1}));
  EXPECT_EQ(split("Removed", true), (Ids{1, 1, 1}));
}

TEST(TokenizerTest, AddedTokensFollowTheirFlags) {
  Json json = base();
  json["normalizer"] = {{"type", "Lowercase"}};
  const auto with = [&](Json token) {
    token["id"] = 40;
    token["special"] = false;
    json["added_tokens"] = Json::array({token});
    return json;
  };
  EXPECT_EQ(encode(with({{"content", "XY"}, {"normalized", false}}), "aXYb xy"),
            (Ids{0, 40, 1, 28, 23, 24}));
  EXPECT_EQ(encode(with({{"content", "XY"}, {"normalized", true}}), "aXYbxy"), (Ids{0, 40, 1, 40}));
  EXPECT_EQ(
      encode(with({{"content", "XY"}, {"normalized", false}, {"single_word", true}}), "aXY XY"),
      (Ids{0, 23, 24, 28, 40}));
  EXPECT_EQ(encode(with({{"content", "XY"}, {"normalized", false}, {"lstrip", true}}), "a  XY b"),
            (Ids{0, 40, 28, 1}));
  EXPECT_EQ(encode(with({{"content", "XY"}, {"normalized", false}, {"rstrip", true}}), "a XY  b"),
            (Ids{0, 28, 40, 1}));
  EXPECT_EQ(from(json).token_to_id("XY"), 40);
  EXPECT_EQ(from(json).token_to_id("abc"), 27);
  EXPECT_EQ(from(json).token_to_id("nothing"), std::nullopt);
  EXPECT_EQ(from(json).id_limit(), 41);
}

TEST(TokenizerTest, PostProcessorsAddTheirTokensOnlyWhenAsked) {
  Json json = base();
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<unk>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens",
       {{"<unk>", {{"id", "<unk>"}, {"ids", {29, 28}}, {"tokens", {"<unk>", " "}}}}}}};
  EXPECT_EQ(from(json).encode("ab"), (Ids{29, 28, 26}));
  EXPECT_EQ(from(json).encode("ab", false), (Ids{26}));
}

TEST(TokenizerTest, TakesAFolder) {
  const test::TestFolder folder;
  folder.write("tokenizer.json", base().dump());
  EXPECT_EQ(Tokenizer::from_file(folder.path()).encode("abc"), Ids{27});
  EXPECT_EQ(Tokenizer::from_file(folder.path() / "tokenizer.json").encode("abc"), Ids{27});
  expect_error(HN_NOT_FOUND, {"gone/tokenizer.json", "No such file"}, [&] {
    std::filesystem::create_directory(folder.path() / "gone");
    Tokenizer::from_file(folder.path() / "gone");
  });
}

TEST(TokenizerTest, ServesSeveralThreads) {
  const Tokenizer tokenizer = from(base());
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i)
        wrong[t] +=
            tokenizer.encode("abc" + std::string(static_cast<std::size_t>(i % 7), 'a')).front() !=
            27;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::vector<int>{0, 0, 0, 0}));
}

TEST(TokenizerTest, GivesUpOnAPatternThatNeverEnds) {
  Json json = base();
  json["pre_tokenizer"] = {{"type", "Split"},
                           {"pattern", {{"Regex", "(a|a|aa)*(a|aa)*(a|aa)*(a|aa)*b"}}},
                           {"behavior", "Isolated"}};
  expect_error(HN_INVALID_ARGUMENT, {"t.json: pre_tokenizer: pattern", "in time", "U_REGEX_"},
               [&] { encode(json, std::string(200, 'a')); });
}

struct BadJson {
  const char* name;
  std::function<void(Json&)> spoil;
  hn_status code;
  std::vector<std::string> parts;
};

std::vector<BadJson> bad_files() {
  const auto set = [](const char* pointer, const Json& value) {
    return [pointer, value](Json& json) { json[Json::json_pointer(pointer)] = value; };
  };
  const Json split = {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "Isolated"}};
  const auto split_with = [split](const char* key, Json value) {
    Json changed = split;
    changed[key] = std::move(value);
    return [changed](Json& json) { json["pre_tokenizer"] = changed; };
  };
  const auto token_with = [](const char* key, Json value) {
    Json token = {{"id", 40}, {"content", "X"}, {"special", true}};
    token[key] = std::move(value);
    return [token](Json& json) { json["added_tokens"] = Json::array({token}); };
  };
  return {
      {"no_model", [](Json& json) { json.erase("model"); }, HN_DATA_LOSS, {"t.json", "\"model\""}},
      {"unknown_top_key", set("/speed", 1), HN_DATA_LOSS, {"t.json", "\"speed\""}},
      {"word_level",
       set("/model/type", "WordLevel"),
       HN_UNSUPPORTED,
       {"model", "expected a type of BPE, Unigram, WordPiece, got \"WordLevel\""}},
      {"word_piece_without_unknown",
       set("/model", {{"type", "WordPiece"}, {"vocab", {{"a", 0}}}}),
       HN_DATA_LOSS,
       {"model", "[UNK]"}},
      {"word_piece_with_a_hole",
       set("/model", {{"type", "WordPiece"}, {"vocab", {{"a", 0}, {"[UNK]", 2}}}}),
       HN_DATA_LOSS,
       {"model: vocab", "0 to 1", "got 2"}},
      {"word_piece_of_long_words",
       set("/model", {{"type", "WordPiece"},
                      {"vocab", {{"[UNK]", 0}}},
                      {"max_input_chars_per_word", 100000}}),
       HN_DATA_LOSS,
       {"max_input_chars_per_word", "0 to 1000"}},
      {"unknown_model_key",
       set("/model/drop_out", 0.1),
       HN_DATA_LOSS,
       {"model", "\"drop_out\"; nearest: dropout"}},
      {"dropout", set("/model/dropout", 0.1), HN_UNSUPPORTED, {"dropout", "random", "0.1"}},
      {"vocab_array", set("/model/vocab", Json::array()), HN_DATA_LOSS, {"vocab", "an object"}},
      {"vocab_text",
       set("/model/vocab/a", "0"),
       HN_DATA_LOSS,
       {"vocab", "\"a\"", "an id from 0 on, got \"0\""}},
      {"vocab_negative", set("/model/vocab/a", -1), HN_DATA_LOSS, {"\"a\"", "got -1"}},
      {"vocab_huge", set("/model/vocab/a", 4294967296), HN_DATA_LOSS, {"\"a\"", "4294967296"}},
      {"merges_object", set("/model/merges", Json::object()), HN_DATA_LOSS, {"merges", "an array"}},
      {"merge_of_one",
       set("/model/merges/0", "ab"),
       HN_DATA_LOSS,
       {"merges: number 0", "\"a b\"", "got \"ab\""}},
      {"merge_of_three", set("/model/merges/1", "a b c"), HN_DATA_LOSS, {"merges: number 1"}},
      {"merge_pair_of_three",
       set("/model/merges/1", {"a", "b", "c"}),
       HN_DATA_LOSS,
       {"merges: number 1"}},
      {"merge_number", set("/model/merges/0", 5), HN_DATA_LOSS, {"merges: number 0", "got 5"}},
      {"merge_unknown_part",
       set("/model/merges/0", "a Q"),
       HN_DATA_LOSS,
       {"number 0 (\"a\", \"Q\")", "no \"Q\""}},
      {"merge_unknown_result", set("/model/merges/0", "c d"), HN_DATA_LOSS, {"no \"cd\""}},
      {"unk_unknown", set("/model/unk_token", "<u>"), HN_DATA_LOSS, {"unk_token", "\"<u>\""}},
      {"unk_number",
       set("/model/unk_token", 3),
       HN_DATA_LOSS,
       {"unk_token: expected a text, got 3"}},
      {"normalizer_unknown",
       set("/normalizer", {{"type", "SiglipNormalizer"}}),
       HN_UNSUPPORTED,
       {"normalizer", "Sequence, Replace, NFC", "\"SiglipNormalizer\""}},
      {"normalizer_nested",
       set("/normalizer",
           {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "Nmu"}}}}}),
       HN_UNSUPPORTED,
       {"normalizers 1", "Nmu"}},
      {"normalizer_no_list",
       set("/normalizer", {{"type", "Sequence"}, {"normalizers", 1}}),
       HN_DATA_LOSS,
       {"normalizers: expected an array"}},
      {"normalizer_text",
       set("/normalizer", "NFC"),
       HN_DATA_LOSS,
       {"normalizer: expected an object"}},
      {"normalizer_option",
       set("/normalizer", {{"type", "NFC"}, {"strict", true}}),
       HN_DATA_LOSS,
       {"\"strict\""}},
      {"replace_no_content",
       set("/normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}}),
       HN_DATA_LOSS,
       {"\"content\""}},
      {"regex_broken",
       set("/normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", "[a"}}}, {"content", ""}}),
       HN_UNSUPPORTED,
       {"normalizer: pattern", "\"[a\"", "U_REGEX_"}},
      {"regex_ambiguous",
       split_with("pattern", {{"Regex", "\\h+"}}),
       HN_UNSUPPORTED,
       {"without \\h"}},
      {"regex_empty", split_with("pattern", {{"Regex", ""}}), HN_UNSUPPORTED, {"a pattern of 1"}},
      {"pattern_unknown",
       split_with("pattern", {{"Glob", "*"}}),
       HN_DATA_LOSS,
       {"pattern", "\"Regex\""}},
      {"split_behavior",
       split_with("behavior", "Sideways"),
       HN_DATA_LOSS,
       {"behavior: expected Removed", "\"Sideways\""}},
      {"split_option", split_with("keep", true), HN_DATA_LOSS, {"\"keep\""}},
      {"pre_tokenizer_unknown",
       set("/pre_tokenizer", {{"type", "UnicodeScripts"}}),
       HN_UNSUPPORTED,
       {"pre_tokenizer", "UnicodeScripts"}},
      {"metaspace_two",
       set("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "__"}}),
       HN_DATA_LOSS,
       {"replacement: expected one character"}},
      {"metaspace_scheme",
       set("/pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "last"}}),
       HN_DATA_LOSS,
       {"prepend_scheme"}},
      {"metaspace_conflict",
       set("/pre_tokenizer",
           {{"type", "Metaspace"}, {"prepend_scheme", "always"}, {"add_prefix_space", false}}),
       HN_DATA_LOSS,
       {"prepend_scheme: expected never"}},
      {"post_processor_unknown",
       set("/post_processor", {{"type", "Magic"}}),
       HN_UNSUPPORTED,
       {"post_processor", "Magic"}},
      {"roberta_no_pair",
       set("/post_processor",
           {{"type", "RobertaProcessing"}, {"sep", "</s>"}, {"cls", {"<s>", 0}}}),
       HN_DATA_LOSS,
       {"sep: expected [token, id]"}},
      {"template_unknown_token",
       set("/post_processor", {{"type", "TemplateProcessing"},
                               {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}}},
                               {"special_tokens", Json::object()}}),
       HN_DATA_LOSS,
       {"single 0", "\"<s>\""}},
      {"template_second_text",
       set("/post_processor", {{"type", "TemplateProcessing"},
                               {"single", {{{"Sequence", {{"id", "B"}, {"type_id", 0}}}}}},
                               {"special_tokens", Json::object()}}),
       HN_DATA_LOSS,
       {"id: expected A"}},
      {"template_negative",
       set("/post_processor", {{"type", "TemplateProcessing"},
                               {"single", Json::array()},
                               {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {-4}}}}}}}),
       HN_DATA_LOSS,
       {"special_tokens: <s>", "ids"}},
      {"added_not_array",
       set("/added_tokens", Json::object()),
       HN_DATA_LOSS,
       {"added_tokens: expected an array"}},
      {"added_no_id",
       [](Json& json) {
         json["added_tokens"] = {{{"content", "X"}}};
       },
       HN_DATA_LOSS,
       {"added_tokens 0", "\"id\""}},
      {"added_negative", token_with("id", -1), HN_DATA_LOSS, {"added_tokens 0: id", "from 0 on"}},
      {"added_id_lies",
       token_with("content", "abc"),
       HN_DATA_LOSS,
       {"added_tokens 0: id: expected 27", "\"abc\"", "got 40"}},
      {"added_option", token_with("bold", true), HN_DATA_LOSS, {"added_tokens 0", "\"bold\""}},
      {"added_flag", token_with("lstrip", "yes"), HN_DATA_LOSS, {"lstrip: expected true or false"}},
  };
}

TEST(TokenizerTest, RefusesWhatItDoesNotKnowByName) {
  EXPECT_NO_THROW(from(base()));
  for (const BadJson& bad : bad_files()) {
    SCOPED_TRACE(bad.name);
    Json json = base();
    bad.spoil(json);
    std::vector<std::string> parts = bad.parts;
    parts.push_back("[tokenizer] t.json");
    expect_error(bad.code, parts, [&] { from(json); });
  }
  for (const char* text :
       {"", "[]", "3", "{", "{\"model\":{\"merges\":[],\"vocab\":{\"a\":0,\"a\":1}}}", "\xff"}) {
    expect_error(HN_DATA_LOSS, {"[tokenizer] t.json"},
                 [&] { Tokenizer::from_json(text, "t.json"); });
  }
  expect_error(HN_UNSUPPORTED, {"[tokenizer] t.json: model"},
               [&] { Tokenizer::from_json("{\"model\":{}}", "t.json"); });
}

// Random damage to a real file: every one is read, and then encodes, or is refused with an
// hn::Error.
TEST(TokenizerTest, SurvivesRandomDamage) {
  const std::string folder = std::string(HN_SOURCE_DIR) + "/tests/golden/tokenizers/";
  std::vector<std::string> files;
  for (const char* name : {"random_bytes", "random_gpt", "random_words", "random_prefix"}) {
    // Without most of the vocabulary, so that damage hits the structure often and a round is short.
    Json json = Json::parse(test::read_bytes(folder + name + ".tokenizer.json"));
    Json vocab;
    for (const auto& [token, id] : json["model"]["vocab"].items()) {
      if (id < 40) vocab[token] = id;
    }
    json["model"]["vocab"] = vocab;
    json["model"]["merges"] = Json::array();
    files.push_back(json.dump());
  }
  const std::string alphabet = "{}[]\":,0123456789-e.\\u \x00\xffnulltrue";
  std::mt19937 random(2);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::size_t read = 0;
  std::size_t refused = 0;
  while (std::chrono::steady_clock::now() < deadline) {
    std::string bytes = files[random() % files.size()];
    for (unsigned change = 0; change < 1 + random() % 3; ++change) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0: bytes[at] = alphabet[random() % alphabet.size()]; break;
        case 1: bytes.erase(at, 1 + random() % 8); break;
        case 2: bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40)); break;
        default: bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
      }
      if (bytes.empty()) bytes = "{";
    }
    try {
      const Tokenizer tokenizer = Tokenizer::from_json(bytes, "damaged");
      ++read;
      EXPECT_GE(tokenizer.encode("Two words [X] é 漢 \xff 12  star").size(), 0U);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(read, 10U);
  EXPECT_GT(refused, 100U);
}

TEST(PadRight, PadsAndCuts) {
  const Ids ids = {5, 6, 7};
  PaddedIds padded = pad_right(ids, 5, 9);
  EXPECT_EQ(padded.ids, (Ids{5, 6, 7, 9, 9}));
  EXPECT_EQ(padded.mask, (Ids{1, 1, 1, 0, 0}));
  padded = pad_right(ids, 2, 9);
  EXPECT_EQ(padded.ids, (Ids{5, 6}));
  EXPECT_EQ(padded.mask, (Ids{1, 1}));
}

}  // namespace
}  // namespace hn
