// sdk/text: CLIP's files, padding and cutting, the text cleaning. Ids against the
// references: the parity test.
#include <sys/stat.h>
#include <zlib.h>

#include <hn/text/clip_tokenizer.hpp>
#include <hn/text/open_clip_text.hpp>

#include "text/html_entities.hpp"
#include "text/text_file.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;
using Ids = std::vector<std::int32_t>;

constexpr const char* kVocab =
    R"({"a": 0, "a</w>": 1, "b": 2, "b</w>": 3, "ab</w>": 4, "<|startoftext|>": 5, "<|endoftext|>": 6})";
constexpr const char* kMerges = "#version: 0.2\na b</w>\n";
const std::string kOpenClipMerges =
    std::string(HN_SOURCE_DIR) + "/sdk/text/data/bpe_simple_vocab_16e6.txt.gz";

void write_clip(const TestFolder& folder, const std::string& vocab = kVocab,
                const std::string& merges = kMerges) {
  folder.write("vocab.json", vocab);
  folder.write("merges.txt", merges);
}

TEST(ClipTokenizerTest, PadsWithTheEndTokenInHuggingFacesWay) {
  const TestFolder folder;
  write_clip(folder);
  const ClipTokenizer tokenizer = ClipTokenizer::from_hugging_face(folder.path());
  EXPECT_EQ(tokenizer.convention(), ClipConvention::kHuggingFace);
  const ClipTokens tokens = tokenizer.encode("AB a", 6);
  EXPECT_EQ(tokens.ids, (Ids{5, 4, 1, 6, 6, 6}));
  EXPECT_EQ(tokens.mask, (Ids{1, 1, 1, 1, 0, 0}));
  EXPECT_EQ(tokens.end_position, 3);
  EXPECT_EQ(tokenizer.encode_text("AB a"), (Ids{4, 1}));
}

TEST(ClipTokenizerTest, CutsSoThatTheEndTokenIsLast) {
  const TestFolder folder;
  write_clip(folder);
  const ClipTokenizer tokenizer = ClipTokenizer::from_hugging_face(folder.path());
  const ClipTokens tokens = tokenizer.encode("a b a b a b", 4);
  EXPECT_EQ(tokens.ids, (Ids{5, 1, 3, 6}));
  EXPECT_EQ(tokens.mask, (Ids{1, 1, 1, 1}));
  EXPECT_EQ(tokens.end_position, 3);
  EXPECT_EQ(tokenizer.encode("a b", 2).ids, (Ids{5, 6}));
  EXPECT_EQ(tokenizer.encode("", 3).ids, (Ids{5, 6, 6}));
  for (const std::int32_t length : {1, 0, -5}) {
    expect_error(HN_INVALID_ARGUMENT, {"at least 2", std::to_string(length)},
                 [&] { tokenizer.encode("a", length); });
  }
}

TEST(ClipTokenizerTest, PoolsAtAnEndTokenThatTheTextSpells) {
  const TestFolder folder;
  write_clip(folder);
  const ClipTokens tokens =
      ClipTokenizer::from_hugging_face(folder.path()).encode("a <|endoftext|> b", 6);
  EXPECT_EQ(tokens.ids, (Ids{5, 1, 6, 3, 6, 6}));
  EXPECT_EQ(tokens.mask, (Ids{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(tokens.end_position, 2);
}

TEST(ClipTokenizerTest, PadsWithZeroInOpenClipsWay) {
  const ClipTokenizer tokenizer = ClipTokenizer::from_open_clip(kOpenClipMerges);
  const ClipTokens tokens = tokenizer.encode("a cat", 6);
  EXPECT_EQ(tokens.ids, (Ids{49406, 320, 2368, 49407, 0, 0}));
  EXPECT_EQ(tokens.mask, (Ids{1, 1, 1, 1, 0, 0}));
  EXPECT_EQ(tokens.end_position, 3);
}

TEST(ClipTokenizerTest, ReadsOpenClipsFileUncompressedToo) {
  const TestFolder folder;
  gzFile file = gzopen(kOpenClipMerges.c_str(), "rb");
  std::string text(8 << 20, '\0');
  text.resize(
      static_cast<std::size_t>(gzread(file, text.data(), static_cast<unsigned>(text.size()))));
  gzclose(file);
  EXPECT_EQ(ClipTokenizer::from_open_clip(folder.write("merges.txt", text)).encode_text("a cat"),
            (Ids{320, 2368}));
}

TEST(ClipTokenizerTest, NamesWhatIsMissing) {
  const TestFolder folder;
  const auto open = [&] { ClipTokenizer::from_hugging_face(folder.path()); };
  expect_error(HN_NOT_FOUND, {folder.path().string(), "vocab.json and merges.txt", "none of them"},
               open);
  folder.write("vocab.json", kVocab);
  expect_error(HN_NOT_FOUND, {"got no merges.txt"}, open);
  std::filesystem::remove(folder.path() / "vocab.json");
  folder.write("merges.txt", kMerges);
  expect_error(HN_NOT_FOUND, {"got no vocab.json"}, open);
  expect_error(HN_NOT_FOUND, {"gone.gz", "No such file"},
               [&] { ClipTokenizer::from_open_clip(folder.path() / "gone.gz"); });
}

TEST(ClipTokenizerTest, RefusesBrokenFilesByName) {
  const TestFolder folder;
  const auto refuse = [&](const std::string& vocab, const std::string& merges,
                          const std::vector<std::string>& parts) {
    write_clip(folder, vocab, merges);
    expect_error(HN_DATA_LOSS, parts, [&] { ClipTokenizer::from_hugging_face(folder.path()); });
  };
  refuse("{", kMerges, {"vocab.json", "expected JSON"});
  refuse("[]", kMerges, {"vocab.json", "an object"});
  refuse(R"({"a": -1})", kMerges, {"vocab.json", "\"a\"", "got -1"});
  refuse(R"({"a": "x"})", kMerges, {"vocab.json", "\"a\""});
  refuse(R"({"a": 0})", "", {"vocab.json", "<|startoftext|>"});
  refuse(R"({"<|startoftext|>": 0})", "", {"vocab.json", "<|endoftext|>"});
  refuse(kVocab, "a b</w>\nab\n", {"merges.txt", "line 2", "\"ab\""});
  refuse(kVocab, "a b c\n", {"merges.txt", "line 1"});
  refuse(kVocab, "a c\n", {"number 0", "no \"c\""});
  refuse(kVocab, "\xff\n", {"line 1"});
}

TEST(ClipTokenizerTest, RefusesABrokenMergesFile) {
  const TestFolder folder;
  const std::string whole = test::read_bytes(kOpenClipMerges);
  expect_error(HN_DATA_LOSS, {"cut.gz"}, [&] {
    ClipTokenizer::from_open_clip(folder.write("cut.gz", whole.substr(0, whole.size() / 2)));
  });
  std::string flipped = whole;
  for (std::size_t i = whole.size() / 2; i < whole.size() / 2 + 100; ++i)
    flipped[i] = static_cast<char>(~flipped[i]);
  expect_error(HN_DATA_LOSS, {"flipped.gz"},
               [&] { ClipTokenizer::from_open_clip(folder.write("flipped.gz", flipped)); });
  expect_error(HN_DATA_LOSS, {"short.txt", "48894 merges", "got 2 lines"},
               [&] { ClipTokenizer::from_open_clip(folder.write("short.txt", "x\na b\n")); });
  expect_error(HN_DATA_LOSS, {"empty.gz", "got 0 lines"},
               [&] { ClipTokenizer::from_open_clip(folder.write("empty.gz", "")); });
}

TEST(CleanForOpenClip, RepairsWhatFtfyRepairs) {
  const auto clean = [](const char* text) { return text::clean_for_open_clip(text); };
  EXPECT_EQ(clean("  A\t\tRed \n CAT  "), "a red cat");
  EXPECT_EQ(clean("\u201cquotes\u201d \u2018n\u2019 \ufb01sh"), "\"quotes\" 'n' fish");
  EXPECT_EQ(clean("\uff2c\uff2f\uff35\uff24\u3000\uff4e\uff4f\uff49\uff53\uff45"), "loud noise");
  EXPECT_EQ(clean("\x1b[31mred\x1b[0m \xef\xbb\xbf"
                  "bom\x07"),
            "red bom");
  EXPECT_EQ(clean("&amp;amp;lt; &EACUTE; &notit;"), "< é ¬it;");
  EXPECT_EQ(clean("<b>&amp;amp;amp;</b>"), "<b>&amp;</b>");
  EXPECT_EQ(clean("\u039f\u0394\u039f\u03a3 \u03a3"), "\u03bf\u03b4\u03bf\u03c2 \u03c3");
  EXPECT_EQ(clean("e\u0301"), "\u00e9");
}

TEST(UnescapeHtml, FollowsTheStandardsOddCorners) {
  EXPECT_EQ(text::unescape_html("&lt&gt;&amp&#65;&#x42&#X43;"), "<>&ABC");
  EXPECT_EQ(text::unescape_html("&notin; &notit; &unknown; & &; &#; &#x;"),
            "\u2209 \u00acit; &unknown; & &; &#; &#x;");
  EXPECT_EQ(text::unescape_html("&#0;&#xD800;&#x110000;&#99999999999999999999;"),
            "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(text::unescape_html("&#128;&#1;&#xFFFF;&#13;"), "\u20ac\r");
  EXPECT_EQ(text::unescape_html_cautiously("&lt &lt; &EACUTE; &nTILDE; &SZLIG;"),
            "&lt < \u00c9 &nTILDE; SS");
}

TEST(VocabularyFile, PlainGzipOrNamed) {
  const test::TestFolder folder;
  const auto zipped = folder.path() / "v.gz";
  const gzFile file = gzopen(zipped.c_str(), "wb");
  gzputs(file, "one\ntwo\n");
  gzclose(file);
  EXPECT_EQ(read_text_file(zipped, "v"), "one\ntwo\n");
  EXPECT_EQ(read_text_file(folder.write("v.txt", "three"), "v"), "three");
  const auto fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  test::expect_error(HN_NOT_FOUND, {"vocabulary", "a FIFO"},
                     [&] { read_text_file(fifo, "vocabulary"); });
}

}  // namespace
}  // namespace hn
