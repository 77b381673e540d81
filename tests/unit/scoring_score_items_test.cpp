#include <sys/stat.h>

#include <algorithm>

#include "files/image.hpp"
#include "scoring/image_window.hpp"
#include "scoring/score_items.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
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
  static std::vector<ScoreItem> items(const ItemSource& source) {
    std::vector<std::string> notes;
    return list_items(source, notes);
  }
  static std::vector<std::string> notes(const ItemSource& source) {
    std::vector<std::string> notes;
    list_items(source, notes);
    return notes;
  }
  std::string set() const { return (folder_.path() / "set").string(); }
  std::vector<std::string> names(const ItemSource& source) const {
    std::vector<std::string> out;
    for (const ScoreItem& item : items(source)) out.push_back(item.image);
    return out;
  }
  std::vector<std::string> prompts(const ItemSource& source) const {
    std::vector<std::string> out;
    for (const ScoreItem& item : items(source)) out.push_back(item.prompt.text);
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
    items({{set}, {"1", "2"}, ""});
  });
}

// What a table says of a prompt beside its text, by the reader of training and sampling.
TEST_F(ScoreItems, ATableGivesWholePrompts) {
  write_png(folder_.path() / "m.png", Image{1, 1, {0, 255, 0}});
  const std::string jsonl =
      write("t.jsonl",
            "{\"image\": \"a.png\", \"prompt\": \"a cat\", \"negative\": \"a dog\", \"metadata\": "
            "{\"tag\": "
            "\"colors\"}, \"mask\": \"m.png\", \"prompt_image\": \"m.png\"}\n{\"image\": "
            "\"b.png\", \"prompt\": \"\"}\n");
  const std::string csv = write("t.csv",
                                "image,prompt,metadata,negative,mask,prompt_image\n"
                                "a.png,a cat,\"{\"\"tag\"\":\"\"colors\"\"}\",a dog,m.png,m.png\n"
                                "b.png,,,,,\n");
  for (const std::string& table : {jsonl, csv}) {
    const auto found = items({{table}, {}, ""});
    ASSERT_EQ(found.size(), 2u) << table;
    const core::Prompt& prompt = found[0].prompt;
    EXPECT_EQ(prompt.text, "a cat");
    EXPECT_EQ(prompt.negative, "a dog");
    EXPECT_EQ(prompt.json, R"({"tag":"colors"})");
    ASSERT_TRUE(prompt.has_tensors());
    EXPECT_EQ(prompt.tensors->at(0).name, "image");
    EXPECT_THAT(prompt.tensors->at(0).tensor.data, ElementsAre(0, 1, 0));
    EXPECT_EQ(prompt.tensors->at(1).name, "mask");
    EXPECT_EQ(found[0].prompt_pictures.size(), 2u);
    EXPECT_EQ(found[1].prompt, core::Prompt());
    EXPECT_NE(identity(found[0]), identity(found[1]));
  }
  // The same table as a list of prompts by name.
  write("set/a.png");
  const auto by_name = items({{set()}, {}, jsonl});
  EXPECT_EQ(by_name.at(0).prompt.json, R"({"tag":"colors"})");
  expect_error(HN_INVALID_ARGUMENT, {"u.csv] line 2", "expected a prompt"}, [&] {
    items({{write("u.csv", "image,negative\na.png,a dog\n")}, {}, ""});
  });
  expect_error(HN_INVALID_ARGUMENT, {"v.csv] line 2", "metadata"}, [&] {
    items({{write("v.csv", "image,prompt,metadata\na.png,x,{\n")}, {}, ""});
  });
  expect_error(HN_NOT_FOUND, {"w.csv] line 2", "no.png"}, [&] {
    items({{write("w.csv", "image,prompt,mask\na.png,x,no.png\n")}, {}, ""});
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
  const auto found = items({{csv}, {}, ""});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].prompt, "a, b");
  EXPECT_EQ(found[0].file, folder_.path() / "set/a.png");
  EXPECT_EQ(found[1].file, "/far/b.png");
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
    items({{set}, {}, short_table});
  });
  expect_error(HN_INVALID_ARGUMENT, {"both"}, [&] { items({{set}, {"p"}, table}); });
}

TEST_F(ScoreItems, BadInputsAreNamed) {
  expect_error(HN_NOT_FOUND, {"/no/where"}, [&] { items({{"/no/where"}, {}, ""}); });
  std::filesystem::create_directories(folder_.path() / "empty");
  expect_error(HN_INVALID_ARGUMENT, {"empty", "got none"}, [&] {
    items({{(folder_.path() / "empty").string()}, {}, ""});
  });
  const std::string no_column = write("n.csv", "picture,prompt\na,b\n");
  expect_error(HN_INVALID_ARGUMENT, {"n.csv", "a column image"}, [&] {
    items({{no_column}, {}, ""});
  });
  const std::string ragged = write("r.csv", "image,prompt\na.png\n");
  expect_error(HN_INVALID_ARGUMENT, {"r.csv", "line 2", "expected 2 columns, got 1"}, [&] {
    items({{ragged}, {}, ""});
  });
  const std::string broken = write("b.jsonl", "{\"image\": \"a.png\"}\n{\"image\": 3}\n");
  expect_error(HN_INVALID_ARGUMENT, {"b.jsonl", "line 2"}, [&] { items({{broken}, {}, ""}); });
  const std::string latin = write("l.csv", "image\n\xe9.png\n");
  expect_error(HN_DATA_LOSS, {"l.csv", "line 2", "UTF-8"}, [&] { items({{latin}, {}, ""}); });
}

TEST_F(ScoreItems, AFolderIsInNaturalOrder) {
  for (const char* name : {"set/10.png", "set/2.png", "set/s10/1.png", "set/s9/1.png", "set/.x.png",
                           "set/.hidden/a.png"})
    write(name);
  EXPECT_THAT(names({{set()}, {}, ""}), ElementsAre("2.png", "10.png", "s9/1.png", "s10/1.png"));
}

TEST_F(ScoreItems, FilesInAShellsOrderTakeNoPromptsInOrder) {
  std::vector<std::string> files;
  for (const char* name : {"0.png", "1.png", "10.png", "2.png"}) files.push_back(write(name));
  expect_error(HN_INVALID_ARGUMENT, {"10.png before", "2.png", "shell"}, [&] {
    items({files, {"a", "b", "c", "d"}, ""});
  });
  EXPECT_THAT(prompts({files, {"a", "a", "a", "a"}, ""}), ElementsAre("a", "a", "a", "a"));
  EXPECT_THAT(prompts({files, {"one"}, ""}), ElementsAre("one", "one", "one", "one"));
  std::reverse(files.begin(), files.end());
  EXPECT_THAT(prompts({files, {"a", "b", "c", "d"}, ""}), ElementsAre("a", "b", "c", "d"));
}

TEST_F(ScoreItems, PicturesOfOneNameKeepTheirFolders) {
  for (const char* name : {"set/x/a.png", "set/y/a.png", "set/y/b.png"}) write(name);
  const std::string x = set() + "/x", y = set() + "/y";
  EXPECT_THAT(names({{x, y}, {}, ""}), ElementsAre(x + "/a.png", y + "/a.png", "b.png"));
  EXPECT_THAT(names({{x, x}, {}, ""}), ElementsAre("a.png", "a.png")) << "one file";
}

TEST_F(ScoreItems, CaptionsAreTextOrAnError) {
  write("set/a.png");
  write("set/a.txt", "\xef\xbb\xbf \xc3\xa9t\xc3\xa9\r\n second line\r\n");
  EXPECT_THAT(prompts({{set()}, {}, ""}), ElementsAre("\xc3\xa9t\xc3\xa9\n second line"));
  write("set/a.txt", "first\ncaf\xe9");
  expect_error(HN_DATA_LOSS, {"a.txt] line 2", "0xe9"}, [&] { items({{set()}, {}, ""}); });
  write("set/a.txt", std::string("\xff\xfe"
                                 "a\0",
                                 4));
  expect_error(HN_DATA_LOSS, {"a.txt] line 1", "UTF-16"}, [&] { items({{set()}, {}, ""}); });
  std::filesystem::remove(set() + "/a.txt");
  ASSERT_EQ(::mkfifo((set() + "/a.txt").c_str(), 0600), 0);
  expect_error(HN_NOT_FOUND, {"a.txt", "a FIFO"}, [&] { items({{set()}, {}, ""}); });
  write("set/b.png");
  EXPECT_THAT(prompts({{set()}, {"given"}, ""}), ElementsAre("given", "given")) << "not looked at";
}

TEST_F(ScoreItems, OneCaptionServesTwoPicturesOfOneStem) {
  write("set/a.png");
  write("set/a.jpg");
  write("set/a.txt", "both");
  EXPECT_THAT(prompts({{set()}, {}, ""}), ElementsAre("both", "both"));
}

TEST_F(ScoreItems, ATableInTheFolderGivesItsPrompts) {
  for (const char* name : {"set/0.png", "set/1.png", "set/sub/0.png", "set/sub/1.png"}) write(name);
  write("set/prompts.jsonl",
        "{\"image\": \"0.png\", \"prompt\": \"zero\"}\n{\"image\": \"sub/1.png\", \"prompt\": "
        "\"one below\"}\n");
  write("set/sub/prompts.csv", "image,prompt\n0,zero below\n7.png,gone\n");
  EXPECT_THAT(prompts({{set()}, {}, ""}), ElementsAre("zero", "", "zero below", "one below"));
  EXPECT_THAT(notes({{set()}, {}, ""}), ElementsAre(HasSubstr("line 3: 7.png")));
  EXPECT_THAT(prompts({{set() + "/0.png"}, {}, ""}), ElementsAre("zero")) << "by its file too";
  EXPECT_THAT(prompts({{set()}, {"mine"}, ""}), ElementsAre("mine", "mine", "mine", "mine"));
  write("set/0.txt", "another");
  expect_error(HN_INVALID_ARGUMENT, {"0.png", "'zero'", "'another'"}, [&] {
    items({{set()}, {}, ""});
  });
  write("set/0.txt", "zero\n");
  EXPECT_THAT(prompts({{set() + "/0.png"}, {}, ""}), ElementsAre("zero"));
  write("set/prompts.tsv", "image\tprompt\n");
  expect_error(HN_INVALID_ARGUMENT, {"one table of prompts", "prompts.tsv"}, [&] {
    items({{set()}, {}, ""});
  });
}

TEST_F(ScoreItems, AnotherPromptsCsvInTheFolderIsLeftOutWithANote) {
  write("set/a.png");
  write("set/prompts.csv", "prompt\nx\n");
  EXPECT_THAT(prompts({{set()}, {}, ""}), ElementsAre(""));
  EXPECT_THAT(notes({{set()}, {}, ""}), ElementsAre(HasSubstr("left out")));
}

TEST_F(ScoreItems, ATableWithoutPicturesIsAListInOrder) {
  for (const char* name : {"set/2.png", "set/10.png"}) write(name);
  EXPECT_THAT(prompts({{set()}, {}, write("p.csv", "n,prompt\n1,two\n2,ten\n")}),
              ElementsAre("two", "ten"));
  EXPECT_THAT(
      prompts({{set()}, {}, write("p.jsonl", "{\"prompt\": \"two\"}\n{\"prompt\": \"ten\"}")}),
      ElementsAre("two", "ten"));
}

TEST_F(ScoreItems, TablesAreStrict) {
  const auto fails = [&](const char* name, const std::string& text, hn_status code,
                         const std::vector<std::string>& parts) {
    const std::string file = write(name, text);
    expect_error(code, parts, [&] { items({{file}, {}, ""}); });
  };
  fails("a.csv", "image,prompt,prompt\n", HN_INVALID_ARGUMENT,
        {"a.csv] line 1", "prompt, got two"});
  fails("a.csv", "image\n\"\"\n,\n", HN_INVALID_ARGUMENT, {"line 3", "columns"});
  fails("a.csv", "image,prompt\n,x\n", HN_INVALID_ARGUMENT, {"line 2", "a picture's path"});
  fails("a.jsonl", "{\"image\": \"a.png\\u0000zz\"}\n", HN_INVALID_ARGUMENT,
        {"line 1", "zero byte"});
  fails("a.jsonl", "{\"image\": \"a.png\", \"prompt\": 3}\n", HN_INVALID_ARGUMENT,
        {"line 1", "a text under prompt"});
  fails("a.jsonl", "\n{\"image\": \"a\", \"image\": \"b\"}\n", HN_DATA_LOSS, {"line 2", "twice"});
  fails("a.jsonl", std::string(60000, '['), HN_DATA_LOSS, {"line 1", "64 nested"});
  EXPECT_THAT(names({{write("b.csv",
                            "\xef\xbb\xbf"
                            "image,prompt\r\n/a.png,x\r\n")},
                     {},
                     ""}),
              ElementsAre("/a.png"));
}

TEST_F(ScoreItems, TablesThatScoreWroteReadAsTheyWereMeant) {
  EXPECT_THAT(prompts({{write("s.csv", "image,prompt,clip,error\na.png,'=1+1,-0.5,\n")}, {}, ""}),
              ElementsAre("=1+1"));
  EXPECT_THAT(prompts({{write("t.csv", "image,prompt\na.png,'=1+1\n")}, {}, ""}),
              ElementsAre("'=1+1"))
      << "a table of someone else's";
}

TEST_F(ScoreItems, NamesThatAreNoUtf8) {
  write("set/caf\xe9.png");
  const auto found = items({{set()}, {}, ""});
  EXPECT_EQ(found[0].image, "caf\\xe9.png");
  EXPECT_EQ(found[0].file, std::filesystem::path(set()) / "caf\xe9.png");
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
    const auto decoded = decode_ahead(items, threads, {}, /*ahead=*/threads != 3).get();
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

TEST_F(ScoreItems, AWindowIsBoundedByPicturesAndBytes) {
  std::vector<ScoreItem> items;
  const Image image{20, 10, std::vector<std::uint8_t>(600, 9)};
  for (int i = 0; i < 20; ++i)
    items.push_back({"", write(std::to_string(i) + ".png", encode_png(image)), ""});
  const auto window = [&](std::size_t count, std::uint64_t bytes, std::size_t batch) {
    const Window w = next_window(items, count, bytes, batch, 3);
    return std::pair<std::size_t, std::uint64_t>(w.count, w.bytes);
  };
  using Pair = std::pair<std::size_t, std::uint64_t>;
  EXPECT_EQ(window(12, 1 << 20, 4), Pair(12, 7200));
  EXPECT_EQ(window(100, 1 << 20, 4), Pair(20, 12000));
  EXPECT_EQ(window(100, 6000, 4), Pair(8, 4800));  // 10 fit: two whole batches
  EXPECT_EQ(window(100, 6000, 16), Pair(10, 6000));
  EXPECT_EQ(window(100, 5, 4), Pair(1, 600));  // always one
  items[0].file = write("broken.png", "no picture");
  items[1].file = folder_.path() / "absent.png";
  EXPECT_EQ(window(100, 5, 1), Pair(2, 0));
  EXPECT_EQ(next_window({}, 4, 4, 4, 1).count, 0u);
}

TEST_F(ScoreItems, AHeaderBehindMuchMetadataIsFound) {
  std::string jpeg = hn::test::read_bytes(HN_SOURCE_DIR "/tests/golden/images/photo.jpg");
  const std::string segment =
      std::string("\xff\xe2\xff\xff", 4) + std::string(65533, 'x');  // APP2, its length with it
  for (int i = 0; i < 3; ++i) jpeg.insert(2, segment);
  const std::vector<ScoreItem> items = {{"", write("a.jpg", jpeg), ""}};
  EXPECT_EQ(next_window(items, 1, 1, 1, 1).bytes, 45u);
}

TEST_F(ScoreItems, PicturesHaveManyEndings) {
  for (const char* name : {"a.jfif", "b.JPE", "c.Jpeg", "d.WEBP", "e.png", "f.jpg", "g.gif", "h"})
    write(std::string("ends/") + name);
  EXPECT_THAT(names({{(folder_.path() / "ends").string()}, {}, ""}),
              ElementsAre("a.jfif", "b.JPE", "c.Jpeg", "d.WEBP", "e.png", "f.jpg"));
}

}  // namespace
}  // namespace hn::host
