// SentencePiece's unigram models: spiece.model and tokenizer.json against sentencepiece and
// transformers, and what a damaged file says. Goldens: tests/golden/tokenizers/make_t5.py.
#include <gtest/gtest.h>

#include <array>
#include <hn/text/tokenizer.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "support/gzip.hpp"
#include "text/charsmap.hpp"
#include "text/sentencepiece.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::unzip;
using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

const std::string kGolden = std::string(HN_SOURCE_DIR) + "/tests/golden/tokenizers/";

const std::vector<std::string>& corpus() {
  static const auto texts =
      Json::parse(unzip(kGolden + "corpus.json.gz")).get<std::vector<std::string>>();
  return texts;
}

std::vector<Ids> golden_ids(const std::string& name) {
  return Json::parse(unzip(kGolden + "t5/" + name + ".ids.json.gz")).get<std::vector<Ids>>();
}

// Spelled-out special tokens are found as such here, as transformers does; sentencepiece knows
// nothing of them.
bool has_special_token(const std::string& text) {
  for (const char* token : {"</s>", "<pad>", "<unk>", "<extra_id_"})
    if (text.find(token) != std::string::npos) return true;
  return false;
}

void expect_same_ids(const Tokenizer& tokenizer, const std::vector<Ids>& expected,
                     std::size_t stride, bool without_special) {
  std::size_t compared = 0, different = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string& text = corpus().at(i * stride);
    if (without_special && has_special_token(text)) continue;
    ++compared;
    const Ids ids = tokenizer.encode(text);
    if (ids == expected[i] || ++different > 8) continue;
    ADD_FAILURE() << "string " << i * stride << " " << Json(text).dump(-1, ' ', true)
                  << "\n  expected " << ::testing::PrintToString(expected[i]) << "\n  got      "
                  << ::testing::PrintToString(ids);
  }
  EXPECT_EQ(different, 0U) << "of " << compared;
  EXPECT_GE(compared, corpus().size() / stride - 10);
}

class T5TokenizerTest : public ::testing::Test {
 protected:
  Tokenizer open_model(const std::string& name) {
    folder_.write("spiece.model", unzip(kGolden + "t5/" + name + ".model.gz"));
    return Tokenizer::from_file(folder_.path());
  }
  test::TestFolder folder_;
};

TEST_F(T5TokenizerTest, SentencePieceFileAgreesWithSentencePiece) {
  expect_same_ids(open_model("t5"), golden_ids("t5"), 1, true);
}

TEST_F(T5TokenizerTest, ASmallModelWithoutATable) {
  expect_same_ids(open_model("tiny"), golden_ids("tiny"), 8, true);
}

TEST_F(T5TokenizerTest, BytesUserDefinedPiecesAndUntouchedSpaces) {
  expect_same_ids(open_model("bytes"), golden_ids("bytes"), 8, true);
}

TEST_F(T5TokenizerTest, SpacesAtTheEndsOfWords) {
  expect_same_ids(open_model("suffix"), golden_ids("suffix"), 8, true);
}

TEST_F(T5TokenizerTest, TokenizerJsonAgreesWithTransformers) {
  auto expected = golden_ids("t5");
  const Json different = Json::parse(unzip(kGolden + "t5/t5.json_ids.json.gz"));
  for (const auto& [index, ids] : different.items())
    expected.at(std::stoul(index)) = ids.get<Ids>();
  folder_.write("tokenizer.json", unzip(kGolden + "t5/t5.tokenizer.json.gz"));
  expect_same_ids(Tokenizer::from_file(folder_.path()), expected, 1, false);
}

TEST_F(T5TokenizerTest, TokenizerJsonIsReadBeforeTheModelFile) {
  folder_.write("tokenizer.json", unzip(kGolden + "t5/t5.tokenizer.json.gz"));
  folder_.write("spiece.model", "damaged");
  EXPECT_EQ(Tokenizer::from_file(folder_.path()).token_to_id("</s>"), 1);
}

TEST_F(T5TokenizerTest, SpecialTokensAndExtraIds) {
  const Tokenizer tokenizer = open_model("t5");
  const std::int32_t pieces = tokenizer.id_limit() - 100;
  EXPECT_EQ(tokenizer.token_to_id("<extra_id_0>"), pieces + 99);
  EXPECT_EQ(tokenizer.token_to_id("<extra_id_99>"), pieces);
  EXPECT_EQ(tokenizer.encode("<pad></s><unk><extra_id_99>"), (Ids{0, 1, 2, pieces, 1}));
  EXPECT_EQ(tokenizer.encode("<pad>", false), Ids{0});
  EXPECT_EQ(tokenizer.encode(""), Ids{1});

  folder_.write("tokenizer_config.json", R"({"extra_ids": 3, "model_max_length": 512})");
  EXPECT_EQ(Tokenizer::from_file(folder_.path()).id_limit(), pieces + 3);
  folder_.write("tokenizer_config.json", R"({"extra_ids": -1})");
  expect_error(HN_DATA_LOSS, {"tokenizer_config.json", "extra_ids", "-1"},
               [&] { Tokenizer::from_file(folder_.path()); });
}

// Bytes of a protocol buffer, by hand.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string piece(const std::string& text, int type) {
  return field(1, field(1, text) + std::string{0x18, static_cast<char>(type)});
}

TEST(SentencePieceFile, SaysWhatIsWrong) {
  const auto read = [](const std::string& bytes) { t5_sentencepiece_parts(bytes, 0, "m"); };
  expect_error(HN_DATA_LOSS, {"m", "pieces", "none"}, [&] { read(""); });
  expect_error(HN_DATA_LOSS, {"m", "wire type"}, [&] { read("\x0b"); });
  expect_error(HN_DATA_LOSS, {"m", "127 bytes", "1"}, [&] { read("\x0a\x7fx"); });
  expect_error(HN_DATA_LOSS, {"m", "end of the message"}, [&] { read("\x0a\xff"); });
  expect_error(HN_DATA_LOSS, {"piece 0", "type", "9"}, [&] { read(piece("a", 9)); });
  expect_error(HN_DATA_LOSS, {"</s>"}, [&] { read(piece("a", 1)); });
  // trainer_spec.model_type 2 is BPE.
  expect_error(HN_UNSUPPORTED, {"trainer_spec", "model_type", "2"}, [&] {
    read(piece("</s>", 3) + field(2, std::string{0x18, 2}));
  });
  expect_error(HN_DATA_LOSS, {"precompiled_charsmap", "trie"},
               [&] { read(piece("</s>", 3) + field(3, field(2, "abcdefgh"))); });
}

TEST(SentencePieceFile, DamagedFilesAreReadOrRefused) {
  const std::string whole = unzip(kGolden + "t5/t5.model.gz");
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 8; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (round % 3 == 0) bytes.resize(random() % bytes.size());
    try {
      const Tokenizer tokenizer(t5_sentencepiece_parts(bytes, 2, "m"));
      tokenizer.encode("a red cat \uff35\u0301 and more");
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("m"), std::string::npos);
    }
  }
}

Json unigram() {
  return {{"added_tokens", Json::array()},
          {"model",
           {{"type", "Unigram"},
            {"unk_id", 0},
            {"vocab", Json::array({Json::array({"<unk>", 0.0}), Json::array({"a", -1.0}),
                                   Json::array({"b", -1.0}), Json::array({"ab", -1.5})})}}}};
}
Tokenizer from(const Json& json) { return Tokenizer::from_json(json.dump(), "t.json"); }

TEST(UnigramJson, CutsByScoreAndJoinsUnknowns) {
  EXPECT_EQ(from(unigram()).encode("abba"), (Ids{3, 2, 1}));
  EXPECT_EQ(from(unigram()).encode("axyb"), (Ids{1, 0, 2}));
  EXPECT_EQ(from(unigram()).id_limit(), 4);
  Json bytes = unigram();
  bytes["model"]["byte_fallback"] = true;
  EXPECT_EQ(from(bytes).encode("ax"), (Ids{1, 0})) << "no byte pieces in the vocabulary";
  bytes["model"]["vocab"].push_back(Json::array({"<0x78>", -5.0}));
  EXPECT_EQ(from(bytes).encode("axx"), (Ids{1, 4, 4}));
}

TEST(UnigramJson, SaysWhatIsWrong) {
  Json json = unigram();
  json["model"]["vocab"][1] = "a";
  expect_error(HN_DATA_LOSS, {"t.json", "vocab", "number 1", "[token, score]"},
               [&] { from(json); });
  json = unigram();
  json["model"]["vocab"] = Json::object();
  expect_error(HN_DATA_LOSS, {"vocab", "array"}, [&] { from(json); });
  json = unigram();
  json["model"]["unk_id"] = 4;
  expect_error(HN_DATA_LOSS, {"unk_id", "below 4", "4"}, [&] { from(json); });
  json = unigram();
  json["model"].erase("unk_id");
  expect_error(HN_INVALID_ARGUMENT, {"t.json", "no piece", "no unknown piece"},
               [&] { from(json).encode("x"); });
  json = unigram();
  json["model"]["vocab"] = Json::array();
  expect_error(HN_DATA_LOSS, {"at least one piece"}, [&] { from(json); });
  json = unigram();
  json["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "a*=="}};
  expect_error(HN_DATA_LOSS, {"precompiled_charsmap", "base64"}, [&] { from(json); });
  json["normalizer"]["precompiled_charsmap"] = "AAAAAA==";
  expect_error(HN_DATA_LOSS, {"precompiled_charsmap", "trie"}, [&] { from(json); });
}

}  // namespace
}  // namespace hn
