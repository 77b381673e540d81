#include "worker/tensors.hpp"

#include <algorithm>
#include <cstring>
#include <hn/cpp/tensor.hpp>
#include <numeric>

namespace hn::worker {
namespace {

constexpr std::uint64_t kAlign = 64;  // as LibTorch's own tensors
constexpr auto kMarkByte = std::byte{0xA5};

std::uint64_t aligned(std::uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

std::uint64_t element_bytes(DLDataType t) {
  return (static_cast<std::uint64_t>(t.bits) * t.lanes + 7) / 8;
}

std::vector<std::int64_t> contiguous(std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= std::max<std::int64_t>(shape[d], 1);
  }
  return strides;
}

// Whether the elements lie side by side in some order of the dimensions.
bool dense(std::span<const std::int64_t> shape, const std::int64_t* strides) {
  std::vector<std::size_t> order(shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return strides[a] < strides[b]; });
  std::int64_t step = 1;
  for (const std::size_t d : order) {
    if (shape[d] == 1) continue;
    if (strides[d] != step) return false;
    step *= shape[d];
  }
  return true;
}

// Elements one by one, or row by row where the last dimension is contiguous on both sides.
void copy_strided(char* to, const std::int64_t* to_strides, const char* from,
                  const std::int64_t* from_strides, std::span<const std::int64_t> shape,
                  std::uint64_t element) {
  if (shape.empty()) {
    std::memcpy(to, from, element);
    return;
  }
  const auto n = static_cast<std::uint64_t>(shape[0]);
  if (shape.size() == 1 && to_strides[0] == 1 && from_strides[0] == 1) {
    std::memcpy(to, from, n * element);
    return;
  }
  for (std::uint64_t i = 0; i < n; ++i)
    copy_strided(to + static_cast<std::uint64_t>(to_strides[0]) * i * element, to_strides + 1,
                 from + static_cast<std::uint64_t>(from_strides[0]) * i * element, from_strides + 1,
                 shape.subspan(1), element);
}

void copy(char* to, const std::int64_t* to_strides, const char* from,
          const std::int64_t* from_strides, std::span<const std::int64_t> shape,
          std::uint64_t element) {
  std::uint64_t count = 1;
  for (const std::int64_t d : shape) count *= static_cast<std::uint64_t>(d);
  if (count == 0) return;
  if (dense(shape, to_strides) && std::equal(to_strides, to_strides + shape.size(), from_strides))
    std::memcpy(to, from, count * element);
  else
    copy_strided(to, to_strides, from, from_strides, shape, element);
}

DLDataType dtype_of(const TensorRef& ref) { return {ref.code, ref.bits, ref.lanes}; }

}  // namespace

TensorRef shape_only(const DLTensor& tensor) {
  TensorRef ref;
  ref.code = tensor.dtype.code;
  ref.bits = tensor.dtype.bits;
  ref.lanes = tensor.dtype.lanes;
  ref.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  if (tensor.strides != nullptr && dense(ref.shape, tensor.strides))
    ref.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
  else
    ref.strides = contiguous(ref.shape);
  return ref;
}

TensorRef Packing::add(const DLTensor& tensor, const std::string& name) {
  if (tensor.device.device_type != kDLCPU)
    throw Error(HN_UNSUPPORTED,
                "[worker] " + name + " lies on a device of type " +
                    std::to_string(static_cast<int>(tensor.device.device_type)) +
                    "; only tensors of the CPU cross to a worker process in this version");
  TensorRef ref = shape_only(tensor);
  const std::uint64_t begin = aligned(places_.empty() ? kMark : end_ + kMark);
  end_ = begin + static_cast<std::uint64_t>(element_count(tensor)) * element_bytes(tensor.dtype);
  places_.push_back({name, begin, end_});
  ref.offset = begin;
  return ref;
}

template <class Visit>
void Packing::gaps(Visit&& visit) const {
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i <= places_.size(); ++i) {
    const std::uint64_t end = i < places_.size() ? places_[i].begin : size();
    visit(i == 0 ? places_[0] : places_[i - 1], begin, end);
    if (i < places_.size()) begin = places_[i].end;
  }
}

void Packing::mark(std::byte* block) const {
  if (places_.empty()) return;
  gaps([&](const Place&, std::uint64_t begin, std::uint64_t end) {
    std::fill(block + begin, block + end, kMarkByte);
  });
}

std::string Packing::damaged(const std::byte* block) const {
  std::string name;
  if (places_.empty()) return name;
  gaps([&](const Place& before, std::uint64_t begin, std::uint64_t end) {
    const bool whole =
        std::all_of(block + begin, block + end, [](std::byte each) { return each == kMarkByte; });
    if (!whole && name.empty()) name = before.name;
  });
  return name;
}

void copy_in(const DLTensor& from, const TensorRef& to, std::byte* block) {
  copy(reinterpret_cast<char*>(block) + to.offset, to.strides.data(), data_of<char>(from),
       from.strides, shape_of(from), element_bytes(from.dtype));
}

void copy_out(const std::byte* block, const TensorRef& from, const DLTensor& to) {
  copy(data_of<char>(to), to.strides, reinterpret_cast<const char*>(block) + from.offset,
       from.strides.data(), shape_of(to), element_bytes(to.dtype));
}

DLTensor view_of(const TensorRef& ref, std::byte* block, std::uint64_t bytes) {
  const auto refuse = [] {
    throw Error(HN_DATA_LOSS, "[worker protocol] a tensor does not lie in its block");
  };
  const std::uint64_t element = element_bytes(dtype_of(ref));
  if (ref.shape.size() > HN_MAX_DIMS || ref.strides.size() != ref.shape.size() || element == 0)
    refuse();
  // The last element, in numbers that cannot overflow.
  constexpr auto kMostElements = std::uint64_t{1} << 60;
  unsigned __int128 last = 0;
  bool empty = false;
  for (std::size_t d = 0; d < ref.shape.size(); ++d) {
    if (ref.shape[d] < 0 || ref.strides[d] < 0) refuse();
    empty = empty || ref.shape[d] == 0;
    if (ref.shape[d] == 0) continue;
    const auto reach = static_cast<unsigned __int128>(ref.shape[d] - 1) *
                       static_cast<std::uint64_t>(ref.strides[d]);
    if (reach > kMostElements) refuse();
    last += reach;
  }
  const unsigned __int128 end = static_cast<unsigned __int128>(ref.offset) + (last + 1) * element;
  if (block != nullptr &&
      (ref.offset > bytes || ref.offset % element != 0 || (!empty && end > bytes)))
    refuse();
  DLTensor view{};
  view.data = block == nullptr ? nullptr : block + ref.offset;
  view.device = {kDLCPU, 0};
  view.ndim = static_cast<std::int32_t>(ref.shape.size());
  view.dtype = dtype_of(ref);
  view.shape = const_cast<std::int64_t*>(ref.shape.data());
  view.strides = const_cast<std::int64_t*>(ref.strides.data());
  return view;
}

}  // namespace hn::worker
