// sdk/text: BERT's WordPiece. Goldens: tests/golden/tokenizers/make_bert.py; ids
// are compared without tolerance.
#include <zlib.h>

#include <array>
#include <hn/text/bert_tokenizer.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "support/gzip.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;
using Ids = std::vector<std::int32_t>;

const std::string kGolden = std::string(HN_SOURCE_DIR) + "/tests/golden/tokenizers/";
const std::string kPublished = std::string(HN_SOURCE_DIR) +
                               "/plugins/rewards/image_reward/vocabulary/bert_base_uncased.txt.gz";
const std::string kSmall = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##b\nab\n,\n";

nlohmann::json read_golden(const std::string& name) {
  return nlohmann::json::parse(test::unzip(kGolden + name));
}

std::uint32_t crc_of(const Ids& ids) {
  std::string bytes;
  for (const std::int32_t id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      bytes += static_cast<char>((static_cast<std::uint32_t>(id) >> shift) & 0xFF);
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string shown(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', true); }

const BertTokenizer& published() {
  static const BertTokenizer tokenizer(kPublished, {"[DEC]", "[ENC]"});
  return tokenizer;
}

TEST(BertTokenizerTest, GivesTheReferencesIdsOnEveryString) {
  const auto texts = read_golden("corpus.json.gz").get<std::vector<std::string>>();
  const nlohmann::json golden = read_golden("bert.json.gz");
  const auto rows = golden.at("ids").get<std::vector<Ids>>();
  const auto crcs = golden.at("crc").get<std::vector<std::uint32_t>>();
  ASSERT_GE(texts.size(), 3500U);
  ASSERT_EQ(crcs.size(), texts.size());
  ASSERT_GE(rows.size(), 500U);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Ids ids = published().encode_text(texts[i]);
    if (crc_of(ids) == crcs[i] && (i >= rows.size() || ids == rows[i])) continue;
    if (++wrong <= 8)
      ADD_FAILURE() << "string " << i << " " << shown(texts[i]) << "\n  got "
                    << ::testing::PrintToString(ids)
                    << (i < rows.size() ? "\n  expected " + ::testing::PrintToString(rows[i]) : "");
  }
  EXPECT_EQ(wrong, 0U) << "of " << texts.size();
}

TEST(BertTokenizerTest, GivesTheReferencesIdsAroundSpecialTokens) {
  for (const auto& row : read_golden("bert.json.gz").at("extra"))
    EXPECT_EQ(published().encode_text(row.at(0).get<std::string>()), row.at(1).get<Ids>())
        << shown(row.at(0).get<std::string>());
}

TEST(BertTokenizerTest, CutsAsTheReferenceAtThirtyFive) {
  const nlohmann::json golden = read_golden("bert.json.gz").at("cut");
  ASSERT_GE(golden.size(), 10U);
  for (const auto& row : golden) {
    const BertTokens tokens = published().encode(row.at(0).get<std::string>(), 35);
    EXPECT_EQ(tokens.ids, row.at(1).get<Ids>());
    EXPECT_GT(tokens.full_length, 35U);
  }
}

TEST(BertTokenizerTest, AddedTokensFollowTheVocabulary) {
  EXPECT_EQ(published().id_limit(), 30524);
  EXPECT_EQ(published().pad_id(), 0);
  EXPECT_EQ(published().encode_text("[DEC][ENC]"), (Ids{30522, 30523}));
  const TestFolder folder;
  const BertTokenizer has_it(folder.write("vocab.txt", kSmall + "[ENC]\n"), {"[DEC]", "[ENC]"});
  EXPECT_EQ(has_it.encode_text("[DEC][ENC]"), (Ids{10, 9}));
  EXPECT_EQ(has_it.id_limit(), 11);
}

TEST(BertTokenizerTest, ReadsAPlainVocabulary) {
  const TestFolder folder;
  const BertTokenizer tokenizer(folder.write("vocab.txt", kSmall), {});
  EXPECT_EQ(tokenizer.encode_text("AB abb, c"), (Ids{7, 7, 6, 8, 1}));
  const BertTokens whole = tokenizer.encode("a b", 10);
  EXPECT_EQ(whole.ids, (Ids{2, 4, 5, 3}));
  EXPECT_EQ(whole.full_length, 4U);
  const BertTokens cut = tokenizer.encode("a b a b", 4);
  EXPECT_EQ(cut.ids, (Ids{2, 4, 5, 3}));
  EXPECT_EQ(cut.full_length, 6U);
  EXPECT_EQ(tokenizer.encode("", 2).ids, (Ids{2, 3}));
}

TEST(BertTokenizerTest, RefusesWhatItCannotRead) {
  const TestFolder folder;
  expect_error(HN_NOT_FOUND, {"none.txt", "cannot be read"},
               [&] { BertTokenizer(folder.path() / "none.txt", {}); });
  for (const std::string token : {"[UNK]", "[CLS]", "[SEP]", "[PAD]"}) {
    std::string text = kSmall;
    text.replace(text.find(token), token.size(), "x" + token);
    const auto path = folder.write("vocab.txt", text);
    expect_error(HN_DATA_LOSS, {"vocab.txt", token, "without it"},
                 [&] { BertTokenizer(path, {}); });
  }
  const auto twice = folder.write("twice.txt", kSmall + "a\n");
  expect_error(HN_DATA_LOSS, {"twice.txt", "\"a\"", "5", "10"}, [&] { BertTokenizer(twice, {}); });
  const auto empty = folder.write("empty.txt", "");
  expect_error(HN_DATA_LOSS, {"empty.txt", "one token a line"}, [&] { BertTokenizer(empty, {}); });
  const std::string zipped = test::read_bytes(kPublished);
  const auto damaged = folder.write("damaged.gz", zipped.substr(0, zipped.size() / 2));
  expect_error(HN_DATA_LOSS, {"damaged.gz"}, [&] { BertTokenizer(damaged, {}); });
  expect_error(HN_INVALID_ARGUMENT, {"at least 2", "1"}, [&] { published().encode("a", 1); });
}

TEST(WordPieceTest, NamesTheTokenOfAnId) {
  const WordPieceModel model({"[UNK]", "##a"}, "[UNK]", "[test]");
  EXPECT_EQ(model.token(1), "##a");
  expect_error(HN_INVALID_ARGUMENT, {"from 0 to 1", "2"}, [&] { (void)model.token(2); });
  expect_error(HN_INVALID_ARGUMENT, {"from 0 to 1", "-1"}, [&] { (void)model.token(-1); });
}

}  // namespace
}  // namespace hn
