#include "files/tensor_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace hn::host {
namespace {

float from_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const int fraction = bits & 0x3ff;
  float value = 0;
  if (exponent == 0x1f) {
    value = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    value = std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

template <class Number>
Number element(const std::byte* data, std::size_t index) {
  Number value;  // the file's data need not be aligned
  std::memcpy(&value, data + index * sizeof(Number), sizeof(Number));
  return value;
}

// "[3,0,2,1]" of the element in row-major order.
std::string place_words(const core::Tensor& tensor, std::size_t index) {
  std::string out;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    const auto side = static_cast<std::size_t>(tensor.shape[i]);
    out = std::to_string(index % side) + (out.empty() ? "" : ",") + out;
    index /= side;
  }
  return "[" + out + "]";
}

std::string shape_words(const std::vector<std::int64_t>& shape) {
  std::string out = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    out += (i == 0 ? "" : ",") + (shape[i] < 0 ? std::string("B") : std::to_string(shape[i]));
  return out + ")";
}

}  // namespace

core::Tensor to_float32(const TensorView& view, const std::filesystem::path& file) {
  core::Tensor out;
  out.shape = view.shape;
  const auto n = static_cast<std::size_t>(view.numel());
  out.data.resize(n);
  const auto fill = [&](auto read) {
    for (std::size_t i = 0; i < n; ++i) out.data[i] = read(i);
  };
  switch (view.dtype) {
    case TensorDtype::kF32:
      fill([&](std::size_t i) { return element<float>(view.data, i); });
      break;
    case TensorDtype::kF64:
      fill([&](std::size_t i) { return static_cast<float>(element<double>(view.data, i)); });
      break;
    case TensorDtype::kF16:
      fill([&](std::size_t i) { return from_half(element<std::uint16_t>(view.data, i)); });
      break;
    case TensorDtype::kBF16:
      fill([&](std::size_t i) {
        return std::bit_cast<float>(std::uint32_t{element<std::uint16_t>(view.data, i)} << 16);
      });
      break;
    default:
      throw Error(HN_UNSUPPORTED, "[" + file.string() + ": " + view.name +
                                      "] expected F32, F64, F16 or BF16, got " +
                                      std::string(view.dtype_string()));
  }
  return out;
}

core::Tensor read_tensor(const std::filesystem::path& file, const std::string& name) {
  const SafetensorsFile opened = SafetensorsFile::open(file);
  return to_float32(opened.at(name), file);
}

std::optional<core::Tensor> find_tensor(const std::filesystem::path& file,
                                        const std::string& name) {
  const SafetensorsFile opened = SafetensorsFile::open(file);
  const TensorView* view = opened.find(name);
  if (view == nullptr) return std::nullopt;
  return to_float32(*view, file);
}

void write_tensor(const std::filesystem::path& file, const std::string& name,
                  const std::vector<std::int64_t>& shape, const std::vector<float>& data) {
  const std::array<TensorToWrite, 1> one = {
      TensorToWrite{name, TensorDtype::kF32, shape, data.data(), data.size() * sizeof(float)}};
  write_safetensors(file, one);
}

void require_finite(const core::Tensor& tensor, const std::string& where) {
  std::size_t bad = 0, first = 0;
  for (std::size_t i = 0; i < tensor.data.size(); ++i)
    if (!std::isfinite(tensor.data[i]) && bad++ == 0) first = i;
  if (bad == 0) return;
  const float value = tensor.data[first];
  throw Error(HN_INVALID_ARGUMENT, "[" + where + "] expected finite numbers, got " +
                                       (std::isnan(value) ? "nan"
                                        : value > 0       ? "inf"
                                                          : "-inf") +
                                       " at " + place_words(tensor, first) + "; " +
                                       std::to_string(bad) + " of " +
                                       std::to_string(tensor.data.size()) + " are not finite");
}

void require_pictures(const core::Tensor& images, const std::string& where) {
  require_finite(images, where);
  if (images.data.empty()) return;
  const auto [low, high] = std::minmax_element(images.data.begin(), images.data.end());
  if (*low >= -kPictureSlack && *high <= 1 + kPictureSlack) return;
  const bool below = *low < -kPictureSlack;
  const auto worst = below ? low : high;
  throw Error(HN_INVALID_ARGUMENT,
              "[" + where + "] expected numbers from 0 to 1, got " + std::to_string(*low) + " to " +
                  std::to_string(*high) + ", such as that at " +
                  place_words(images, static_cast<std::size_t>(worst - images.data.begin())));
}

void expect_shape(const core::Tensor& tensor, const std::vector<std::int64_t>& wanted,
                  const std::string& where) {
  bool same = tensor.shape.size() == wanted.size();
  for (std::size_t i = 0; same && i < wanted.size(); ++i)
    same = wanted[i] < 0 || tensor.shape[i] == wanted[i];
  if (!same)
    throw Error(HN_INVALID_ARGUMENT, "[" + where + "] expected shape " + shape_words(wanted) +
                                         ", got " + shape_words(tensor.shape));
}

}  // namespace hn::host
