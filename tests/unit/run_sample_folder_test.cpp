// Folders of samples: what they hold, and that they are used again as a whole.
#include "files/pictures.hpp"
#include "run/sample_folder.hpp"
#include "scoring/score_items.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SampleFolderTest : public ::testing::Test {
 protected:
  void sample(const std::vector<std::string>& prompts) const {
    core::Tensor images{{static_cast<std::int64_t>(prompts.size()), 3, 2, 2}, {}};
    images.data.assign(12 * prompts.size(), 0.5f);
    SampleFolder(path(), prompts.size()).write(images, prompts, {{"seed", "7"}});
  }
  std::filesystem::path path() const { return folder_.path() / "p"; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path()))
      out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }
  std::vector<ScoreItem> read_back() const {
    std::vector<std::string> notes;
    auto items = list_items({{path().string()}, {}, ""}, notes);
    EXPECT_TRUE(notes.empty());
    return items;
  }
  hn::test::TestFolder folder_;
};

TEST_F(SampleFolderTest, PicturesGoWithTheirPrompts) {
  sample({"=a \"red\" cat", "<dog>"});
  EXPECT_THAT(names(), ElementsAre("00.png", "01.png", "prompts.jsonl", "sheet.html"));
  EXPECT_THAT(read_bytes(path() / "sheet.html"),
              ::testing::AllOf(HasSubstr("src=\"01.png\""), HasSubstr("&lt;dog&gt;")));
  const auto items = read_back();
  ASSERT_EQ(items.size(), 2u) << "the sheet is no picture";
  EXPECT_EQ(items[0].prompt, "=a \"red\" cat");
  EXPECT_EQ(items[1].prompt, "<dog>");
}

TEST_F(SampleFolderTest, NumbersAreAsWideAsTheCount) {
  EXPECT_EQ(picture_name(7, 8), "07.png");
  EXPECT_EQ(picture_name(7, 99), "07.png");
  EXPECT_EQ(picture_name(7, 100), "007.png");
  EXPECT_EQ(picture_name(999, 1000), "0999.png");
  std::vector<std::string> prompts;
  for (int i = 0; i < 101; ++i) prompts.push_back(std::to_string(i));
  sample(prompts);
  const auto items = read_back();
  for (std::size_t i = 0; i < 101; ++i) EXPECT_EQ(items[i].prompt, prompts[i]);
  EXPECT_EQ(numbered_pictures(path()).at(100).filename(), "100.png");
}

TEST_F(SampleFolderTest, AShorterSampleLeavesNothingOfALongerOne) {
  std::vector<std::string> prompts(120, "old");
  sample(prompts);
  sample({"new", "newer"});
  EXPECT_THAT(names(), ElementsAre("00.png", "01.png", "prompts.jsonl", "sheet.html"));
  EXPECT_EQ(read_back()[1].prompt, "newer");
}

TEST_F(SampleFolderTest, SomebodysPicturesAreRefused) {
  std::filesystem::create_directories(path());
  for (const char* name : {"p/10.png", "p/9.png", "p/notes.txt"}) folder_.write(name, "x");
  expect_error(HN_INVALID_ARGUMENT, {"p: expected no pictures", "got 2, the first 9.png"},
               [&] { SampleFolder(path(), 3); });
  EXPECT_EQ(names().size(), 3u);
  std::filesystem::remove(path() / "10.png");
  std::filesystem::rename(path() / "9.png", path() / "01.png");
  EXPECT_NO_THROW(SampleFolder(path(), 2)) << "it would be replaced";
  folder_.write("plain", "x");
  expect_error(HN_NOT_FOUND, {"plain"}, [&] { SampleFolder(folder_.path() / "plain", 1); });
}

}  // namespace
}  // namespace hn::host
