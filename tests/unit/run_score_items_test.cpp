#include "run/image_window.hpp"
#include "run/score_items.hpp"
#include "unit/common_test_files.hpp"

namespace hn::run {
namespace {

using hn::test::expect_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ScoreItems : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes = "x") const {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    return folder_.write(name, bytes).string();
  }
  std::vector<std::string> names(const ItemSource& source) const {
    std::vector<std::string> out;
    for (const ScoreItem& item : list_items(source)) out.push_back(item.image);
    return out;
  }
  std::vector<std::string> prompts(const ItemSource& source) const {
    std::vector<std::string> out;
    for (const ScoreItem& item : list_items(source)) out.push_back(item.prompt);
    return out;
  }
  hn::test::TestFolder folder_;
};

TEST_F(ScoreItems, AFolderWithAllBelowInOrder) {
  for (const char* name : {"set/b.PNG", "set/a.jpg", "set/sub/c.webp", "set/notes.md"}) write(name);
  const std::string set = (folder_.path() / "set").string();
  EXPECT_THAT(names({{set}, {}, ""}), ElementsAre("a.jpg", "b.PNG", "sub/c.webp"));
  EXPECT_THAT(prompts({{set}, {"one for all"}, ""}),
              ElementsAre("one for all", "one for all", "one for all"));
  EXPECT_THAT(prompts({{set}, {"1", "2", "3"}, ""}), ElementsAre("1", "2", "3"));
  expect_error(HN_INVALID_ARGUMENT, {"each of 3 pictures", "got 2"}, [&] {
    list_items({{set}, {"1", "2"}, ""});
  });
}

TEST_F(ScoreItems, ATextBesideAPictureIsItsPrompt) {
  write("set/a.png");
  write("set/a.txt", " a red cat\n");
  write("set/b.png");
  EXPECT_THAT(prompts({{(folder_.path() / "set").string()}, {}, ""}), ElementsAre("a red cat", ""));
}

TEST_F(ScoreItems, TablesBringPicturesAndPrompts) {
  write("set/a.png");
  const std::string csv = write("set/t.csv", "prompt,image\n\"a, b\",a.png\n,/far/b.png\n");
  const auto items = list_items({{csv}, {}, ""});
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].prompt, "a, b");
  EXPECT_EQ(items[0].file, folder_.path() / "set/a.png");
  EXPECT_EQ(items[1].file, "/far/b.png");
  const std::string jsonl =
      write("t.jsonl", "{\"file\": \"x.png\", \"caption\": \"c\"}\n\n{\"image\": \"y.png\"}\n");
  EXPECT_THAT(prompts({{jsonl}, {}, ""}), ElementsAre("c", ""));
}

TEST_F(ScoreItems, PromptsAreLookedUpByPathNameAndStem) {
  for (const char* name : {"set/x/a.png", "set/y/a.png", "set/b.png", "set/c.jpg"}) write(name);
  const std::string table = write(
      "p.tsv", "image\tprompt\nx/a.png\tfirst\ny/a.png\tsecond\nb.png\tthird\nc.png\tfourth\n");
  const std::string set = (folder_.path() / "set").string();
  EXPECT_THAT(prompts({{set}, {}, table}), ElementsAre("third", "fourth", "first", "second"));
  const std::string short_table = write("q.csv", "image,prompt\nb.png,third\n");
  expect_error(HN_NOT_FOUND, {"q.csv", "no row for c.jpg"}, [&] {
    list_items({{set}, {}, short_table});
  });
  expect_error(HN_INVALID_ARGUMENT, {"both"}, [&] { list_items({{set}, {"p"}, table}); });
}

TEST_F(ScoreItems, BadInputsAreNamed) {
  expect_error(HN_NOT_FOUND, {"/no/where"}, [] { list_items({{"/no/where"}, {}, ""}); });
  std::filesystem::create_directories(folder_.path() / "empty");
  expect_error(HN_INVALID_ARGUMENT, {"empty", "got none"}, [&] {
    list_items({{(folder_.path() / "empty").string()}, {}, ""});
  });
  const std::string no_column = write("n.csv", "picture,prompt\na,b\n");
  expect_error(HN_INVALID_ARGUMENT, {"n.csv", "a column image"}, [&] {
    list_items({{no_column}, {}, ""});
  });
  const std::string ragged = write("r.csv", "image,prompt\na.png\n");
  expect_error(HN_INVALID_ARGUMENT, {"r.csv", "line 2", "expected 2 columns, got 1"}, [&] {
    list_items({{ragged}, {}, ""});
  });
  const std::string broken = write("b.jsonl", "{\"image\": \"a.png\"}\n{\"image\": 3}\n");
  expect_error(HN_INVALID_ARGUMENT, {"b.jsonl", "line 2"}, [&] { list_items({{broken}, {}, ""}); });
  const std::string latin = write("l.csv", "image\n\xe9.png\n");
  expect_error(HN_DATA_LOSS, {"l.csv", "line 2", "UTF-8"}, [&] { list_items({{latin}, {}, ""}); });
}

TEST_F(ScoreItems, DecodesInOrderWhateverTheThreads) {
  std::vector<ScoreItem> items;
  for (int i = 0; i < 40; ++i) {
    if (i % 7 == 3) {
      items.push_back({"broken", write("broken.png", "no picture"), ""});
      continue;
    }
    Image image{i + 1, 2, std::vector<std::uint8_t>(static_cast<std::size_t>(6 * (i + 1)), 9)};
    items.push_back({"", write(std::to_string(i) + ".png", encode_png(image)), ""});
  }
  for (const int threads : {1, 3, 100}) {
    const auto decoded = decode_ahead(items, threads).get();
    ASSERT_EQ(decoded.size(), 40u);
    for (int i = 0; i < 40; ++i) {
      const Decoded& each = decoded[static_cast<std::size_t>(i)];
      if (i % 7 == 3) {
        EXPECT_THAT(each.error, HasSubstr("broken.png"));
      } else {
        EXPECT_EQ(each.image.width, i + 1);
        EXPECT_EQ(each.error, "");
      }
    }
  }
}

}  // namespace
}  // namespace hn::run
