// The published SANA-Sprint transformers at full size in bfloat16, with random weights from a file:
// loading by mapping, a noise-network pass with an adapter on every linear layer, within a budget.
// Slow: 3 GB on the disk, some minutes. Prints the table of docs/results/memory.md.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "model.hpp"
#include "support/full_size.hpp"

namespace hn::sana {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(HN_SOURCE_DIR) / "tests/golden/sana_sprint/published";

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

  const test::RandomLora lora(transformer->layers(), transformer->proj_out_layer(), 16);
  const auto text = at::randn({1, 20, 2304}).to(at::kBFloat16);
  const auto noise = at::linspace(-2, 2, 32 * 16 * 16).view({1, 32, 16, 16});
  const auto costs = std::make_shared<BlockCosts>();
  const auto pass = [&](const Transformer& t, std::uint64_t budget) {
    return test::measure(noise, lora.leaves, budget, costs,
                         [&](const at::Tensor& x, BlockRunner& run) {
                           Caption caption;
                           caption.states = t.caption(text, lora.set);
                           return t(x.to(at::kBFloat16), caption, 1.0, 0.45, lora.set, &run);
                         });
  };
  const test::Measured full = pass(*transformer, 0);
  const test::Measured least =
      pass(*transformer, full.kept);  // measures: computes every block again
  const test::Measured half = pass(*transformer, (full.kept + least.kept) / 2);
  EXPECT_LE(half.kept, (full.kept + least.kept) / 2);
  EXPECT_LT(half.recomputed, least.recomputed);
  for (const test::Measured* p : {&least, &half}) {
    EXPECT_TRUE(at::equal(p->output, full.output));
    EXPECT_TRUE(at::equal(p->by_noise, full.by_noise));
  }
  const auto small = load(Quantise::kInt8, int8_taken, int8);
  const test::Measured coded = pass(*small, 0);
  std::printf("%s, 512 px, batch 1, bfloat16, rank 16 on %zu layers:\n", name.c_str(),
              lora.leaves.size() / 2);
  test::print("no budget", full);
  test::print("half", half);
  test::print("least", least);
  test::print("int8, no budget", coded);
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
