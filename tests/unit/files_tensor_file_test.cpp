#include <array>
#include <bit>
#include <cmath>

#include "files/tensor_file.hpp"
#include "run/adapter_folder.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::TestFolder;

TEST(TensorFile, RoundTrip) {
  const TestFolder folder;
  const auto file = folder.path() / "t.safetensors";
  write_tensor(file, "noise", {2, 1, 1, 2}, {1, -2, 3.5f, 0});
  const core::Tensor back = read_tensor(file, "noise");
  EXPECT_EQ(back.shape, (std::vector<std::int64_t>{2, 1, 1, 2}));
  EXPECT_EQ(back.data, (std::vector<float>{1, -2, 3.5f, 0}));
  EXPECT_FALSE(find_tensor(file, "step_noise").has_value());
  expect_error(HN_NOT_FOUND, {"noise"}, [&] { read_tensor(file, "nois"); });
}

TEST(TensorFile, OtherDtypes) {
  const TestFolder folder;
  const auto file = folder.path() / "t.safetensors";
  const std::array<double, 2> f64 = {0.25, -8};
  // 1.5, -2, the smallest subnormal, inf, NaN
  const std::array<std::uint16_t, 5> f16 = {0x3e00, 0xc000, 0x0001, 0x7c00, 0x7e00};
  const std::array<std::uint16_t, 2> bf16 = {0x3fc0, 0xc000};
  const std::array<std::int32_t, 1> i32 = {1};
  const std::array<TensorToWrite, 4> all = {
      TensorToWrite{"f64", TensorDtype::kF64, {2}, f64.data(), sizeof(f64)},
      TensorToWrite{"f16", TensorDtype::kF16, {5}, f16.data(), sizeof(f16)},
      TensorToWrite{"bf16", TensorDtype::kBF16, {2}, bf16.data(), sizeof(bf16)},
      TensorToWrite{"i32", TensorDtype::kI32, {1}, i32.data(), sizeof(i32)}};
  write_safetensors(file, all);
  EXPECT_EQ(read_tensor(file, "f64").data, (std::vector<float>{0.25f, -8}));
  EXPECT_EQ(read_tensor(file, "bf16").data, (std::vector<float>{1.5f, -2}));
  const auto half = read_tensor(file, "f16").data;
  EXPECT_EQ(half[0], 1.5f);
  EXPECT_EQ(half[1], -2.0f);
  EXPECT_EQ(half[2], std::ldexp(1.0f, -24));
  EXPECT_TRUE(std::isinf(half[3]));
  EXPECT_TRUE(std::isnan(half[4]));
  expect_error(HN_UNSUPPORTED, {"i32", "I32"}, [&] { read_tensor(file, "i32"); });
}

TEST(TensorFile, ShapesAreNamed) {
  core::Tensor tensor;
  tensor.shape = {4, 16, 9, 8};
  EXPECT_NO_THROW(expect_shape(tensor, {-1, 16, 9, 8}, "x"));
  expect_error(HN_INVALID_ARGUMENT, {"[f: noise]", "(B,16,8,8)", "(4,16,9,8)"}, [&] {
    expect_shape(tensor, {-1, 16, 8, 8}, "f: noise");
  });
}

TEST(TensorFile, WhatIsNotFiniteIsNamedWithItsPlace) {
  core::Tensor tensor{{2, 3, 1, 2}, std::vector<float>(12, 0.5f)};
  EXPECT_NO_THROW(require_finite(tensor, "x"));
  tensor.data[9] = -INFINITY;
  tensor.data[11] = NAN;
  expect_error(
      HN_INVALID_ARGUMENT,
      {"[f: noise] expected finite numbers, got -inf at [1,1,0,1]", "2 of 12 are not finite"},
      [&] { require_finite(tensor, "f: noise"); });
  expect_error(HN_INVALID_ARGUMENT, {"[f: images] expected finite numbers"},
               [&] { require_pictures(tensor, "f: images"); });
}

TEST(TensorFile, PicturesOfAnotherRangeAreNamed) {
  core::Tensor images{{1, 3, 1, 2}, {0, 1, -0.1f, 1.1f, 0.5f, 0.5f}};
  EXPECT_NO_THROW(require_pictures(images, "x")) << "what resizing overshoots by";
  images.data[4] = 255;
  expect_error(HN_INVALID_ARGUMENT,
               {"[f: images] expected numbers from 0 to 1, got -0.1", "255", "[0,2,0,0]"},
               [&] { require_pictures(images, "f: images"); });
  images.data[4] = -1;
  expect_error(HN_INVALID_ARGUMENT, {"expected numbers from 0 to 1, got -1", "[0,2,0,0]"},
               [&] { require_pictures(images, "f: images"); });
}

TEST(AdapterFolder, IsFoundAndKnown) {
  const TestFolder folder;
  const auto path = folder.path() / "run" / "adapter";
  std::filesystem::create_directories(path);
  const std::vector<float> zeros(8);
  const std::vector<TensorToWrite> tensors = {
      {"base_model.model.a.to_q.lora_A.weight", TensorDtype::kF32, {2, 4}, zeros.data(), 32},
      {"base_model.model.a.to_q.lora_B.weight", TensorDtype::kF32, {4, 2}, zeros.data(), 32}};
  write_safetensors(path / "adapter_model.safetensors", tensors, {{"hn.net", "finetune"}});
  std::ofstream(path / "adapter_config.json")
      << R"({"r": 2, "lora_alpha": 4, "peft_type": "LORA"})";
  EXPECT_EQ(adapter_path(folder.path() / "run"), path);
  EXPECT_EQ(adapter_path(path), path);
  EXPECT_EQ(adapter_path(path / "adapter_model.safetensors"), path / "adapter_model.safetensors");
  EXPECT_EQ(adapter_kind(path, ""), core::NetKind::kFinetune) << "the file says so";
  EXPECT_EQ(adapter_kind(path, "hypernet"), core::NetKind::kHypernet);
  expect_error(HN_INVALID_ARGUMENT, {"kind", "'x'"}, [&] { adapter_kind(path, "x"); });
  write_safetensors(path / "adapter_model.safetensors", tensors);
  EXPECT_EQ(adapter_kind(path, ""), core::NetKind::kHypernet) << "peft's";
  expect_error(HN_NOT_FOUND, {"adapter_model.safetensors", "pytorch_lora_weights.safetensors"},
               [&] { adapter_path(folder.path()); });
  write_safetensors(folder.path() / "pytorch_lora_weights.safetensors", tensors);
  EXPECT_EQ(adapter_path(folder.path()), folder.path());
  EXPECT_EQ(adapter_kind(folder.path(), ""), core::NetKind::kFinetune) << "diffusers'";
}

TEST(AdapterFolder, OfANoiseNetworkSaysItsKind) {
  const TestFolder folder;
  const auto path = folder.path() / "run" / "adapter";
  std::filesystem::create_directories(path);
  std::ofstream(path / "noise_net.safetensors") << "x";
  std::ofstream(path / "noise_net.json") << R"({"type": "constant"})";
  for (const auto& given :
       {folder.path() / "run", path, path / "noise_net.json", path / "noise_net.safetensors"})
    EXPECT_EQ(adapter_path(given), path) << given;
  EXPECT_EQ(adapter_kind(path, ""), core::NetKind::kConstant);
  EXPECT_EQ(adapter_kind(path, "constant"), core::NetKind::kConstant);
  expect_error(HN_INVALID_ARGUMENT, {"has a noise network of type constant, got 'finetune'"},
               [&] { adapter_kind(path, "finetune"); });
  std::ofstream(path / "noise_net.json") << R"({"type": "low-frequency"})";
  EXPECT_EQ(adapter_kind(path, ""), core::NetKind::kLowFrequency);
  std::ofstream(path / "noise_net.json") << R"({"type": "hypernet"})";
  expect_error(HN_DATA_LOSS, {"noise_net.json", "expected \"low-frequency\" or \"constant\""},
               [&] { adapter_kind(path, ""); });
  std::ofstream(path / "noise_net.json") << "{";
  expect_error(HN_DATA_LOSS, {"noise_net.json"}, [&] { adapter_kind(path, ""); });
}

}  // namespace
}  // namespace hn::host
