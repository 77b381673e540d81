// FLUX.1-schnell at its published widths with one block of each kind, and its autoencoder at full
// size, in bfloat16 with random weights from a file: what a block keeps and needs, the least
// budget, int8, one tile of the decoder. Slow: 1.2 GB on the disk, some minutes. Prints the tables
// of docs/results/memory.md.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <hn/nn/autoencoder_kl.hpp>
#include <hn/nn/byte_count.hpp>
#include <nlohmann/json.hpp>

#include "model.hpp"
#include "support/full_size.hpp"

namespace hn::flux {
namespace {

namespace fs = std::filesystem;
using test::megabytes;

const fs::path kPublished = fs::path(HN_SOURCE_DIR) / "tests/golden/flux_schnell/published";
constexpr std::int64_t kSide = 64;         // latents of a side at 512 px
constexpr std::int64_t kTextTokens = 256;  // the pipeline's
constexpr std::int64_t kRank = 16;

// The published widths with one block of each kind.
TransformerConfig short_config() {
  const fs::path file =
      fs::temp_directory_path() / ("hn_flux_config_" + std::to_string(::getpid()) + ".json");
  auto json = nlohmann::json::parse(std::ifstream(kPublished / "transformer/config.json"));
  json["num_layers"] = json["num_single_layers"] = 1;
  std::ofstream(file) << json;
  const auto config = TransformerConfig::read(file);
  fs::remove(file);
  return config;
}

// What a module's constructor asks for.
template <class Module, class Config>
std::vector<ExpectedTensor> wanted(const Config& config) {
  auto dry = WeightMap::dry({}, at::kBFloat16, "wanted");
  const Module module(config, dry);
  return dry.requested();
}

struct Loaded {
  std::unique_ptr<Transformer> transformer;
  std::uint64_t allocated = 0, bytes = 0;
};

Loaded load(const TransformerConfig& config, const fs::path& folder, Quantise kind) {
  const ByteCount count;
  Loaded loaded;
  WeightMap weights(SafetensorsFolder::open(folder), at::kBFloat16, at::kCPU, "flux_schnell");
  weights.set_quantise(kind);
  loaded.transformer = std::make_unique<Transformer>(config, weights);
  weights.finish();
  loaded.allocated = count.live();
  loaded.bytes = weights.bytes();
  return loaded;
}

TEST(FluxFullSize, ABlockOfEachKindTrainsWithinABudget) {
  at::manual_seed(2);
  const auto config = short_config();
  const test::RandomWeights random(wanted<Transformer>(config));
  const Loaded plain = load(config, random.folder(), Quantise::kNone);
  EXPECT_LT(plain.allocated, plain.bytes / 50) << "the file is the memory";

  const test::RandomLora lora(plain.transformer->layers(), plain.transformer->proj_out_layer(),
                              kRank);
  Text text{at::randn({1, kTextTokens, config.text_dim}).to(at::kBFloat16),
            at::randn({1, config.pooled_dim}).to(at::kBFloat16),
            {}};
  const auto costs = std::make_shared<BlockCosts>();
  const auto noise = at::linspace(-2, 2, config.latent_channels() * kSide * kSide)
                         .view({1, config.latent_channels(), kSide, kSide});
  const auto pass = [&](const Transformer& t, std::uint64_t budget) {
    return test::measure(noise, lora.leaves, budget, costs,
                         [&](const at::Tensor& x, BlockRunner& run) {
                           return t(x.to(at::kBFloat16), text, 1.0, 0, lora.set, run);
                         });
  };
  const test::Measured full = pass(*plain.transformer, 0);
  const test::Measured least = pass(*plain.transformer, full.kept);  // measures: every block again
  EXPECT_EQ(least.recomputed, 2u);
  EXPECT_TRUE(at::equal(least.output, full.output));
  EXPECT_TRUE(at::equal(least.by_noise, full.by_noise));
  const Loaded small = load(config, random.folder(), Quantise::kInt8);
  const test::Measured coded = pass(*small.transformer, 0);
  const test::Measured coded_least = pass(*small.transformer, 1 + least.kept);

  const auto input =
      static_cast<std::uint64_t>((kSide * kSide / 4 + kTextTokens) * config.width()) * 2;
  std::printf(
      "FLUX width %lld, one block of each kind, 512 px, batch 1, bfloat16, rank %lld on %zu "
      "layers:\n",
      static_cast<long long>(config.width()), static_cast<long long>(kRank),
      lora.leaves.size() / 2);
  test::print("no budget", full);
  test::print("least", least);
  test::print("int8, no budget", coded);
  test::print("int8, least", coded_least);
  const auto& extra = costs->record().extra;
  ASSERT_EQ(extra.size(), 2u);
  std::printf(
      "a block's input %.1f MB; keeping the double block adds %.1f MB (%.1f inputs), the single "
      "one %.1f MB (%.1f)\n",
      megabytes(input), megabytes(extra[0]),
      static_cast<double>(extra[0]) / static_cast<double>(input), megabytes(extra[1]),
      static_cast<double>(extra[1]) / static_cast<double>(input));
  std::printf(
      "weights %.1f MB, of them allocated %.1f MB; int8 %.1f MB, offset off by %.2g, gradient by "
      "noise by %.2g\n",
      megabytes(plain.bytes), megabytes(plain.allocated), megabytes(small.allocated),
      test::relative_error(coded.output, full.output),
      test::relative_error(coded.by_noise, full.by_noise));
  EXPECT_LT(least.kept, full.kept / 4);
  EXPECT_LT(small.bytes, plain.bytes * 6 / 10);
  EXPECT_LT(test::relative_error(coded.output, full.output), 0.1);
}

// One tile of 256 px is what a decoder in tiles holds at a time.
TEST(FluxFullSize, ATileOfTheDecoder) {
  at::manual_seed(3);
  const auto config = AutoencoderKLConfig::read(kPublished / "vae/config.json", "flux_schnell");
  const test::RandomWeights random(wanted<AutoencoderKL>(config));
  WeightMap weights(SafetensorsFolder::open(random.folder()), at::kBFloat16, at::kCPU, "vae");
  const AutoencoderKL vae(config, weights);
  weights.finish();
  const std::int64_t side = 256 / config.factor();
  const auto latents = at::randn({1, config.latent_channels, side, side}).to(at::kBFloat16);
  std::uint64_t least_peak = 0, whole_kept = 0;
  std::printf("decoder of %.1f MB, a tile of 256 px, bfloat16:\n", megabytes(weights.bytes()));
  for (const std::uint64_t budget : {std::uint64_t{0}, std::uint64_t{1} << 40}) {
    const auto m =
        test::measure(latents, {}, budget, std::make_shared<BlockCosts>(),
                      [&](const at::Tensor& x, BlockRunner& run) { return vae.decode(x, &run); });
    EXPECT_TRUE(at::isfinite(m.by_noise).all().item<bool>());
    test::print(budget == 0 ? "whole graph" : "every block again", m);
    (budget == 0 ? whole_kept : least_peak) = budget == 0 ? m.kept : m.peak;
  }
  EXPECT_LT(least_peak, whole_kept);
}

}  // namespace
}  // namespace hn::flux
