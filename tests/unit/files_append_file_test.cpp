#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "files/append_file.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;

TEST(AppendFile, AppendsAndCuts) {
  const TestFolder folder;
  const auto file = folder.path() / "log";
  { AppendFile(file, 0).append("one\ntwo\n"); }
  { AppendFile(file, 4).append("three\n"); }
  EXPECT_EQ(read_bytes(file), "one\nthree\n");
}

TEST(AppendFile, EveryRecordIsThereBeforeTheNext) {
  const TestFolder folder;
  AppendFile file(folder.path() / "log", 0);
  file.append("a");
  EXPECT_EQ(read_bytes(folder.path() / "log"), "a");
  file.append("b");
  EXPECT_EQ(read_bytes(folder.path() / "log"), "ab");
  file.sync();
}

TEST(AppendFile, NamesTheFolderThatIsMissing) {
  expect_error(HN_NOT_FOUND, {"No such file"}, [] { AppendFile("/no/such/folder/log", 0); });
}

TEST(AppendFile, NamesTheFileThatIsNoFolder) {
  const TestFolder folder;
  folder.write("plain", "");
  expect_error(HN_NOT_FOUND, {"Not a directory"},
               [&] { AppendFile(folder.path() / "plain" / "log", 0); });
}

TEST(AppendFile, FullDisk) {
  AppendFile full("/dev/full", 0);
  expect_error(HN_INTERNAL, {"No space left on device"}, [&] { full.append("x"); });
}

TEST(AppendFile, AFileOfItsOwnIsNoLinkAndNoPipe) {
  const TestFolder folder;
  const auto target = folder.write("thesis.tex", "mine");
  std::filesystem::create_symlink(target, folder.path() / "link");
  expect_error(HN_NOT_FOUND, {"link", "symbolic link", "remove"},
               [&] { AppendFile(folder.path() / "link", 0, AppendTo::kOwnFile); });
  EXPECT_EQ(read_bytes(target), "mine");
  // What the user names may be one.
  AppendFile(folder.path() / "link", 4).append("!");
  EXPECT_EQ(read_bytes(target), "mine!");
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(HN_NOT_FOUND, {"pipe", "FIFO"}, [&] { AppendFile(pipe, 0); });
}

// A disk that fills up in the middle of a record, as a limit on the file's size.
TEST(AppendFile, TakesBackHalfARecord) {
  const TestFolder folder;
  const auto path = folder.path() / "log";
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  {
    AppendFile file(path, 0);
    file.append("0123456789");
    rlimit small = before;
    small.rlim_cur = 15;
    setrlimit(RLIMIT_FSIZE, &small);
    expect_error(HN_INTERNAL, {"after 10 bytes"}, [&] { file.append("abcdefghij"); });
    setrlimit(RLIMIT_FSIZE, &before);
    file.append("done");
  }
  EXPECT_EQ(read_bytes(path), "0123456789done");
}

}  // namespace
}  // namespace hn::host
