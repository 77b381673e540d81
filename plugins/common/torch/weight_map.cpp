#include "torch/weight_map.hpp"

#include <ATen/ATen.h>

#include <cstring>
#include <hn/cpp/error.hpp>
#include <sstream>

namespace hn {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream out;
  out << '[';
  for (std::size_t i = 0; i < shape.size(); ++i) out << (i ? "," : "") << shape[i];
  out << ']';
  return out.str();
}

void list(std::ostringstream& out, std::string_view title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out << "\n  " << title << " (" << names.size() << "):";
  for (const auto& name : names) out << "\n    " << name;
}

}  // namespace

at::ScalarType to_scalar_type(TensorDtype dtype) {
  switch (dtype) {
    case TensorDtype::kF32: return at::kFloat;
    case TensorDtype::kBF16: return at::kBFloat16;
    case TensorDtype::kF16: return at::kHalf;
    case TensorDtype::kF64: return at::kDouble;
    case TensorDtype::kI64: return at::kLong;
    case TensorDtype::kI32: return at::kInt;
    case TensorDtype::kI16: return at::kShort;
    case TensorDtype::kI8: return at::kChar;
    case TensorDtype::kU8: return at::kByte;
    case TensorDtype::kBool: return at::kBool;
    default: break;
  }
  throw Error(HN_UNSUPPORTED,
              "[weights] expected float, bfloat16, half, double, integer or bool elements, got " +
                  std::string(dtype_name(dtype)));
}

WeightMap::WeightMap(SafetensorsFolder folder, at::ScalarType dtype, at::Device device,
                     std::string where, std::string_view prefix)
    : folder_(std::move(folder)), dtype_(dtype), device_(device), where_(std::move(where)) {
  for (const auto& name : folder_.names()) {
    if (!prefix.empty() && name.starts_with(prefix)) prefix_ = prefix;
  }
}

bool WeightMap::contains(std::string_view name) const {
  return folder_.find(prefix_ + std::string(name)) != nullptr;
}

at::Tensor WeightMap::take(const std::string& name, at::IntArrayRef shape) {
  taken_.insert(name);
  const TensorView* view = folder_.find(prefix_ + name);
  if (view == nullptr) {
    missing_.push_back(name + " " + shape_text(shape));
    return {};
  }
  if (at::IntArrayRef(view->shape) != shape) {
    mismatched_.push_back(name + ": expected " + shape_text(shape) + ", got " +
                          shape_text(view->shape));
    return {};
  }
  const at::ScalarType stored = to_scalar_type(view->dtype);
  auto tensor = at::empty(shape, at::TensorOptions().dtype(stored));
  // A copy gives LibTorch's own alignment and outlives the file.
  if (view->nbytes > 0) std::memcpy(tensor.mutable_data_ptr(), view->data, view->nbytes);
  tensor = tensor.to(device_, dtype_);
  bytes_ += tensor.nbytes();
  return tensor;
}

void WeightMap::finish(const std::vector<std::string>& ignored) const {
  std::vector<std::string> unexpected;
  for (const auto& stored : folder_.names()) {
    if (stored.starts_with(prefix_) && taken_.contains(stored.substr(prefix_.size()))) continue;
    bool known = false;
    for (const auto& start : ignored) known = known || stored.starts_with(start);
    if (!known) unexpected.push_back(stored);
  }
  if (missing_.empty() && mismatched_.empty() && unexpected.empty()) return;
  std::ostringstream out;
  out << '[' << where_ << "] the weights in " << folder_.path().string()
      << " do not fit the configuration:";
  list(out, "missing", missing_);
  list(out, "wrong shape", mismatched_);
  list(out, "unexpected", unexpected);
  throw Error(HN_DATA_LOSS, out.str());
}

}  // namespace hn
