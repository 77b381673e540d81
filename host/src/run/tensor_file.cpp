#include "run/tensor_file.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace hn::run {
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

void expect_shape(const core::Tensor& tensor, const std::vector<std::int64_t>& wanted,
                  const std::string& where) {
  bool same = tensor.shape.size() == wanted.size();
  for (std::size_t i = 0; same && i < wanted.size(); ++i)
    same = wanted[i] < 0 || tensor.shape[i] == wanted[i];
  if (!same)
    throw Error(HN_INVALID_ARGUMENT, "[" + where + "] expected shape " + shape_words(wanted) +
                                         ", got " + shape_words(tensor.shape));
}

}  // namespace hn::run
