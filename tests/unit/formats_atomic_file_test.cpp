// sdk/formats/atomic_file: whole or not at all.
#include <hn/formats/atomic_file.hpp>

#include "support/small_disk.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::read_bytes;
using test::SmallDisk;

TEST(AtomicFileTest, WritesAndReplaces) {
  const test::TestFolder folder;
  const auto path = folder.path() / "a.txt";
  write_file_atomically(path, "one");
  EXPECT_EQ(read_bytes(path), "one");
  write_file_atomically(path, std::string("t\0wo", 4));
  EXPECT_EQ(read_bytes(path), std::string("t\0wo", 4));
  EXPECT_EQ(folder.file_count(), 1U);
}

TEST(AtomicFileTest, AcceptsARelativeName) {
  const test::TestFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("plain.txt", "x");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_bytes(folder.path() / "plain.txt"), "x");
}

TEST(AtomicFileTest, LeavesTheOldFileWithoutCommit) {
  const test::TestFolder folder;
  const auto path = folder.write("a.txt", "old");
  {
    AtomicFile file(path);
    file.write("new");
    EXPECT_EQ(folder.file_count(), 2U);
  }
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(folder.file_count(), 1U);
}

TEST(AtomicFileTest, ReportsAFullDiskAndLeavesNothing) {
  const test::TestFolder folder;
  const auto path = folder.write("a.txt", "old");
  {
    const SmallDisk disk(4096);
    expect_error(HN_INTERNAL, {"a.txt", "expected to write", "after 4096 bytes", "File too large"},
                 [&] { write_file_atomically(path, std::string(10000, 'x')); });
  }
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(folder.file_count(), 1U);
}

TEST(AtomicFileTest, KnowsItsTemporaryNames) {
  const test::TestFolder folder;
  {
    const AtomicFile file(folder.path() / "a.tmp.b");
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      const auto unfinished = unfinished_file(entry.path().filename().string());
      ASSERT_TRUE(unfinished.has_value());
      EXPECT_EQ(unfinished->name, "a.tmp.b");
      EXPECT_TRUE(unfinished->writer_lives());
    }
  }
  EXPECT_EQ(unfinished_file(".x.tmp.12.3")->process, 12);
  for (const char* name : {"", ".", "a.txt", "x.tmp.1.2", ".x.tmp.1", ".tmp.1.2", ".x.tmp.1.2a",
                           ".x.tmp.-1.2", ".x.tmp..2", ".x.tmp.1.", ".xtmp.1.2", ".x.tmp.1.2.3 "})
    EXPECT_FALSE(unfinished_file(name).has_value()) << name;
}

TEST(AtomicFileTest, RemovesWhatWasAbandoned) {
  const test::TestFolder folder;
  folder.write(".a.tmp.1.2", "x");
  folder.write(".b.tmp.1.2", "x");
  remove_unfinished(folder.path(), [](const UnfinishedFile& file) { return file.name == "a"; });
  EXPECT_EQ(folder.file_count(), 1U);
  EXPECT_NO_THROW(
      remove_unfinished(folder.path() / "none", [](const UnfinishedFile&) { return true; }));
}

TEST(AtomicFileTest, NamesAMissingFolder) {
  const test::TestFolder folder;
  expect_error(HN_NOT_FOUND, {"gone", "No such file"},
               [&] { write_file_atomically(folder.path() / "gone" / "a.txt", "x"); });
}

TEST(AtomicFileTest, RefusesToReplaceAFolder) {
  const test::TestFolder folder;
  std::filesystem::create_directory(folder.path() / "taken");
  expect_error(HN_INTERNAL, {"taken", "rename"},
               [&] { write_file_atomically(folder.path() / "taken", "x"); });
  EXPECT_EQ(folder.file_count(), 1U);
}

}  // namespace
}  // namespace hn
