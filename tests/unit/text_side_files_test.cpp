// sdk/text: added_tokens.json, special_tokens_map.json and tokenizer_config.json
// beside every kind of vocabulary. Goldens: tests/golden/tokenizers/make_side_files.py; ids are
// compared without tolerance.
#include <zlib.h>

#include <array>
#include <functional>
#include <hn/text/bert_tokenizer.hpp>
#include <hn/text/clip_tokenizer.hpp>
#include <hn/text/tokenizer.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "support/gzip.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;
using test::unzip;
using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

const std::string kSource = HN_SOURCE_DIR;
const std::string kGolden = kSource + "/tests/golden/tokenizers/";
const std::string kClip = kSource + "/plugins/rewards/clip/weights/tiny-clip/";
const std::string kSprint =
    kSource + "/plugins/generators/sana_sprint/weights/emoji-sprint/tokenizer/tokenizer.json";

// What a folder of that name in the golden begins with.
void fill(const TestFolder& folder, const std::string& base) {
  const auto copy = [&](const std::string& from, const std::string& name) {
    folder.write(name, unzip(from));
  };
  if (base == "clip") {
    copy(kClip + "vocab.json", "vocab.json");
    copy(kClip + "merges.txt", "merges.txt");
  } else if (base == "clip_json") {
    copy(kClip + "tokenizer.json", "tokenizer.json");
  } else if (base == "gemma") {
    copy(kSprint, "tokenizer.json");
  } else if (base == "words") {
    copy(kGolden + "random_words.tokenizer.json", "tokenizer.json");
  } else if (base == "pieces") {
    copy(kGolden + "random_pieces.tokenizer.json", "tokenizer.json");
  } else if (base == "t5") {
    copy(kGolden + "t5/t5.model.gz", "spiece.model");
  } else if (base == "t5_json") {
    copy(kGolden + "t5/t5.tokenizer.json.gz", "tokenizer.json");
  } else {
    copy(kSource + "/plugins/rewards/image_reward/vocabulary/bert_base_uncased.txt.gz",
         "vocab.txt");
  }
}

std::function<Ids(const std::string&)> open(const std::filesystem::path& folder,
                                            const std::string& base, std::int32_t length) {
  if (base.starts_with("clip")) {
    const auto t = std::make_shared<ClipTokenizer>(ClipTokenizer::from_hugging_face(folder));
    return [t, length](const std::string& text) { return t->encode(text, length).ids; };
  }
  if (base == "bert") {
    const auto t =
        std::make_shared<BertTokenizer>(folder / "vocab.txt", std::vector<std::string>());
    return [t](const std::string& text) { return t->encode(text, 100000).ids; };
  }
  const auto t = std::make_shared<Tokenizer>(Tokenizer::from_file(folder));
  return [t](const std::string& text) { return t->encode(text); };
}

std::uint32_t crc_of(const Ids& ids) {
  std::string bytes;
  for (const std::int32_t id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      bytes += static_cast<char>((static_cast<std::uint32_t>(id) >> shift) & 0xFF);
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// How many texts may differ: sentencepiece and transformers' conversion of its file read combining
// marks and U+0085 differently (README.md).
std::size_t may_differ(const std::string& base) { return base == "t5" ? 8 : 0; }

void expect_golden(const std::string& name) {
  const Json golden = Json::parse(unzip(kGolden + name));
  const auto texts = golden.at("texts").get<std::vector<std::string>>();
  ASSERT_GE(texts.size(), 500U);
  for (const Json& each : golden.at("cases")) {
    const auto base = each.at("base").get<std::string>();
    SCOPED_TRACE(base + " " + each.at("name").get<std::string>());
    const TestFolder folder;
    fill(folder, base);
    for (const auto& [file, text] : each.at("files").items())
      folder.write(file, text.get<std::string>());
    const auto crc = each.at("crc").get<std::vector<std::uint32_t>>();
    ASSERT_EQ(crc.size(), texts.size());
    const auto encode = open(folder.path(), base, each.value("length", 0));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Ids ids = encode(texts[i]);
      if (crc_of(ids) == crc[i]) continue;
      if (++wrong > may_differ(base) && wrong <= may_differ(base) + 3)
        ADD_FAILURE() << Json(texts[i]).dump(-1, ' ', true) << " gave "
                      << ::testing::PrintToString(ids);
    }
    EXPECT_LE(wrong, may_differ(base));
  }
}

TEST(SideFilesTest, GiveTransformersIds) { expect_golden("side_files.json.gz"); }
TEST(SideFilesTest, GiveTransformersIdsForBert) { expect_golden("side_files_bert.json.gz"); }

struct Bad {
  const char* file;
  Json value;
  hn_status code;
  std::vector<std::string> says;
};

void expect_refused(const std::string& base, const std::vector<Bad>& bad) {
  for (const Bad& each : bad) {
    SCOPED_TRACE(base + " " + each.value.dump());
    const TestFolder folder;
    fill(folder, base);
    folder.write(each.file, each.value.dump());
    auto says = each.says;
    says.emplace_back(each.file);
    expect_error(each.code, says, [&] { open(folder.path(), base, 32)("a cat"); });
  }
}

Json token(const std::string& content) { return {{"content", content}}; }

TEST(SideFilesTest, AreRefusedByFileAndKey) {
  const char* config = "tokenizer_config.json";
  const char* map = "special_tokens_map.json";
  const char* added = "added_tokens.json";
  const std::vector<Bad> for_all = {
      {config,
       {{"clean_up_spaces", true}},
       HN_DATA_LOSS,
       {"\"clean_up_spaces\"; nearest: clean_up"}},
      {config, {{"truncation_side", "left"}}, HN_UNSUPPORTED, {"truncation_side: expected right"}},
      {config, {{"truncation_side", "middle"}}, HN_DATA_LOSS, {"truncation_side", "middle"}},
      {config, {{"model_max_length", 0}}, HN_DATA_LOSS, {"model_max_length", "from 1 on"}},
      {config, {{"model_max_length", 7.5}}, HN_DATA_LOSS, {"model_max_length", "whole"}},
      {config, {{"pad_token", 3}}, HN_DATA_LOSS, {"pad_token: expected an object, got 3"}},
      {config, {{"pad_token", ""}}, HN_DATA_LOSS, {"pad_token", "an empty text"}},
      {config,
       {{"sp_model_kwargs", {{"alpha", 0.1}}}},
       HN_UNSUPPORTED,
       {"sp_model_kwargs", "random"}},
      {config, {{"never_split", {"a"}}}, HN_UNSUPPORTED, {"never_split"}},
      {config, {{"fast_tokenizer_files", {"tokenizer.4.json"}}}, HN_UNSUPPORTED, {"tokenizer.4"}},
      {config, {{"added_tokens_decoder", {{"x", token("<s>")}}}}, HN_DATA_LOSS, {"ids from 0 on"}},
      {config,
       {{"added_tokens_decoder", {{"70000", token("<sks>")}}}},
       HN_DATA_LOSS,
       {"\"<sks>\": expected the id", "behind the vocabulary", "got 70000"}},
      {config, {{"additional_special_tokens", "[X]"}}, HN_DATA_LOSS, {"an array of tokens"}},
      {map, {{"pad", "x"}}, HN_DATA_LOSS, {"\"pad\""}},
      {map, {{"pad_token", {{"text", "x"}}}}, HN_DATA_LOSS, {"pad_token", "\"content\""}},
      {added, {{"<sks>", "1"}}, HN_DATA_LOSS, {"<sks>", "an id from 0 on"}},
      {added, {{"<sks>", 3}}, HN_DATA_LOSS, {"<sks>", "expected the id", "got 3"}},
      {added, Json::array(), HN_DATA_LOSS, {"an object from tokens to ids"}},
      {config, {{"tokenizer_class", "SiglipTokenizer"}}, HN_UNSUPPORTED, {"SiglipTokenizer"}},
  };
  for (const char* base : {"clip", "clip_json", "t5", "bert"}) expect_refused(base, for_all);
  expect_refused("clip", {{config, {{"padding_side", "left"}}, HN_UNSUPPORTED, {"padding_side"}},
                          {config, {{"pad_token", nullptr}}, HN_UNSUPPORTED, {"pad_token", "null"}},
                          {config,
                           {{"added_tokens_decoder", {{"5", token("<|endoftext|>")}}}},
                           HN_DATA_LOSS,
                           {"<|endoftext|>", "803 that the vocabulary gives it", "got 5"}},
                          {added, {{"<sks>", 805}}, HN_DATA_LOSS, {"id 804", "got 805"}}});
  expect_refused("gemma", {{config, {{"add_bos_token", false}}, HN_UNSUPPORTED, {"add_bos_token"}},
                           {config, {{"add_eos_token", true}}, HN_UNSUPPORTED, {"add_eos_token"}}});
  expect_refused("bert", {{config, {{"padding_side", "left"}}, HN_UNSUPPORTED, {"padding_side"}}});
  expect_refused("t5", {{config, {{"extra_ids", -1}}, HN_DATA_LOSS, {"extra_ids"}}});
}

TEST(SideFilesTest, ATokenizerJsonsOwnPaddingCounts) {
  const TestFolder folder;
  Json json = Json::parse(unzip(kClip + "tokenizer.json"));
  json["padding"] = {{"direction", "Right"}, {"pad_token", "!"}, {"pad_id", 0}};
  folder.write("tokenizer.json", json.dump());
  EXPECT_EQ(ClipTokenizer::from_hugging_face(folder.path()).pad_id(),
            ClipTokenizer::from_hugging_face(folder.path()).encode_text("<|endoftext|>!")[1]);
  json["padding"]["direction"] = "Left";
  folder.write("tokenizer.json", json.dump());
  expect_error(HN_UNSUPPORTED, {"padding_side: expected right"},
               [&] { ClipTokenizer::from_hugging_face(folder.path()); });
  json["padding"] = nullptr;
  json["truncation"] = {{"direction", "Left"}};
  folder.write("tokenizer.json", json.dump());
  expect_error(HN_UNSUPPORTED, {"tokenizer.json: truncation: direction"},
               [&] { ClipTokenizer::from_hugging_face(folder.path()); });
}

TEST(SideFilesTest, AVocabularyWithAHoleTakesNoNewTokens) {
  const TestFolder folder;
  Json json = Json::parse(unzip(kSprint));
  json["model"]["vocab"]["far"] = 1025;
  folder.write("tokenizer.json", json.dump());
  folder.write("added_tokens.json", R"({"<sks>": 1025})");
  expect_error(HN_DATA_LOSS, {"added_tokens.json", "<sks>", "leave none out", "\"far\""},
               [&] { Tokenizer::from_file(folder.path()); });
}

TEST(SideFilesTest, TellWhatPads) {
  const TestFolder folder;
  fill(folder, "t5");
  EXPECT_EQ(Tokenizer::from_file(folder.path()).pad_id(), 0);
  EXPECT_FALSE(Tokenizer::from_file(folder.path()).pads_left());
  folder.write("tokenizer_config.json",
               R"({"pad_token": "<extra_id_0>", "padding_side": "left", "eos_token": "</s>"})");
  const Tokenizer tokenizer = Tokenizer::from_file(folder.path());
  EXPECT_EQ(tokenizer.pad_id(), tokenizer.token_to_id("<extra_id_0>"));
  EXPECT_TRUE(tokenizer.pads_left());
  EXPECT_EQ(tokenizer.eos_token(), "</s>");
}

}  // namespace
}  // namespace hn
