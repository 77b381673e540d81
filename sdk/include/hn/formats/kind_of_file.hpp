// What a file is by its first bytes, for messages: "expected safetensors, got a Git LFS pointer".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace hn {

// So many first bytes are enough.
inline constexpr std::size_t kKindBytes = 1024;

enum class FileKind {
  kEmpty,
  kLfsPointer,
  kSafetensors,  // perhaps cut
  kZip,          // torch.save since 1.6, numpy's npz, ...
  kPickle,       // torch.save before 1.6, joblib, ...
  kGguf,
  kOnnx,
  kHdf5,
  kNumpy,
  kArchive,  // gzip, tar, ...
  kPicture,
  kPdf,
  kWebPage,
  kJson,
  kText,
  kZeros,
  kOther,
};

struct KindOfFile {
  FileKind kind = FileKind::kOther;
  // "a Git LFS pointer of 134 bytes, for a file of 1234 bytes (...); git lfs pull fetches it". Of
  // what is no known kind: "something else, ...".
  std::string text;
};

// `start`: the file's first bytes, all of them or kKindBytes; `size`: the whole file's.
KindOfFile kind_of_file(std::string_view start, std::uint64_t size);
// Reads the first bytes. kOther, "a file that cannot be read", where that fails; what is no regular
// file is not opened.
KindOfFile kind_of_file(const std::filesystem::path& path);

}  // namespace hn
