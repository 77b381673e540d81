// Models of published sizes with random weights: what their tests share, and what a pass of one
// keeps and needs.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <hn/nn/byte_count.hpp>
#include <hn/nn/checkpoint.hpp>
#include <hn/nn/lora.hpp>
#include <memory>
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

// A noise network's adapter on every linear layer, and its matrices as leaves.
struct RandomLora {
  RandomLora(const std::vector<LayerInfo>& layers, int output_layer, std::int64_t rank)
      : set(layers.size(), 2.0, output_layer) {
    for (const int i : match_targets(layers, std::vector<std::string>{"all-linear"})) {
      const LayerInfo& layer = layers[static_cast<std::size_t>(i)];
      for (const auto& shape : {lora_a_shape(layer, rank), lora_b_shape(layer, rank, false)})
        leaves.push_back((at::randn(shape) * 0.02).set_requires_grad(true));
      set.set(i, leaves[leaves.size() - 2], leaves.back());
    }
  }
  LoraSet set;
  std::vector<at::Tensor> leaves;
};

// One forward and backward.
struct Measured {
  at::Tensor output, by_noise;
  std::uint64_t kept = 0, peak = 0;
  std::size_t recomputed = 0;
  double seconds = 0;
};
// budget: BlockRunner's. `by`: what gradients are taken by beside the noise.
inline Measured measure(const at::Tensor& noise, const std::vector<at::Tensor>& by,
                        std::uint64_t budget, const std::shared_ptr<BlockCosts>& costs,
                        const std::function<at::Tensor(const at::Tensor&, BlockRunner&)>& forward) {
  Measured m;
  const auto begin = std::chrono::steady_clock::now();
  const auto x = noise.detach().clone().set_requires_grad(true);
  const ByteCount count;
  BlockRunner run(budget, costs, {1});
  m.output = forward(x, run);
  m.kept = count.live();
  if (budget > 0) run.finish(m.kept, "full size");
  m.recomputed = run.recomputed();
  auto leaves = by;
  leaves.push_back(x);
  const auto grads = torch::autograd::grad({m.output.to(at::kFloat).square().sum()}, leaves);
  m.by_noise = grads.back();
  m.peak = count.peak();
  m.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return m;
}

inline double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

// A row of the tables of docs/results/memory.md.
inline void print(const char* what, const Measured& m) {
  std::printf("| %s | %.1f MB | %.1f MB | %zu | %.1f s |\n", what, megabytes(m.kept),
              megabytes(m.peak), m.recomputed, m.seconds);
  std::fflush(stdout);
}

}  // namespace hn::test
