// Tensors that Python and C++ compute alike from a name and a shape; see counter_weights.py, whose
// functions these are.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <hn/formats/safetensors.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace counter {

inline std::uint64_t fnv1a64(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

inline std::string hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(number));
  return text;
}

// float32 in [-1, 1).
inline at::Tensor uniform(const std::string& name, at::IntArrayRef shape) {
  auto tensor = at::empty(shape, at::kFloat);
  float* out = tensor.mutable_data_ptr<float>();
  std::uint64_t state = fnv1a64(name);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    state += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    out[i] = static_cast<float>((static_cast<double>(z >> 40) - 8388608.0) / 8388608.0);
  }
  return tensor;
}

// float32 of unit variance (uniform).
inline at::Tensor noise(const std::string& name, at::IntArrayRef shape) {
  return (uniform(name, shape).to(at::kDouble) * std::sqrt(3.0)).to(at::kFloat);
}

// A weight of sane size.
inline at::Tensor weight(const std::string& name, at::IntArrayRef shape) {
  const auto u = uniform(name, shape).to(at::kDouble);
  const bool embedding = name.find("embedding") != std::string::npos && shape.size() == 2 &&
                         name.find("linear") == std::string::npos;
  if (embedding) return u.to(at::kFloat);
  if (shape.size() >= 2) {
    const std::int64_t inputs = u.numel() / shape[0];
    const auto fan_in = static_cast<double>(inputs);
    return (u * std::sqrt(1.0 / fan_in)).to(at::kFloat);
  }
  return (name.ends_with("weight") ? 1.0 + 0.3 * u : 0.3 * u).to(at::kFloat);
}

// The file of the weights PREFIX/NAME, for a list of {name, shape}.
template <class List>
void write_weights(const std::filesystem::path& file, const std::string& prefix, const List& list) {
  std::vector<at::Tensor> tensors;
  std::vector<hn::TensorToWrite> entries;
  for (const auto& [name, shape] : list) {
    tensors.push_back(weight(prefix + "/" + name, shape));
    entries.push_back({name, hn::TensorDtype::kF32, std::vector<std::int64_t>(shape),
                       tensors.back().const_data_ptr(), tensors.back().nbytes()});
  }
  hn::write_safetensors(file, entries);
}

// The number of inventory() in Python, for a list of {name, shape}.
template <class List>
std::string inventory(const List& list) {
  std::vector<std::string> lines;
  for (const auto& [name, shape] : list) {
    std::string sizes;
    for (const std::int64_t d : shape) sizes += (sizes.empty() ? "" : "x") + std::to_string(d);
    lines.push_back(name + " " + sizes);
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "\n") + line;
  return std::to_string(lines.size()) + ":" + hex(fnv1a64(text));
}

// What a golden holds of a tensor too large to be stored: its products with kProbes directions.
inline constexpr std::int64_t kProbes = 8;
inline at::Tensor probes(const std::string& key, const at::Tensor& tensor,
                         std::int64_t count = kProbes) {
  const auto flat = tensor.detach().to(at::kDouble).flatten();
  std::vector<at::Tensor> products;
  for (std::int64_t i = 0; i < count; ++i)
    products.push_back(
        (flat * uniform("probe/" + key + "/" + std::to_string(i), flat.sizes()).to(at::kDouble))
            .sum());
  return at::stack(products);
}

}  // namespace counter
