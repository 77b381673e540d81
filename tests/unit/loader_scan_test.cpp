// The search path, and that no bundle can end a scan.
#include "loader/scan.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::HasSubstr;
using testing::make_bundle;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

TEST(Scan, FoldersInTheirOrderBundlesByName) {
  TempFolder folder;
  make_bundle(folder / "two/b.hnp", reward_text("b"));
  make_bundle(folder / "two/a.hnp", reward_text("a"));
  make_bundle(folder / "one/z.hnp", reward_text("z"));
  write_text(folder / "one/notes.txt", "not a bundle");
  const auto rows = scan({{folder / "one", true}, {folder / "two", true}});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].manifest->name, "z");
  EXPECT_EQ(rows[1].manifest->name, "a");
  EXPECT_EQ(rows[2].manifest->name, "b");
}

TEST(Scan, BrokenBundlesAreRowsAndTheScanGoesOn) {
  TempFolder folder;
  write_text(folder / "a.hnp", "a file");
  std::filesystem::create_directories(folder / "b.hnp");
  write_text(folder / "c.hnp/plugin.toml", std::string(3, '\0'));
  std::filesystem::create_symlink(folder / "d.hnp", folder / "d.hnp");
  write_text(folder / "e.hnp/plugin.toml", std::string(2u << 20, '#'));
  std::filesystem::create_directories(folder / "f.hnp/plugin.toml");
  make_bundle(folder / "good.hnp", reward_text());
  const auto rows = scan({{folder.path(), true}});
  ASSERT_EQ(rows.size(), 7u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(rows[i].status, "broken") << rows[i].path;
    EXPECT_FALSE(rows[i].reason.empty()) << rows[i].path;
    EXPECT_FALSE(rows[i].manifest) << rows[i].path;
  }
  EXPECT_THAT(rows[4].reason, HasSubstr("at most 1048576 bytes"));
  EXPECT_EQ(rows[6].status, "ok") << rows[6].reason;
}

TEST(Scan, AFolderThatSomebodyNamedMustExist) {
  TempFolder folder;
  const auto rows = scan({{folder / "named", true}, {folder / "standard", false}});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].status, "broken");
  EXPECT_THAT(rows[0].reason, HasSubstr("named: cannot be searched: No such file"));
}

TEST(Scan, ABundleMayStandInTheListItself) {
  TempFolder folder;
  make_bundle(folder / "x.hnp", reward_text());
  const auto folders = search_path({(folder / "x.hnp").string() + "/"});
  ASSERT_FALSE(folders.empty());
  const auto rows = scan({folders[0]});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].status, "ok") << rows[0].reason;
}

TEST(SearchPath, Order) {
  setenv("HN_PLUGIN_PATH", "/from/environment::/first", 1);
  setenv("XDG_DATA_HOME", "/data", 1);
  const auto folders = search_path({"/first", "/second/"});
  unsetenv("HN_PLUGIN_PATH");
  unsetenv("XDG_DATA_HOME");
  ASSERT_EQ(folders.size(), 5u);
  EXPECT_EQ(folders[0].path, "/first");
  EXPECT_EQ(folders[1].path, "/second");
  EXPECT_EQ(folders[2].path, "/from/environment");
  EXPECT_EQ(folders[3].path, "/data/hn/plugins");
  EXPECT_FALSE(folders[3].expected);
  EXPECT_EQ(folders[4].path, install_plugin_folder());
}

TEST(SearchPath, ARelativeXdgFolderIsIgnored) {
  setenv("XDG_DATA_HOME", "relative", 1);
  setenv("HOME", "/home/somebody", 1);
  const auto folders = search_path({});
  unsetenv("XDG_DATA_HOME");
  EXPECT_EQ(folders[0].path, "/home/somebody/.local/share/hn/plugins");
}

}  // namespace
}  // namespace hn::host
