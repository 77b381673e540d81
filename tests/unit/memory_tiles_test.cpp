// sdk/nn/tiles: seams, gradients, memory of one tile at a time, options; and
// pass_bytes, which draws measurements out. Parity with diffusers: the generators' golden tests.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <hn/nn/byte_count.hpp>
#include <hn/nn/pass_bytes.hpp>
#include <hn/nn/tiles.hpp>

#include "unit/memory_support.hpp"

namespace hn {
namespace {

// A decoder whose pixels depend on their own latent alone: tiles then change nothing.
at::Tensor local(const at::Tensor& latents) {
  const auto y = at::tanh(latents.narrow(1, 0, 3) * 2 + latents.narrow(1, 1, 3));
  return at::upsample_nearest2d(y, {latents.size(2) * 2, latents.size(3) * 2});
}

TEST(Tiles, OfALocalDecoderGiveThePictureAndItsGradient) {
  for (const auto& [tile, stride, height, width] :
       std::vector<std::array<std::int64_t, 4>>{{4, 3, 9, 7}, {4, 4, 8, 5}, {5, 1, 6, 3}}) {
    const auto z = at::randn({2, 4, height, width}).set_requires_grad(true);
    BlockRunner run;
    const auto picture = decode_in_tiles(z, {tile, stride}, 2, local, run), whole = local(z);
    ASSERT_EQ(picture.sizes(), whole.sizes());
    EXPECT_LE((picture - whole).abs().max().item<double>(), 1e-6);
    const auto cotangent = at::randn(whole.sizes());
    const auto got = torch::autograd::grad({picture}, {z}, {cotangent})[0],
               want = torch::autograd::grad({whole}, {z}, {cotangent})[0];
    EXPECT_LE((got - want).abs().max().item<double>(), 1e-5);
  }
}

TEST(Tiles, BlendNeighboursLinearly) {
  // Each tile is one colour, its number; two tiles that overlap by 2 latents of 2 pixels each.
  double number = 0;
  const auto decode = [&](const at::Tensor& tile) {
    return at::full({1, 3, tile.size(2) * 2, tile.size(3) * 2}, number++);
  };
  BlockRunner run;
  const auto row =
      decode_in_tiles(at::zeros({1, 4, 1, 5}), {4, 2}, 2, decode, run).select(1, 0)[0][0];
  // Tiles 0, 1, 2 begin at pixels 0, 4 and 8; a tile fades in over 4 pixels in quarters. The third
  // fades over 2, all it has, from what the second has become.
  const auto want = at::tensor({0., 0., 0., 0., 0., .25, .5, .75, 1., 1.5}, at::kFloat);
  EXPECT_TRUE(at::allclose(row, want)) << row;
}

TEST(Tiles, HoldOneTileAtATime) {
  const auto decode = [](const at::Tensor& tile) {
    auto x = at::upsample_nearest2d(tile.narrow(1, 0, 3), {tile.size(2) * 8, tile.size(3) * 8});
    for (int i = 0; i < 20; ++i) x = at::sin(x);  // each keeps its input
    return x;
  };
  const auto z = at::randn({1, 4, 32, 32}).set_requires_grad(true);
  const auto bytes = [&](bool tiled) {
    return measure_pass(
        [&](const Tensors& in, BlockRunner& run) {
          return Tensors{tiled ? decode_in_tiles(in[0], {8, 7}, 8, decode, run) : decode(in[0])};
        },
        {z}, 0);
  };
  const auto whole = bytes(false), tiled = bytes(true);
  const std::uint64_t picture = 3 * 256 * 256 * 4;
  EXPECT_GE(whole.saved, 20 * picture);
  EXPECT_LE(tiled.saved, 3 * picture) << "the picture and what its seams need";
  EXPECT_LE(tiled.peak, 8 * picture) << "and one tile of 1/16 of it";
}

TEST(Tiles, OptionsThatDoNotFitAreNamed) {
  using test::config_of;
  using test::expect_error;
  const auto read = [](const test::Options& options, std::int64_t factor, std::int64_t share) {
    return make_tiling(tile_option(config_of(options)), factor, share);
  };
  using I = std::int64_t;
  EXPECT_EQ(read({}, 32, 8).tile, 0);
  EXPECT_FALSE(read({}, 32, 8).cuts(1000, 1000));
  const Tiling dc = read({{"vae_tile", I{512}}}, 32, 8), kl = read({{"vae_tile", I{512}}}, 8, 4);
  EXPECT_EQ(dc.tile, 16);
  EXPECT_EQ(dc.stride, 14) << "512 and 448 pixels, as AutoencoderDC";
  EXPECT_EQ(kl.tile, 64);
  EXPECT_EQ(kl.stride, 48) << "a quarter, as AutoencoderKL";
  EXPECT_FALSE(dc.cuts(16, 16));
  EXPECT_TRUE(dc.cuts(16, 17));
  EXPECT_EQ(read({{"vae_tile", I{64}}, {"vae_tile_overlap", I{0}}}, 8, 4).stride, 8);
  expect_error(HN_INVALID_ARGUMENT, {"vae_tile", "multiple of 32, got 48"}, [&] {
    read({{"vae_tile", I{48}}}, 32, 8);
  });
  expect_error(HN_INVALID_ARGUMENT, {"vae_tile", "got -8"}, [&] {
    read({{"vae_tile", I{-8}}}, 8, 8);
  });
  for (const I overlap : {I{64}, I{-8}, I{4}})
    expect_error(HN_INVALID_ARGUMENT, {"vae_tile_overlap", "got " + std::to_string(overlap)}, [&] {
      read({{"vae_tile", I{64}}, {"vae_tile_overlap", overlap}}, 8, 8);
    });
}

TEST(PassBytes, ALineThroughTwoMeasurements) {
  const MeasuredBytes a{1000, 1500}, b{3000, 3900};
  EXPECT_EQ(draw_out(a, 10, b, 30, 100).saved, 10000u);
  EXPECT_EQ(draw_out(a, 10, b, 30, 100).peak, 12300u);
  EXPECT_EQ(draw_out(a, 10, b, 30, 10).saved, 1000u);
  EXPECT_EQ(draw_out(b, 10, a, 30, 100).saved, 1000u) << "never below what was measured";
  EXPECT_EQ(draw_out(b, 10, b, 10, 5).saved, 3000u);
}

TEST(PassBytes, APassWithoutRoomIsMoreThanAnyBudget) {
  EXPECT_EQ(measured_or_too_many([] { return MeasuredBytes{7, 9}; }).saved, 7u);
  const auto full = measured_or_too_many([]() -> MeasuredBytes {
    TORCH_CHECK_WITH(OutOfMemoryError, false, "no room");
    return {};
  });
  EXPECT_EQ(full.saved, kTooManyBytes);
  EXPECT_EQ(full.peak, kTooManyBytes);
  EXPECT_THROW(measured_or_too_many([]() -> MeasuredBytes {
                 TORCH_CHECK(false, "something else");
                 return {};
               }),
               c10::Error);
}

}  // namespace
}  // namespace hn
