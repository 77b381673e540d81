// Where a prompt that is too long is cut, and what the warning says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <hn/text/clip_tokenizer.hpp>
#include <hn/text/cut_position.hpp>

namespace hn::test {
namespace {

// One token a letter that is no space.
std::size_t letters(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += c != ' ' && c != '\n' ? 1 : 0;
  return n;
}

TEST(CutPosition, IsTheFirstWordThatDoesNotFit) {
  const std::string text = "ab cd  ef\ngh";
  EXPECT_EQ(cut_position(text, 8, letters), text.size());
  EXPECT_EQ(cut_position(text, 7, letters), 10u);  // "gh"
  EXPECT_EQ(cut_position(text, 6, letters), 10u);
  EXPECT_EQ(cut_position(text, 5, letters), 7u);  // "ef", half of which would fit
  EXPECT_EQ(cut_position(text, 2, letters), 3u);
  EXPECT_EQ(cut_position(text, 1, letters), 0u);
  EXPECT_EQ(cut_position("", 0, letters), 0u);
  EXPECT_EQ(cut_position("  ab", 1, letters), 2u);
}

TEST(CutPosition, OfAClipPrompt) {
  const auto tokenizer = ClipTokenizer::from_open_clip(
      std::filesystem::path(HN_SOURCE_DIR) / "sdk/text/data/bpe_simple_vocab_16e6.txt.gz");
  std::string text;
  for (int i = 0; i < 40; ++i) text += "cat dog ";
  const auto count = [&](std::string_view t) { return tokenizer.encode_text(t).size(); };
  EXPECT_EQ(count(text), 80u);
  EXPECT_EQ(cut_position(text, 75, count), 75u * 4);
}

TEST(CutWarning, ShowsTheRestOnOneLine) {
  const std::string text = "a cat " + std::string(300, 'x');
  const std::string warning = cut_warning("hps", text, 90, 75, 6);
  EXPECT_THAT(warning, testing::StartsWith("[hps] a prompt of 90 tokens is cut to 75: \"xxx"));
  EXPECT_THAT(warning, testing::HasSubstr("x...\" is not read"));
  EXPECT_LT(warning.size(), 220u);
  EXPECT_THAT(cut_warning("hps", "a cat", 9, 5, 2), testing::HasSubstr("\"cat\" is not read"));
  // 99 bytes, then a letter of two: it is shown whole or not at all.
  const std::string accent = std::string(99, 'x') + "\xC3\xA9" + std::string(20, 'y');
  EXPECT_THAT(cut_warning("hps", accent, 9, 5, 0),
              testing::HasSubstr("\"" + std::string(99, 'x') + "...\""));
}

}  // namespace
}  // namespace hn::test
