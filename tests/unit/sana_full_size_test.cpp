// The published SANA-Sprint transformers at full size in bfloat16, with random weights from a file:
// loading by mapping, a noise-network pass with an adapter on every linear layer, within a budget.
// Slow: 3 GB on the disk, some minutes. Prints the table of docs/results/memory.md.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <cstdio>

#include "model.hpp"
#include "support/full_size.hpp"
#include <hn/nn/byte_count.hpp>

namespace hn::sana {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(HN_SOURCE_DIR) / "tests/golden/sana_sprint/published";

struct Pass {
  at::Tensor output, by_noise;
  std::uint64_t kept = 0, peak = 0;
  std::size_t recomputed = 0;
  double seconds = 0;
};

class FullSize : public testing::TestWithParam<const char*> {};

TEST_P(FullSize, ANoiseNetworkTrainsWithinABudget) {
  const std::string name = GetParam();
  const auto tensors = test::read_tensor_list(kFolder / (name + ".tensors"));
  const test::RandomWeights random(tensors);
  at::manual_seed(2);
  const auto load = [&](Quantise kind, std::uint64_t& taken, std::uint64_t& held) {
    const ByteCount count;
    WeightMap weights(SafetensorsFolder::open(random.folder()), at::kBFloat16, at::kCPU,
                      "sana_sprint");
    weights.set_quantise(kind);
    auto t =
        std::make_unique<Transformer>(TransformerConfig::read(kFolder / (name + ".json")), weights);
    weights.finish();
    t->prepare();
    taken = count.live();
    held = weights.bytes();
    return t;
  };
  std::uint64_t mapped_taken = 0, mapped = 0, int8_taken = 0, int8 = 0;
  const auto transformer = load(Quantise::kNone, mapped_taken, mapped);
  EXPECT_LT(mapped_taken, mapped / 50) << "the file is the memory";

  LoraSet lora(transformer->layers().size(), 2.0, transformer->proj_out_layer());
  std::vector<at::Tensor> leaves;
  for (const int i : match_targets(transformer->layers(), std::vector<std::string>{"all-linear"})) {
    const LayerInfo& layer = transformer->layers()[static_cast<std::size_t>(i)];
    for (const auto& shape : {lora_a_shape(layer, 16), lora_b_shape(layer, 16, false)})
      leaves.push_back((at::randn(shape) * 0.02).set_requires_grad(true));
    lora.set(i, leaves[leaves.size() - 2], leaves.back());
  }
  const auto text = at::randn({1, 20, 2304}).to(at::kBFloat16);
  const auto costs = std::make_shared<BlockCosts>();
  const auto pass = [&](const Transformer& t, std::uint64_t budget) {
    Pass p;
    const auto begin = std::chrono::steady_clock::now();
    const auto noise =
        at::linspace(-2, 2, 32 * 16 * 16).view({1, 32, 16, 16}).set_requires_grad(true);
    const ByteCount count;
    BlockRunner run(budget, costs, {1});
    Caption caption;
    caption.states = t.caption(text, lora);
    p.output = t(noise.to(at::kBFloat16), caption, 1.0, 0.45, lora, &run);
    p.kept = count.live();
    run.finish(p.kept, "full size");
    p.recomputed = run.recomputed();
    auto by = leaves;
    by.push_back(noise);
    const auto grads = torch::autograd::grad({p.output.to(at::kFloat).square().sum()}, by);
    p.by_noise = grads.back();
    p.peak = count.peak();
    p.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return p;
  };
  const Pass full = pass(*transformer, 0);
  const Pass least = pass(*transformer, full.kept);  // measures: computes every block again
  const Pass half = pass(*transformer, (full.kept + least.kept) / 2);
  EXPECT_LE(half.kept, (full.kept + least.kept) / 2);
  EXPECT_LT(half.recomputed, least.recomputed);
  for (const Pass* p : {&least, &half}) {
    EXPECT_TRUE(at::equal(p->output, full.output));
    EXPECT_TRUE(at::equal(p->by_noise, full.by_noise));
  }
  const auto small = load(Quantise::kInt8, int8_taken, int8);
  const Pass coded = pass(*small, 0);
  std::printf("%s, 512 px, batch 1, bfloat16, rank 16 on %zu layers:\n", name.c_str(),
              leaves.size() / 2);
  const auto row = [](const char* what, const Pass& p) {
    std::printf("| %s | %.1f MB | %.1f MB | %zu | %.1f s |\n", what, test::megabytes(p.kept),
                test::megabytes(p.peak), p.recomputed, p.seconds);
  };
  row("no budget", full);
  row("half", half);
  row("least", least);
  row("int8, no budget", coded);
  std::printf(
      "weights %.1f MB, of them allocated %.1f MB; int8 %.1f MB, offset off by %.2g, "
      "gradient by noise by %.2g\n",
      test::megabytes(mapped), test::megabytes(mapped_taken), test::megabytes(int8_taken),
      test::relative_error(coded.output, full.output),
      test::relative_error(coded.by_noise, full.by_noise));
  EXPECT_LT(int8, mapped * 6 / 10);
}

INSTANTIATE_TEST_SUITE_P(Published, FullSize,
                         testing::Values("transformer_0.6b", "transformer_1.6b"),
                         [](const auto& info) {
                           return info.index == 0 ? std::string("small") : std::string("large");
                         });

}  // namespace
}  // namespace hn::sana
