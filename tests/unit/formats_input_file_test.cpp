// Opening files for reading: what is no regular file is refused, named, and never waited for.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <hn/formats/input_file.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;

TEST(InputFile, ReadsToTheEnd) {
  const TestFolder folder;
  InputFile file(folder.write("a", "twelve bytes"));
  EXPECT_EQ(file.size(), 12u);
  std::string part(7, '?');
  EXPECT_EQ(file.read(part.data(), 7), 7u);
  EXPECT_EQ(part, "twelve ");
  EXPECT_EQ(file.read(part.data(), 7), 5u);
  EXPECT_EQ(file.read(part.data(), 7), 0u);
}

TEST(InputFile, NamesWhatIsNoRegularFile) {
  const TestFolder folder;
  const auto fifo = folder.path() / "fifo", socket_file = folder.path() / "socket";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_file.string().copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  expect_error(HN_NOT_FOUND, {"fifo", "a FIFO"}, [&] { InputFile{fifo}; });
  expect_error(HN_NOT_FOUND, {"socket", "a socket"}, [&] { InputFile{socket_file}; });
  expect_error(HN_NOT_FOUND, {"a folder"}, [&] { InputFile{folder.path()}; });
  expect_error(HN_NOT_FOUND, {"a device"}, [] { InputFile{"/dev/null"}; });
  expect_error(HN_NOT_FOUND, {"here: cannot be read: No such file"},
               [&] { InputFile(folder.path() / "none", "here"); });
  ::close(descriptor);
}

TEST(InputFile, AZeroByteInAPathIsNotItsEnd) {
  const TestFolder folder;
  folder.write("a.png", "x");
  const std::string path = (folder.path() / "a.png").string() + std::string("\0zz", 3);
  expect_error(HN_INVALID_ARGUMENT, {"a.png\\0zz", "zero byte"}, [&] { InputFile{path}; });
}

TEST(ReadWholeFile, HasALimitAndReadsFilesThatDoNotTellTheirSize) {
  const TestFolder folder;
  const auto file = folder.write("a", "12345");
  EXPECT_EQ(read_whole_file(file, 5), "12345");
  expect_error(HN_DATA_LOSS, {"at most 4 bytes, got 5"}, [&] { read_whole_file(file, 4); });
  EXPECT_EQ(read_whole_file(folder.write("empty", "")), "");
  EXPECT_NE(read_whole_file("/proc/self/status").find("Name:"), std::string::npos);
}

}  // namespace
}  // namespace hn
