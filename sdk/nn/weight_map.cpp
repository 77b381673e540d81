#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/nn/weight_audit.hpp>
#include <hn/nn/weight_map.hpp>
#include <optional>
#include <sstream>

namespace hn {
namespace {

// Of a number of layers that is no model's: nobody reads such a list, and it has to end.
constexpr std::size_t kMostMissing = 10'000;

std::string dims_text(at::IntArrayRef shape) {
  std::ostringstream out;
  out << '[';
  for (std::size_t i = 0; i < shape.size(); ++i) out << (i ? "," : "") << shape[i];
  out << ']';
  return out.str();
}

// What a stored type that is no number of a weight is, and what can be done; nothing for the
// others.
std::optional<std::string> unread_type(TensorDtype dtype) {
  switch (dtype) {
    case TensorDtype::kF32:
    case TensorDtype::kF16:
    case TensorDtype::kBF16:
    case TensorDtype::kF64: return std::nullopt;
    case TensorDtype::kF8E4M3:
    case TensorDtype::kF8E5M2:
    case TensorDtype::kF8E8M0:
    case TensorDtype::kF8E4M3FNUZ:
    case TensorDtype::kF8E5M2FNUZ:
    case TensorDtype::kF4:
    case TensorDtype::kF6E2M3:
    case TensorDtype::kF6E3M2:
      return "floats below 16 bits, whose scales stand elsewhere, are not read: take the model's "
             "F16 or BF16 file (generators quantise it themselves: quantise = \"fp8\" or "
             "\"int8\")";
    case TensorDtype::kC64: return "complex numbers are no weights here";
    default:
      return "integers are no weights here: of a quantised file take the F16 or BF16 original "
             "(generators quantise it themselves: quantise = \"int8\")";
  }
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

WeightMap::WeightMap(WeightFiles files, at::ScalarType dtype, at::Device device, std::string where,
                     std::string_view prefix)
    : files_(std::move(files)),
      dtype_(dtype),
      device_(device),
      where_(std::move(where)),
      settled_(device) {
  for (const auto& name : files_.names()) {
    if (!prefix.empty() && name.starts_with(prefix)) prefix_ = prefix;
  }
}

WeightMap WeightMap::dry(std::vector<ExpectedTensor> list, at::ScalarType dtype, std::string where,
                         std::string_view prefix) {
  std::vector<StridedView> views;
  for (ExpectedTensor& entry : list) {
    auto strides = contiguous_strides(entry.shape);
    views.push_back({std::move(entry.name), TensorDtype::kF32, std::move(entry.shape),
                     std::move(strides), nullptr});
  }
  return {WeightFiles::listing(std::move(views), "the list"), dtype, at::kMeta, std::move(where),
          prefix};
}

bool WeightMap::contains(std::string_view name) const {
  return files_.find(prefix_ + std::string(name)) != nullptr;
}

std::string WeightMap::label(const std::string& name) const {
  const std::string spelled = files_.spelling(prefix_ + name);
  return spelled == prefix_ + name ? name : spelled + " (" + name + ")";
}

bool WeightMap::check(const std::string& name, at::IntArrayRef shape) {
  for (const std::int64_t size : shape)
    if (size < 0)
      throw Error(HN_DATA_LOSS, name + ": expected sizes of at least 0, the configuration gives " +
                                    dims_text(shape));
  taken_.insert(name);
  requested_.push_back({name, shape.vec()});
  const StridedView* there = files_.find(prefix_ + name);
  if (there == nullptr) {
    missing_.push_back(label(name) + " " + dims_text(shape));
    if (missing_.size() == kMostMissing)
      throw Error(HN_DATA_LOSS, "the configuration asks for " + std::to_string(kMostMissing) +
                                    " tensors and more that are not in " + files_.path().string() +
                                    ", " + missing_.front() + " first");
  } else if (at::IntArrayRef(there->shape) != shape) {
    mismatched_.push_back(label(name) + ": expected " + dims_text(shape) + ", got " +
                          dims_text(there->shape));
  } else if (const auto unread = unread_type(there->dtype)) {
    unread_.push_back(label(name) + ": expected F32, F16, BF16 or F64, got " +
                      std::string(dtype_name(there->dtype)) + "; " + *unread);
  } else {
    return true;
  }
  return false;
}

at::Tensor WeightMap::stored(const std::string& name) const {
  const StridedView& view = files_.at(prefix_ + name);
  const auto options = at::TensorOptions().dtype(to_scalar_type(view.dtype));
  const auto width = c10::elementSize(to_scalar_type(view.dtype));
  const std::uint64_t extent = view.extent_bytes();
  if (extent == 0) return at::empty(view.shape, options);
  if (reinterpret_cast<std::uintptr_t>(view.data) % width != 0) {
    const auto copy = at::empty({static_cast<std::int64_t>(extent / width)}, options);
    std::memcpy(copy.mutable_data_ptr(), view.data, extent);
    return copy.as_strided(view.shape, view.strides).contiguous();
  }
  const auto alias = at::from_blob(
      const_cast<std::byte*>(view.data), view.shape, view.strides,
      [mapping = files_.keep_alive(prefix_ + name)](void*) {}, options);
  return alias.contiguous();
}

at::Tensor WeightMap::take(const std::string& name, at::IntArrayRef shape) {
  const bool there = check(name, shape);
  // A dry run goes on to the next component, whose constructor may use what it got.
  if (!there && !device_.is_meta() && !reporting_weights()) return {};
  if (!there || device_.is_meta() || files_.at(prefix_ + name).data == nullptr)
    return at::empty(shape, at::TensorOptions().dtype(dtype_).device(at::kMeta));
  const auto tensor = stored(name);
  auto wanted = tensor.to(device_, dtype_);
  check_finite(name, wanted);
  if (!wanted.is_same(tensor)) files_.release(prefix_ + name);
  bytes_ += wanted.nbytes();
  return wanted;
}

FrozenWeight WeightMap::take_frozen(const std::string& name, at::IntArrayRef shape) {
  if (quantise_ == Quantise::kNone || device_.is_meta()) return {take(name, shape), {}};
  if (!check(name, shape)) return {};
  const auto tensor = stored(name);
  check_finite(name, tensor);
  FrozenWeight weight{{}, QuantisedWeight(tensor, quantise_, dtype_, device_)};
  report_.add(tensor, weight.quantised, dtype_);
  files_.release(prefix_ + name);
  bytes_ += weight.quantised.nbytes();
  return weight;
}

void WeightMap::check_finite(const std::string& name, const at::Tensor& tensor) {
  // The sum is finite only where everything is; one that overflows proves nothing.
  if (!tensor.is_floating_point() || std::isfinite(tensor.sum().item<double>())) return;
  const std::int64_t bad = tensor.numel() - at::isfinite(tensor).sum().item<std::int64_t>();
  if (bad > 0)
    not_finite_.push_back(label(name) + ": " + std::to_string(bad) + " of " +
                          std::to_string(tensor.numel()) + " numbers are NaN or infinite");
}

void WeightMap::finish(const std::vector<std::string>& ignored) const {
  std::vector<std::string> unexpected;
  for (const auto& name : files_.names()) {
    if (name.starts_with(prefix_) && taken_.contains(name.substr(prefix_.size()))) continue;
    bool known = false;
    for (const auto& start : ignored) known = known || name.starts_with(start);
    if (!known) unexpected.push_back(files_.spelling(name));
  }
  if (reporting_weights()) {
    WeightReport report{where_,   files_.path(), requested_.size(), 0,
                        missing_, mismatched_,   unexpected};
    report.wrong_shape.insert(report.wrong_shape.end(), unread_.begin(), unread_.end());
    for (const ExpectedTensor& tensor : requested_)
      report.parameters += static_cast<std::uint64_t>(c10::multiply_integers(tensor.shape));
    add_weight_report(report);
    return;
  }
  const bool fits =
      missing_.empty() && mismatched_.empty() && unread_.empty() && unexpected.empty();
  if (fits && not_finite_.empty()) return;
  std::ostringstream out;
  out << '[' << where_ << "] the weights in " << files_.path().string()
      << (fits ? " are damaged:" : " do not fit the configuration:");
  list(out, "missing", missing_);
  list(out, "wrong shape", mismatched_);
  list(out, "wrong type", unread_);
  list(out, "unexpected", unexpected);
  list(out, "not finite", not_finite_);
  throw Error(HN_DATA_LOSS, out.str());
}

}  // namespace hn
