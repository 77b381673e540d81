// Reading the tensors of a torch checkpoint (.pt, .pth, .bin), without LibTorch and without running
// anything that the file says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <hn/formats/safetensors.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// One stored tensor, wherever it came from.
//
// Ownership: `data` points into a read-only mapping; it stays valid as long as the file object that
// gave the view, a copy of it, or its keep_alive() lives. The pointer need not be aligned for the
// dtype. Every element that shape and strides reach lies inside the mapping.
struct StridedView {
  std::string name;
  TensorDtype dtype = TensorDtype::kF32;
  std::vector<std::int64_t> shape;    // empty: a scalar
  std::vector<std::int64_t> strides;  // in elements, from 0 on; as long as shape
  const std::byte* data = nullptr;    // element 0; nullptr in a listing without data

  std::int64_t numel() const;          // checked at opening, cannot overflow
  std::uint64_t bytes() const;         // of a contiguous copy
  bool is_contiguous() const;          // C order without gaps
  std::uint64_t extent_bytes() const;  // from element 0 to the end of the last; 0 if empty
};

// The strides of C order.
std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape);

// One open checkpoint, mapped read-only. Copies share the mapping. Any thread may read.
//
// Both layouts of torch.save are read: the zip archive (torch 1.6 and later) and the file of
// pickles followed by storages (before). Source: torch 2.11 torch/serialization.py,
// caffe2/serialize/inline_container.cc.
class TorchFile {
 public:
  enum class Checksums {
    kAll,    // every storage is read once and compared with its CRC-32
    kIndex,  // only what describes the tensors
  };

  // Lists the tensors of the stored object: nested dictionaries, lists and tuples become names
  // joined by dots ("layers.0.weight"). Where the object is a dictionary that holds a dictionary
  // with tensors under "state_dict" or "model" (the first of the two that is there), that one is
  // listed alone; what stands beside it (epoch, optimizer) is left out. Values that are no tensors
  // are left out. A lone tensor is named "tensor".
  //
  // Errors: HN_NOT_FOUND (no readable file); HN_UNSUPPORTED (a Python global outside of tensors and
  // plain containers, by its name; TorchScript archives; compressed, big-endian or quantised
  // content; the tar layout of torch 0.1); HN_DATA_LOSS (everything broken or lying: archive,
  // checksums, pickle, sizes, no tensor in it, a name twice).
  static TorchFile open(const std::filesystem::path& path, Checksums checksums = Checksums::kAll);

  const std::filesystem::path& path() const;
  const std::vector<StridedView>& tensors() const;       // in the order of the file
  const StridedView* find(std::string_view name) const;  // nullptr where there is no such tensor
  std::shared_ptr<const void> keep_alive() const;
  // Gives the memory back that reading `view` took, as SafetensorsFile::release. `view` is one of
  // ours.
  void release(const StridedView& view) const;

 private:
  struct State;
  explicit TorchFile(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// Does the file begin as torch.save's files do? False also for a file that cannot be read.
bool looks_like_torch_file(const std::filesystem::path& path);

}  // namespace hn
