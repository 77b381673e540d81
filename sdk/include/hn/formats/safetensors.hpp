// Reading and writing safetensors files, without LibTorch.
//
// Source: the format's description and its reference implementation,
// github.com/huggingface/safetensors (README "Format", safetensors/src/tensor.rs). A file is: 8
// bytes little-endian length N, N bytes of JSON, then the tensors' bytes. Everything is checked
// before a pointer is given out; a file that is refused says which file, which tensor, what was
// wanted and what came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// The format's element types. Names: dtype_name(). F4 and F6 elements are smaller than a byte; a
// tensor of them fills whole bytes.
enum class TensorDtype {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3FNUZ,
  kF8E5M2FNUZ,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

// The format's spelling: "F32", "BF16", "F8_E4M3", ...
std::string_view dtype_name(TensorDtype dtype);
// Size of one element in bits: 32 for F32, 4 for F4.
unsigned dtype_bits(TensorDtype dtype);

// One tensor of an open file, contiguous in C order.
//
// Ownership: `data` points into the read-only mapping of the file that gave the view; it stays
// valid as long as that file object, a copy of it, or its keep_alive() lives. Alignment: the
// reference writer aligns the data to 8 bytes, older files need not, so test the pointer before it
// is read through a wider type. A tensor without elements has nbytes 0.
struct TensorView {
  std::string name;
  TensorDtype dtype = TensorDtype::kF32;
  std::vector<std::int64_t> shape;  // empty: a scalar
  const std::byte* data = nullptr;
  std::uint64_t nbytes = 0;

  std::int64_t numel() const;             // product of shape; checked at opening, cannot overflow
  std::string_view dtype_string() const;  // dtype_name(dtype)
};

// A name and what it must be; used by SafetensorsFolder::require.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

// One open .safetensors file, mapped read-only. Copies share the mapping. Any thread may read.
//
// A file must not be truncated in place while it is mapped (the system then kills the process with
// SIGBUS); files written by this project are replaced by renaming, which is safe.
class SafetensorsFile {
 public:
  // Errors: HN_NOT_FOUND (no such file, not readable), HN_DATA_LOSS (another kind of file, which is
  // named; everything wrong in the file: shorter than its header says, header above 100 MiB, bad
  // JSON, duplicate names, unknown dtype, more than 64 dimensions, negative or overflowing shape,
  // offsets that overlap, leave holes, run past the end or disagree with shape and dtype). A
  // "__metadata__" that is null is none, as upstream has it.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const;
  // In the order of their bytes in the file.
  const std::vector<TensorView>& tensors() const;
  // The header's "__metadata__", empty where there is none.
  const std::map<std::string, std::string>& metadata() const;

  // nullptr where there is no such tensor.
  const TensorView* find(std::string_view name) const;
  // HN_NOT_FOUND names the file and the nearest names it has.
  const TensorView& at(std::string_view name) const;

  // Keeps the mapping alive: put a copy into the deleter of a tensor that aliases `data`.
  std::shared_ptr<const void> keep_alive() const;
  // Gives the memory back that reading `view` took: the system reads it from the file again when it
  // is needed. For a tensor that was converted and is not read again soon. `view` is one of ours.
  void release(const TensorView& view) const;

 private:
  struct State;
  explicit SafetensorsFile(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

// Does the file begin as safetensors files do, whatever its name is? False also for a file that
// cannot be read.
bool is_safetensors_file(const std::filesystem::path& path);

// The weights of one model: a single file, or several shards with a "*.safetensors.index.json".
class SafetensorsFolder {
 public:
  // `path` is a .safetensors file, an index .json, or a folder. In a folder the file is looked for
  // under the stems "model", then "diffusion_pytorch_model", then "adapter_model", each as
  // STEM.safetensors, then STEM.safetensors.index.json. With `variant` ("fp16", "bf16", ...) the
  // names are STEM.VARIANT.safetensors, STEM.safetensors.index.VARIANT.json (what transformers and
  // diffusers write) and STEM.VARIANT.safetensors.index.json. Without one, and with no plain file
  // there, variants "bf16" and "fp16" are tried.
  //
  // Errors: HN_NOT_FOUND names the folder and every file name that was tried, or every missing
  // shard; HN_DATA_LOSS for what SafetensorsFile::open refuses and for an index that lies: a tensor
  // that is not in its shard (all listed; the shard that does have it is named), a tensor that two
  // shards have with different contents, or a shard name that leaves the folder. Tensors of a shard
  // that the index does not list are not visible.
  static SafetensorsFolder open(const std::filesystem::path& path, std::string_view variant = "");

  // The file, index or folder that was opened, for messages.
  const std::filesystem::path& path() const { return path_; }
  const std::vector<SafetensorsFile>& files() const { return files_; }

  // Every name, sorted.
  std::vector<std::string> names() const;
  std::size_t size() const { return tensors_.size(); }
  const TensorView* find(std::string_view name) const;
  const TensorView& at(std::string_view name) const;  // as SafetensorsFile::at
  // Keeps the mapping of the shard alive that holds `name`; errors as at().
  std::shared_ptr<const void> keep_alive(std::string_view name) const;
  void release(std::string_view name) const;  // as SafetensorsFile::release; errors as at()

  // HN_NOT_FOUND lists every missing name at once.
  void require(std::span<const std::string> names) const;
  // Also compares shapes: HN_DATA_LOSS lists every tensor that is missing or has another shape, at
  // once.
  void require(std::span<const ExpectedTensor> expected) const;
  // The names here that are not in `known`, sorted: what a loader reports as unexpected.
  std::vector<std::string> unexpected(std::span<const std::string> known) const;

 private:
  struct Entry {
    std::size_t file;
    const TensorView* view;  // into files_[file], whose state is shared and does not move
  };
  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Entry, std::less<>> tensors_;
};

// One tensor to write. Borrowed until write_safetensors returns; contiguous, C order; nbytes must
// be shape x dtype.
struct TensorToWrite {
  std::string name;
  TensorDtype dtype = TensorDtype::kF32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;
  std::uint64_t nbytes = 0;
};

// Writes one file atomically (atomic_file.hpp). The bytes depend on the arguments alone, not on the
// order of `tensors`: wider types first, then by name, as the reference writer does; the header is
// padded with spaces so that the data begins on 8 bytes.
//
// Errors: HN_INVALID_ARGUMENT (duplicate, empty or reserved name, text that is not UTF-8, negative
// shape, nbytes that disagrees with shape and dtype); those of AtomicFile, e.g. a full disk, after
// which no partial file is left.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {});

// The same bytes, one part after the other, to `take` instead of a file: first the header's length
// and text, then each tensor's data as it lies (TensorToWrite::data), which is read only when its
// turn comes. `path` is for messages. Errors: the same arguments', before the first part.
void write_safetensors_parts(const std::filesystem::path& path,
                             std::span<const TensorToWrite> tensors,
                             const std::map<std::string, std::string>& metadata,
                             const std::function<void(const void* data, std::size_t size)>& take);

}  // namespace hn
