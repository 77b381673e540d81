// Rows of a table and the pictures they belong to.
#include "scoring/prompt_lookup.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PromptLookup : public ::testing::Test {
 protected:
  // Rows "image=prompt" of a table that stands in /tables.
  static ItemTable table(const std::vector<std::string>& rows) {
    ItemTable table{"/tables/p.csv", true, {}};
    for (const std::string& row : rows) {
      const std::size_t equals = row.find('=');
      table.rows.push_back({row.substr(0, equals), row.substr(equals + 1), table.rows.size() + 2});
    }
    return table;
  }
  // Pictures "name" below /pictures, known by that name, or absolute ones.
  std::vector<std::string> prompts(const std::vector<std::string>& rows,
                                   const std::vector<std::string>& pictures) {
    std::vector<ScoreItem> items;
    for (const std::string& name : pictures)
      items.push_back({name, std::filesystem::path("/pictures") / name, ""});
    notes_.clear();
    look_up_prompts(table(rows), items, notes_);
    std::vector<std::string> out;
    for (const ScoreItem& item : items) out.push_back(item.prompt.text);
    return out;
  }
  std::vector<std::string> notes_;
};

TEST_F(PromptLookup, TheLongestCommonPathDecides) {
  EXPECT_THAT(prompts({"/old/gen/00000/samples/0000.png=a", "/old/gen/00001/samples/0000.png=b"},
                      {"gen/00000/samples/0000.png", "gen/00001/samples/0000.png"}),
              ElementsAre("a", "b"));
  EXPECT_THAT(prompts({"x/a.png=1", "a.png=2"}, {"x/a.png", "y/a.png"}), ElementsAre("1", "2"));
  EXPECT_THAT(prompts({"./x//a.png=1", "y/../z/a.png=2"}, {"x/a.png", "z/a.png"}),
              ElementsAre("1", "2"));
  EXPECT_THAT(prompts({"/pictures/a.png=1", "/elsewhere/a.png=2"}, {"a.png"}), ElementsAre("1"))
      << "the same file";
}

TEST_F(PromptLookup, AWholeRowBeatsALongerOneThatDisagrees) {
  EXPECT_THAT(prompts({"old/q/x/a.png=1", "a.png=2"}, {"new/q/x/a.png"}), ElementsAre("2"));
  EXPECT_THAT(prompts({"old/q/x/a.jpg=1", "x/a=2"}, {"new/q/x/a.png"}), ElementsAre("2"));
  EXPECT_THAT(prompts({"old/q/x/a=1", "old/z/a.png=2"}, {"new/q/x/a.png"}), ElementsAre("2"))
      << "the name with its ending before the longer path without";
}

TEST_F(PromptLookup, ThousandsOfOneName) {
  std::vector<std::string> rows, pictures, wanted;
  for (int i = 0; i < 5000; ++i) {
    const std::string end = std::to_string(i) + "/samples/0000.png";
    rows.push_back("/old/" + end + "=" + std::to_string(i));
    pictures.push_back("gen/" + end);
    wanted.push_back(std::to_string(i));
  }
  EXPECT_EQ(prompts(rows, pictures), wanted);
}

TEST_F(PromptLookup, NamesWithAndWithoutEndings) {
  EXPECT_THAT(prompts({"a.png=1", "a=2"}, {"a.png", "a.jpg"}), ElementsAre("1", "2"));
  EXPECT_THAT(prompts({"a=1"}, {"a.png", "a.jpg"}), ElementsAre("1", "1"));
  EXPECT_THAT(prompts({"c.png=1"}, {"c.jpg"}), ElementsAre("1"));
  EXPECT_THAT(prompts({"rgb.v2=1", "0.7=2"}, {"rgb.v2.png", "0.7.png"}), ElementsAre("1", "2"));
  expect_error(HN_NOT_FOUND, {"no row for 0.png"}, [&] { prompts({"0.7=2"}, {"0.png"}); });
  expect_error(HN_NOT_FOUND, {"no row for a.jpg"}, [&] {
    prompts({"a.png=1"}, {"a.png", "a.jpg"});
  });
}

TEST_F(PromptLookup, RowsThatFitAlikeAreRefused) {
  expect_error(HN_INVALID_ARGUMENT,
               {"p.csv] a.png", "line 2 (/m1/a.png)", "line 3 (/m2/a.png)", "different prompts"},
               [&] {
                 prompts({"/m1/a.png=1", "/m2/a.png=2"}, {"a.png"});
               });
  EXPECT_THAT(prompts({"/m1/a.png=1", "/m2/a.png=1"}, {"a.png"}), ElementsAre("1"));
  EXPECT_THAT(prompts({"a.png=1", "a.png=1"}, {"a.png"}), ElementsAre("1"));
  expect_error(HN_INVALID_ARGUMENT, {"line 2", "line 3"}, [&] {
    prompts({"a.png=1", "a.png=2"}, {"a.png"});
  });
}

TEST_F(PromptLookup, ARowOfAnotherFolderIsOnePicturesAtMost) {
  EXPECT_THAT(prompts({"old/a.png=1"}, {"new/a.png"}), ElementsAre("1"));
  EXPECT_THAT(prompts({"a.png=1"}, {"x/a.png", "y/a.png"}), ElementsAre("1", "1"))
      << "a name alone is every picture's of that name";
  expect_error(HN_INVALID_ARGUMENT, {"line 2: old/a.png fits", "x/a.png", "y/a.png"}, [&] {
    prompts({"old/a.png=1"}, {"x/a.png", "y/a.png"});
  });
  expect_error(HN_NOT_FOUND, {"no row for gen/1/a.png"}, [&] {
    prompts({"/old/gen/0/a.png=1"}, {"gen/0/a.png", "gen/1/a.png"});
  });
}

TEST_F(PromptLookup, RowsWithoutAPictureAreNoted) {
  prompts({"a.png=1", "b.png=2", "c.png=3"}, {"a.png"});
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("p.csv] no picture for 2 of 3 rows, the first in line "
                                            "3: b.png")));
  prompts({"a.png=1"}, {"a.png"});
  EXPECT_TRUE(notes_.empty());
}

TEST_F(PromptLookup, ALinkAndItsTargetAreOneFile) {
  const hn::test::TestFolder folder;
  folder.write("real.png", "x");
  std::filesystem::create_symlink("real.png", folder.path() / "link.png");
  ItemTable links = table({"real.png=1"});
  links.file = folder.path() / "p.csv";
  std::vector<ScoreItem> items = {{"link.png", folder.path() / "link.png", ""}};
  look_up_prompts(links, items, notes_);
  EXPECT_EQ(items[0].prompt, "1");
}

}  // namespace
}  // namespace hn::host
