#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>
#include <hn/formats/kind_of_file.hpp>

namespace hn {
namespace {

using std::string_view_literals::operator""sv;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  FileKind kind;
  const char* text;
};

// Longer ones first where one begins with another.
constexpr auto kSignatures = std::to_array<Signature>({
    {0, "GGUF"sv, FileKind::kGguf, "a GGUF file"},
    {0, "ggml"sv, FileKind::kGguf, "a GGML file"},
    {0, "lmgg"sv, FileKind::kGguf, "a GGML file"},
    {0, "\x89HDF\r\n\x1a\n"sv, FileKind::kHdf5, "an HDF5 file (Keras, TensorFlow)"},
    {0, "\x93NUMPY"sv, FileKind::kNumpy, "a NumPy array (.npy)"},
    {0, "\x89PNG\r\n\x1a\n"sv, FileKind::kPicture, "a PNG picture"},
    {0, "\xff\xd8\xff"sv, FileKind::kPicture, "a JPEG picture"},
    {0, "GIF87a"sv, FileKind::kPicture, "a GIF picture"},
    {0, "GIF89a"sv, FileKind::kPicture, "a GIF picture"},
    {8, "WEBP"sv, FileKind::kPicture, "a WebP picture"},
    {0, "II*\0"sv, FileKind::kPicture, "a TIFF picture"},
    {0, "MM\0*"sv, FileKind::kPicture, "a TIFF picture"},
    {0, "II+\0"sv, FileKind::kPicture, "a BigTIFF picture"},
    {0, "MM\0+"sv, FileKind::kPicture, "a BigTIFF picture"},
    {0, "8BPS"sv, FileKind::kPicture, "a Photoshop picture"},
    {0, "qoif"sv, FileKind::kPicture, "a QOI picture"},
    {0, "\0\0\1\0"sv, FileKind::kPicture, "an icon (ICO)"},
    {0, "DDS "sv, FileKind::kPicture, "a DDS texture"},
    {0, "#?RADIANCE"sv, FileKind::kPicture, "a Radiance HDR picture"},
    {0, "v/1\x01"sv, FileKind::kPicture, "an OpenEXR picture"},
    {0, "\xff\x4f\xff\x51"sv, FileKind::kPicture, "a JPEG 2000 picture"},
    {0, "RIFF"sv, FileKind::kOther, "a RIFF file other than WebP"},
    {0, "\x1a\x45\xdf\xa3"sv, FileKind::kOther, "a WebM or Matroska film"},
    {0, "%!PS"sv, FileKind::kOther, "a PostScript file"},
    {0, "\0\0\0\x0cjP  \r\n\x87\n"sv, FileKind::kPicture, "a JPEG 2000 picture"},
    {0, "\0\0\0\x0cJXL \r\n\x87\n"sv, FileKind::kPicture, "a JPEG XL picture"},
    {0, "\xff\x0a"sv, FileKind::kPicture, "a JPEG XL picture"},
    {4, "ftypavif"sv, FileKind::kPicture, "an AVIF picture"},
    {4, "ftypavis"sv, FileKind::kPicture, "an AVIF picture"},
    {4, "ftyphei"sv, FileKind::kPicture, "a HEIC picture"},
    {4, "ftyphev"sv, FileKind::kPicture, "a HEIC picture"},
    {4, "ftypmif1"sv, FileKind::kPicture, "a HEIF picture"},
    {4, "ftyp"sv, FileKind::kOther, "an MP4 or QuickTime file"},
    {0, "%PDF-"sv, FileKind::kPdf, "a PDF"},
    {0, "\x1f\x8b"sv, FileKind::kArchive, "a gzip archive (unpack it first)"},
    {0, "\x28\xb5\x2f\xfd"sv, FileKind::kArchive, "a Zstandard archive (unpack it first)"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     FileKind::kArchive, "an xz archive (unpack it first)"},
    {0, "BZh"sv, FileKind::kArchive, "a bzip2 archive (unpack it first)"},
    {0, "7z\xbc\xaf\x27\x1c"sv, FileKind::kArchive, "a 7-Zip archive (unpack it first)"},
    {0, "Rar!\x1a\x07"sv, FileKind::kArchive, "a RAR archive (unpack it first)"},
    {257, "ustar"sv, FileKind::kArchive, "a tar archive (unpack it first)"},
    {4, "TFL3"sv, FileKind::kOther, "a TensorFlow Lite file"},
    {0,
     "\x7f"
     "ELF"sv,
     FileKind::kOther, "a program or library (ELF)"},
    {0, "MZ"sv, FileKind::kOther, "a Windows program or library"},
    {0, "SQLite format 3\0"sv, FileKind::kOther, "an SQLite database"},
    {0, "PAR1"sv, FileKind::kOther, "a Parquet table"},
    {0, "ARROW1"sv, FileKind::kOther, "an Arrow table"},
    {0, "BM"sv, FileKind::kPicture, "a BMP picture"},
});

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string bytes_text(std::uint64_t n) { return std::to_string(n) + " bytes"; }

// The value of a line "KEY VALUE" of a pointer file.
std::string_view field(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(std::string("\n").append(key).append(" "));
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + key.size() + 2);
  return text.substr(0, text.find_first_of("\r\n"));
}

KindOfFile lfs_pointer(std::string_view start, std::uint64_t size) {
  std::string text = "a Git LFS pointer of " + bytes_text(size);
  const std::string_view whole = field(start, "size"), oid = field(start, "oid");
  if (!whole.empty()) text += ", in place of a file of " + std::string(whole) + " bytes";
  if (!oid.empty()) text += " (" + std::string(oid.substr(0, 80)) + ")";
  return {FileKind::kLfsPointer, text + "; git lfs pull fetches the file itself"};
}

// Printable beginning of a text, on one line.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
  if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
  return "\"" + out + (text.size() > 60 ? "...\"" : "\"");
}

bool is_text(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\r' || c == '\t' || c == '\f';
  });
}

bool is_safetensors(std::string_view start, std::uint64_t size) {
  if (start.size() < 10 || start[8] != '{') return false;
  std::uint64_t length = 0;
  std::memcpy(&length, start.data(), sizeof length);
  const bool key = std::string_view("\"} \t\r\n").find(start[9]) != std::string_view::npos;
  return key && length >= 2 && length <= (std::uint64_t{100} << 20) && size >= 10;
}

// A ModelProto: field 1 (ir_version) as a small number, then field 2 (producer) or 8 or 7.
bool is_onnx(std::string_view start) {
  return start.size() > 8 && start[0] == 0x08 && start[1] > 0 && start[1] < 32 &&
         (start[2] == 0x12 || start[2] == 0x3a || start[2] == 0x42);
}

KindOfFile zip(std::string_view start) {
  if (!start.starts_with("PK\3\4"sv)) return {FileKind::kZip, "an empty or damaged zip archive"};
  if (start.find("data.pkl"sv) != std::string_view::npos)
    return {FileKind::kZip, "a zip archive of torch.save (a pickle)"};
  if (start.find(".npy"sv) != std::string_view::npos)
    return {FileKind::kZip, "NumPy arrays in a zip archive (.npz)"};
  return {FileKind::kZip, "a zip archive"};
}

}  // namespace

KindOfFile kind_of_file(std::string_view start, std::uint64_t size) {
  if (size == 0 || start.empty()) return {FileKind::kEmpty, "an empty file"};
  start = start.substr(0, kKindBytes);
  if (start.starts_with("version https://git-lfs"sv)) return lfs_pointer(start, size);
  if (is_safetensors(start, size)) return {FileKind::kSafetensors, "a safetensors file"};
  if (start.starts_with("PK"sv)) return zip(start);
  if (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 6)
    return {FileKind::kPickle, "a pickle (torch.save before 1.6, or another Python object)"};
  for (const Signature& signature : kSignatures)
    if (start.size() >= signature.offset + signature.bytes.size() &&
        start.substr(signature.offset, signature.bytes.size()) == signature.bytes)
      return {signature.kind, signature.text};
  if (is_onnx(start)) return {FileKind::kOnnx, "an ONNX model"};
  if (std::all_of(start.begin(), start.end(), [](char c) { return c == 0; }))
    return {FileKind::kZeros, "a file that begins with " + bytes_text(start.size()) +
                                  " of zeros (a download that was cut?)"};
  if (!is_text(start)) {
    std::string hex;
    for (const char c : start.substr(0, 8)) {
      std::array<char, 4> two{};
      std::snprintf(two.data(), two.size(), " %02x", static_cast<unsigned char>(c));
      hex += two.data();
    }
    return {FileKind::kOther, "something else, " + bytes_text(size) + " that begin with" + hex};
  }
  if (start.starts_with("\xef\xbb\xbf"sv)) start.remove_prefix(3);
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  const std::string_view text = first == std::string_view::npos ? ""sv : start.substr(first);
  const std::string small = lower(text.substr(0, 200));
  if (small.starts_with("<") && lower(text).find("<svg") != std::string::npos)
    return {FileKind::kPicture, "an SVG picture"};
  if (small.size() > 2 && small[0] == 'p' && small[1] >= '1' && small[1] <= '6' &&
      std::string_view(" \t\r\n").find(small[2]) != std::string_view::npos)
    return {FileKind::kPicture, "a picture of the PBM, PGM and PPM family"};
  if (small.starts_with("<!doctype html") || small.starts_with("<html") ||
      (small.starts_with("<") && small.find("<html") != std::string::npos))
    return {FileKind::kWebPage, "a web page (HTML; a failed download?)"};
  if (small.starts_with("<"))
    return {FileKind::kWebPage, "a web page or XML (a failed download?), " + quoted(text)};
  if (small.starts_with("{") || small.starts_with("["))
    return {FileKind::kJson, "JSON text, " + quoted(text)};
  return {FileKind::kText, "something else, a text that begins with " + quoted(text)};
}

KindOfFile kind_of_file(const std::filesystem::path& path) {
  try {
    InputFile file(path);
    std::string start(kKindBytes, '\0');
    start.resize(file.read(start.data(), start.size()));
    return kind_of_file(start, file.size());
  } catch (const Error&) {
    return {FileKind::kOther, "a file that cannot be read"};
  }
}

}  // namespace hn
