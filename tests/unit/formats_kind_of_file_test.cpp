// What a file is by its first bytes.
#include <sys/stat.h>

#include <hn/formats/kind_of_file.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using std::string_literals::operator""s;

std::string safetensors(std::uint64_t length, const std::string& header) {
  return std::string(reinterpret_cast<const char*>(&length), 8) + header;
}

struct Row {
  std::string bytes;
  FileKind kind;
  const char* text;
};

TEST(KindOfFile, TellsWhatPeopleHave) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n";
  const std::string tar = std::string(257, 'a') + "ustar" + std::string(200, '\0');
  for (const Row& row : std::vector<Row>{
           {"", FileKind::kEmpty, "an empty file"},
           {pointer, FileKind::kLfsPointer,
            "a Git LFS pointer of 69 bytes, in place of a file of 1234 bytes (sha256:4d7a); git "
            "lfs "
            "pull fetches the file itself"},
           {safetensors(2, "{}"), FileKind::kSafetensors, "a safetensors file"},
           {safetensors(900, "{\"w\""), FileKind::kSafetensors, "a safetensors file"},
           {"PK\3\4..archive/data.pkl", FileKind::kZip, "a zip archive of torch.save (a pickle)"},
           {"PK\3\4..arr_0.npy", FileKind::kZip, "NumPy arrays in a zip archive (.npz)"},
           {"PK\3\4", FileKind::kZip, "a zip archive"},
           {"PK\5\6", FileKind::kZip, "an empty or damaged zip archive"},
           {"\x80\x02}q", FileKind::kPickle, "a pickle"},
           {"GGUF\3\0\0\0"s, FileKind::kGguf, "a GGUF file"},
           {"\x08\x07\x12\x07pytorch", FileKind::kOnnx, "an ONNX model"},
           {"\x89HDF\r\n\x1a\n", FileKind::kHdf5, "an HDF5 file"},
           {"\x93NUMPY\1\0"s, FileKind::kNumpy, "a NumPy array"},
           {"\x1f\x8b\x08", FileKind::kArchive, "a gzip archive"},
           {"BZh9", FileKind::kArchive, "a bzip2 archive"},
           {tar, FileKind::kArchive, "a tar archive"},
           {"%PDF-1.7", FileKind::kPdf, "a PDF"},
           {"\x89PNG\r\n\x1a\n", FileKind::kPicture, "a PNG picture"},
           {"\xff\xd8\xff\xe0", FileKind::kPicture, "a JPEG picture"},
           {"RIFF\4\0\0\0WEBP"s, FileKind::kPicture, "a WebP picture"},
           {"\0\0\0\x1c"
            "ftypavif"s,
            FileKind::kPicture, "an AVIF picture"},
           {"\0\0\0\x1c"
            "ftypheic"s,
            FileKind::kPicture, "a HEIC picture"},
           {"<?xml version=\"1.0\"?>\n<svg width=\"1\"/>", FileKind::kPicture, "an SVG picture"},
           {"P5\n2 2\n255\n", FileKind::kPicture, "PBM, PGM and PPM"},
           {"P5js is a library", FileKind::kText, "a text that begins with"},
           {"RIFF\4\0\0\0WAVE"s, FileKind::kOther, "a RIFF file other than WebP"},
           {"<!DOCTYPE html><html>", FileKind::kWebPage, "a web page"},
           {"\xef\xbb\xbf\n <HTML lang=en>", FileKind::kWebPage, "a web page"},
           {"<?xml version=\"1.0\"?><Error/>", FileKind::kWebPage, "a web page or XML"},
           {"{\"error\":\"Repository not found\"}", FileKind::kJson,
            "JSON text, \"{\"error\":\"Repository not found\"}\""},
           {"Entry not found", FileKind::kText, "something else, a text that begins with \"Entry"},
           {std::string(2000, '\0'), FileKind::kZeros, "begins with 1024 bytes of zeros"},
           {"\1\2\3\4", FileKind::kOther, "something else, 4 bytes that begin with 01 02 03 04"}}) {
    const KindOfFile kind = kind_of_file(row.bytes, row.bytes.size());
    EXPECT_EQ(kind.kind, row.kind) << kind.text;
    EXPECT_NE(kind.text.find(row.text), std::string::npos) << kind.text;
  }
}

TEST(KindOfFile, OpensRegularFilesAlone) {
  const test::TestFolder folder;
  EXPECT_EQ(kind_of_file(folder.write("a", "%PDF-")).kind, FileKind::kPdf);
  EXPECT_EQ(kind_of_file(folder.path() / "none").text, "a file that cannot be read");
  EXPECT_EQ(kind_of_file(folder.path()).text, "a file that cannot be read");
  ASSERT_EQ(::mkfifo((folder.path() / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(kind_of_file(folder.path() / "fifo").text, "a file that cannot be read");
}

}  // namespace
}  // namespace hn
