// Bundles that are not what they look like: links that lead out, files that anybody may write,
// names of bundles that cannot be read.
#include <sys/stat.h>

#include "loader/bundle_doubts.hpp"
#include "loader/claims.hpp"
#include "loader/library_file.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;
using testing::make_bundle;
using testing::message_of;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

TEST(Links, ALibraryStaysInItsBundle) {
  TempFolder folder;
  const auto bundle = make_bundle(folder / "a.hnp", reward_text());
  fs::rename(bundle / "libfake.so", folder / "elsewhere.so");
  fs::create_symlink(folder / "elsewhere.so", bundle / "libfake.so");
  EXPECT_THAT(
      message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle); }),
      AllOf(HasSubstr("a.hnp/libfake.so leads out of the bundle, to "), HasSubstr("elsewhere.so")));
  fs::remove(bundle / "libfake.so");
  fs::create_directory(bundle / "lib");
  fs::rename(folder / "elsewhere.so", bundle / "lib/real.so");
  fs::create_symlink("lib/real.so", bundle / "libfake.so");
  EXPECT_EQ(read_manifest(bundle).library, bundle / "libfake.so") << "inside is fine";
}

TEST(Links, ABundleOfLinksAndALinkToABundle) {
  TempFolder folder;
  const auto store = make_bundle(folder / "store/a.hnp", reward_text());
  fs::create_directories(folder / "farm/a.hnp");
  for (const auto& entry : fs::directory_iterator(store))
    fs::create_symlink(entry.path(), folder / "farm/a.hnp" / entry.path().filename());
  EXPECT_EQ(read_manifest(folder / "farm/a.hnp").bundle, folder / "farm/a.hnp");
  fs::create_directory_symlink(store, folder / "linked.hnp");
  EXPECT_EQ(read_manifest(folder / "linked.hnp").bundle, folder / "linked.hnp");
}

class Doubts : public ::testing::Test {
 protected:
  Doubts() { ::chmod(folder_.path().c_str(), 0755); }
  std::vector<std::string> with(const fs::path& path, mode_t mode) {
    struct stat before {};
    ::stat(path.c_str(), &before);
    ::chmod(path.c_str(), mode);
    auto found = bundle_doubts(manifest_);
    ::chmod(path.c_str(), before.st_mode);
    return found;
  }
  TempFolder folder_;
  Manifest manifest_ = read_manifest(make_bundle(folder_ / "a.hnp", reward_text()));
};

TEST_F(Doubts, WhatAnybodyMayWrite) {
  const fs::path bundle = folder_ / "a.hnp";
  for (const fs::path& path : {bundle, bundle / "plugin.toml", bundle / "libfake.so"})
    EXPECT_THAT(with(path, 0777),
                ElementsAre(HasSubstr(path.string() + " can be changed by every user")));
  EXPECT_THAT(with(folder_.path(), 0777), ElementsAre(HasSubstr("can be changed by every user")));
  EXPECT_THAT(with(folder_.path(), 01777), IsEmpty()) << "as /tmp";
  EXPECT_THAT(with(bundle, 01777), ElementsAre(HasSubstr("a.hnp can be changed")))
      << "others could put further libraries there";
}

TEST_F(Doubts, AGroupIsTheUsersChoice) {
  for (const fs::path& path : {folder_ / "a.hnp", folder_ / "a.hnp/libfake.so"})
    EXPECT_THAT(with(path, 0775), IsEmpty());
}

TEST_F(Doubts, FoldersDownToTheLibrary) {
  const fs::path inner = folder_ / "a.hnp/lib";
  fs::create_directory(inner);
  fs::rename(folder_ / "a.hnp/libfake.so", inner / "libfake.so");
  manifest_.library = inner / "libfake.so";
  EXPECT_THAT(with(inner, 0777), ElementsAre(HasSubstr("a.hnp/lib can be changed")));
}

TEST(Claims, NamesOfABundleThatCannotBeRead) {
  TempFolder folder;
  const auto claims = [&](const std::string& text) {
    write_text(folder / "x.hnp/plugin.toml", text);
    const auto names = claimed_names(folder / "x.hnp");
    return std::vector<std::string>(names.begin(), names.end());
  };
  EXPECT_THAT(claims(""), ElementsAre("x.hnp"));
  EXPECT_THAT(claims("schema = 9\nname = \"a\"\n"), ElementsAre("a"));
  EXPECT_THAT(claims("  id='b.c'  # why\r\naliases = [ \"d\" , 'e' ]\n[[["),
              ElementsAre("b.c", "d", "e"));
  EXPECT_THAT(claims("name = \"a\"\n[[weights]]\nname = \"w\"\n[[models]]\nname = \"m\"\n"
                     "[[options]]\nkey = \"k\"\n"),
              ElementsAre("a", "m"));
  EXPECT_THAT(claims("name = \"unclosed\nid\n= \n"), ElementsAre("x.hnp"));
  fs::remove(folder / "x.hnp/plugin.toml");
  const auto without = claimed_names(folder / "x.hnp");
  EXPECT_EQ(without, std::set<std::string>{"x.hnp"});
}

TEST(LibraryFileTest, RefusesWhatIsNoRegularFile) {
  TempFolder folder;
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { LibraryFile(folder / "none.so"); }),
              HasSubstr("none.so: cannot be read: No such file"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { LibraryFile(folder.path()); }),
              HasSubstr("expected a regular file"));
  ::mkfifo((folder / "fifo.so").c_str(), 0600);
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { LibraryFile(folder / "fifo.so"); }),
              HasSubstr("expected a regular file"));
  write_text(folder / "a.so", "abc");
  EXPECT_EQ(LibraryFile(folder / "a.so").sha256(), sha256_file(folder / "a.so"));
}

}  // namespace
}  // namespace hn::host
