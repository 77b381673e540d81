#include "core/tensor_io.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/torch/tensor.hpp>
#include <set>

namespace hn::core {
namespace {

std::string text_of(at::IntArrayRef shape) { return shape_text({shape.data(), shape.size()}); }

bool same_shape(const std::vector<std::int64_t>& a, at::IntArrayRef b) {
  return at::IntArrayRef(a) == b;
}

// A copy: the file's bytes need not be aligned for their type.
at::Tensor copy_of(const TensorView& view, at::ScalarType type) {
  at::Tensor copy = at::empty(view.shape, type);
  if (view.nbytes > 0) std::memcpy(copy.data_ptr(), view.data, view.nbytes);
  return copy;
}

}  // namespace

void TensorProblems::finish() const {
  if (problems_.empty()) return;
  std::string text = where_ + " does not fit:";
  for (const std::string& problem : problems_) text += "\n  " + problem;
  throw Error(HN_INVALID_ARGUMENT, text);
}

void read_tensors(const SafetensorsFile& file, const std::vector<ExpectedTensorInto>& wanted,
                  TensorProblems& problems, const std::vector<std::string>& others) {
  std::set<std::string_view> known(others.begin(), others.end());
  for (const ExpectedTensorInto& want : wanted) {
    known.insert(want.name);
    const TensorView* got = file.find(want.name);
    if (got == nullptr) {
      problems.add("missing: " + want.name + " " + text_of(want.into.sizes()));
      continue;
    }
    if (!same_shape(got->shape, want.into.sizes())) {
      problems.add(want.name + ": expected " + text_of(want.into.sizes()) + ", got " +
                   shape_text({got->shape.data(), got->shape.size()}));
      continue;
    }
    const bool integer = want.into.scalar_type() == at::kLong;
    at::ScalarType type = at::kFloat;
    switch (got->dtype) {
      case TensorDtype::kF32: type = at::kFloat; break;
      case TensorDtype::kF16: type = at::kHalf; break;
      case TensorDtype::kBF16: type = at::kBFloat16; break;
      case TensorDtype::kI64: type = at::kLong; break;
      default: type = at::kByte; break;
    }
    if (integer != (type == at::kLong) || type == at::kByte) {
      problems.add(want.name + ": expected " + (integer ? "I64" : "F32, F16 or BF16") + ", got " +
                   std::string(got->dtype_string()));
      continue;
    }
    want.into.copy_(copy_of(*got, type));
    if (!integer && want.into.numel() > 0 && !at::isfinite(want.into).all().item<bool>())
      problems.add(want.name + ": holds values that are not finite");
  }
  for (const TensorView& view : file.tensors())
    if (!known.contains(view.name))
      problems.add("unexpected: " + view.name + " " +
                   shape_text({view.shape.data(), view.shape.size()}));
}

void TensorFile::add(std::string name, const at::Tensor& tensor) {
  kept_.push_back(tensor.detach().to(at::kCPU).contiguous());
  const at::Tensor& kept = kept_.back();
  tensors_.push_back({std::move(name),
                      kept.scalar_type() == at::kLong ? TensorDtype::kI64 : TensorDtype::kF32,
                      kept.sizes().vec(), kept.data_ptr(), kept.nbytes()});
}

void TensorFile::write(const std::filesystem::path& path,
                       const std::map<std::string, std::string>& metadata) {
  write_safetensors(path, tensors_, metadata);
}

}  // namespace hn::core
