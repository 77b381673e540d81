// Reads what tests/support/tensor_list.py writes: names and shapes of a published checkpoint.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <hn/formats/safetensors.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace hn::test {

// "a.{0-2}.b" -> a.0.b, a.1.b, a.2.b; several runs are nested.
inline void expand_runs(const std::string& name, std::vector<std::string>& into) {
  const auto open = name.find('{');
  if (open == std::string::npos) {
    into.push_back(name);
    return;
  }
  const auto dash = name.find('-', open), close = name.find('}', open);
  if (dash == std::string::npos || close == std::string::npos || dash > close)
    throw std::runtime_error("[tensor_list] expected {A-B}, got " + name);
  const int last = std::stoi(name.substr(dash + 1, close - dash - 1));
  for (int i = std::stoi(name.substr(open + 1, dash - open - 1)); i <= last; ++i)
    expand_runs(name.substr(0, open) + std::to_string(i) + name.substr(close + 1), into);
}

inline std::vector<ExpectedTensor> read_tensor_list(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("[tensor_list] cannot read " + path.string());
  std::vector<ExpectedTensor> tensors;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const auto space = line.find(" [");
    if (space == std::string::npos)
      throw std::runtime_error("[tensor_list] expected NAME [SHAPE], got " + line);
    std::vector<std::int64_t> shape;
    const char* at = line.c_str() + space + 2;
    while (*at != ']' && *at != '\0') {
      char* end = nullptr;
      shape.push_back(std::strtoll(at, &end, 10));
      if (end == at) throw std::runtime_error("[tensor_list] expected a shape, got " + line);
      at = *end == ',' ? end + 1 : end;
    }
    std::vector<std::string> names;
    expand_runs(line.substr(0, space), names);
    for (auto& name : names) tensors.push_back({std::move(name), shape});
  }
  return tensors;
}

// Numbers in all of them.
inline std::int64_t count_numbers(const std::vector<ExpectedTensor>& tensors) {
  std::int64_t total = 0;
  for (const auto& tensor : tensors) {
    std::int64_t numbers = 1;
    for (const std::int64_t size : tensor.shape) numbers *= size;
    total += numbers;
  }
  return total;
}

}  // namespace hn::test
