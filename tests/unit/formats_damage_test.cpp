// Vocabularies cut short and with flipped bits, 50 places each: they are refused with the file's
// name, or read as what they then say. Whole commands are tried by tests/faults/readers.py; files
// that no embedded model has are read here.

#include <array>
#include <functional>
#include <hn/text/bert_tokenizer.hpp>
#include <hn/text/clip_tokenizer.hpp>
#include <hn/text/tokenizer.hpp>
#include <memory>
#include <random>

#include "support/gzip.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(HN_SOURCE_DIR) / "tests/golden";
constexpr int kPlaces = 50;
constexpr const char* kText = "A photo of 3 red cats, naïve 写真 </s> 🎈";

// `use` reads the folder's file `name` and what lies beside it.
void expect_told(const test::TestFolder& folder, const std::string& name, const std::string& whole,
                 const std::function<void()>& use) {
  folder.write(name, whole);
  ASSERT_NO_THROW(use()) << name;
  std::mt19937 dice(7);
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(dice);
  };
  int refused = 0;
  const auto try_damaged = [&](const std::string& damaged, const std::string& what) {
    folder.write(name, damaged);
    try {
      use();
    } catch (const Error& error) {
      ++refused;
      EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr(name)) << what;
    }
  };
  for (int i = 0; i < kPlaces; ++i) {
    const std::size_t cut = below(whole.size());
    try_damaged(whole.substr(0, cut), "cut to " + std::to_string(cut));
    std::string flipped = whole;
    const std::size_t at = below(whole.size());
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << below(8)));
    try_damaged(flipped, "flipped at " + std::to_string(at));
  }
  EXPECT_GT(refused, 0) << name << ": no damage was told at all";
  folder.write(name, whole);
}

TEST(Damage, SentencePieceModels) {
  for (const char* model : {"tiny", "bytes"}) {
    const test::TestFolder folder;
    expect_told(folder, "spiece.model",
                test::unzip(kGolden / "tokenizers/t5" / (std::string(model) + ".model.gz")),
                [&] { Tokenizer::from_file(folder.path()).encode(kText); });
  }
}

TEST(Damage, TokenizerJson) {
  for (const char* file : {"random_words", "random_bytes", "random_gpt", "random_prefix"}) {
    const test::TestFolder folder;
    expect_told(folder, "tokenizer.json",
                test::read_bytes(kGolden / "tokenizers" / (std::string(file) + ".tokenizer.json")),
                [&] { Tokenizer::from_file(folder.path()).encode(kText); });
  }
}

TEST(Damage, ClipVocabularies) {
  const fs::path source = kGolden / "flux_schnell/plain/tokenizer";
  const test::TestFolder folder;
  for (const auto& entry : fs::directory_iterator(source))
    fs::copy_file(entry.path(), folder.path() / entry.path().filename());
  for (const char* file : {"vocab.json", "merges.txt"})
    expect_told(folder, file, test::read_bytes(source / file),
                [&] { ClipTokenizer::from_hugging_face(folder.path()).encode(kText, 77); });
}

TEST(Damage, BertVocabularies) {
  const test::TestFolder folder;
  expect_told(folder, "vocab.txt", test::read_bytes(kGolden / "image_reward/plain/vocab.txt"),
              [&] { BertTokenizer(folder.path() / "vocab.txt", {}).encode(kText, 35); });
}

}  // namespace
}  // namespace hn
