// Models of published sizes with random weights: what their tests share.
#pragma once

#include <ATen/ATen.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "support/tensor_list.hpp"

namespace hn::test {

// A folder with model.safetensors in bfloat16; gone with the object. Every tensor reads the same
// random numbers, so that the file is made without its own size in memory.
class RandomWeights {
 public:
  explicit RandomWeights(const std::vector<ExpectedTensor>& tensors)
      : folder_(std::filesystem::temp_directory_path() /
                ("hn_full_size_" + std::to_string(::getpid()) + "_" + std::to_string(++made()))) {
    std::int64_t most = 0;
    for (const auto& t : tensors) most = std::max(most, count_numbers({t}));
    const auto numbers = (at::randn({most}) * 0.02).to(at::kBFloat16);
    std::vector<TensorToWrite> list;
    for (const auto& t : tensors)
      list.push_back({t.name, TensorDtype::kBF16, t.shape, numbers.const_data_ptr(),
                      static_cast<std::uint64_t>(count_numbers({t})) * 2});
    std::filesystem::create_directories(folder_);
    write_safetensors(folder_ / "model.safetensors", list);
  }
  ~RandomWeights() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  RandomWeights(const RandomWeights&) = delete;
  RandomWeights& operator=(const RandomWeights&) = delete;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  static int& made() {
    static int count = 0;
    return count;
  }
  std::filesystem::path folder_;
};

// The Euclidean size of what `got` is off by, over that of `want`.
inline double relative_error(const at::Tensor& got, const at::Tensor& want) {
  return ((got.to(at::kFloat) - want.to(at::kFloat)).norm() / want.to(at::kFloat).norm())
      .item<double>();
}

inline double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace hn::test
