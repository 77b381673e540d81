// sdk/nn/weight_map: weights as mappings, the memory that loading takes, dry runs.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <hn/nn/byte_count.hpp>
#include <hn/nn/weight_map.hpp>

#include "support/tensor_list.hpp"
#include "unit/memory_support.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;

// One file of tensors "w0", "w1", ... of these shapes, filled by number.
std::vector<at::Tensor> write(const std::filesystem::path& file, at::ScalarType type,
                              TensorDtype stored, const std::vector<std::vector<std::int64_t>>& s) {
  std::vector<at::Tensor> made;
  std::vector<TensorToWrite> list;
  for (std::size_t i = 0; i < s.size(); ++i) {
    made.push_back(at::randn(s[i]).to(type));
    list.push_back({"w" + std::to_string(i), stored, s[i], made.back().const_data_ptr(),
                    made.back().nbytes()});
  }
  write_safetensors(file, list);
  return made;
}

WeightMap open(const std::filesystem::path& file, at::ScalarType type,
               at::Device device = at::kCPU) {
  return {SafetensorsFolder::open(file), type, device, "test"};
}

TEST(Weights, OfTheWantedTypeAreTheFileItself) {
  const TestFolder folder;
  const auto file = folder.path() / "model.safetensors";
  const auto made =
      write(file, at::kBFloat16, TensorDtype::kBF16, {{300, 400}, {7}, {0, 3}, {2, 2}});
  std::vector<at::Tensor> taken;
  {
    auto weights = open(file, at::kBFloat16);
    const ByteCount count;
    for (std::size_t i = 0; i < made.size(); ++i)
      taken.push_back(weights.take("w" + std::to_string(i), made[i].sizes()));
    weights.finish();
    EXPECT_LE(count.peak(), 16u) << "nothing is copied; the look for NaN takes one number";
  }
  // The mapping lives as long as a tensor does, whatever became of the map and the file's name.
  std::filesystem::remove(file);
  for (std::size_t i = 0; i < made.size(); ++i) EXPECT_TRUE(at::equal(taken[i], made[i]));
}

TEST(Weights, OfAnotherTypeAreConvertedOneByOne) {
  const TestFolder folder;
  const auto file = folder.path() / "model.safetensors";
  const auto made = write(file, at::kBFloat16, TensorDtype::kBF16, {{64, 64}, {64, 64}, {64, 64}});
  auto weights = open(file, at::kFloat);
  const ByteCount count;
  std::vector<at::Tensor> taken;
  for (std::size_t i = 0; i < made.size(); ++i)
    taken.push_back(weights.take("w" + std::to_string(i), {64, 64}));
  EXPECT_LE(count.peak(), 3u * 64 * 64 * 4 + 16) << "the result, and a number to look for NaN";
  EXPECT_EQ(weights.bytes(), count.live());
  for (std::size_t i = 0; i < made.size(); ++i)
    EXPECT_TRUE(at::equal(taken[i], made[i].to(at::kFloat)));
}

std::uint64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::stoull(line.substr(key.size())) * 1024;
  return 0;
}

TEST(Weights, LoadingTakesTheResultAndOneTensor) {
  // Eight tensors of 8 MiB in the file, 16 MiB in float32.
  constexpr std::uint64_t kOne = 16u << 20, kCount = 8, kSlack = 6u << 20;
  const TestFolder folder;
  const auto file = folder.path() / "model.safetensors";
  {
    const std::vector<std::vector<std::int64_t>> shapes(kCount, {2048, 2048});
    write(file, at::kBFloat16, TensorDtype::kBF16, shapes);
  }
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak starts anew
  const std::uint64_t before = status_bytes("VmRSS:");
  if (before == 0 || status_bytes("VmHWM:") > before + (4u << 20))
    GTEST_SKIP() << "this system does not let a process reset its peak";
  auto weights = open(file, at::kFloat);
  std::vector<at::Tensor> taken;
  for (std::uint64_t i = 0; i < kCount; ++i)
    taken.push_back(weights.take("w" + std::to_string(i), {2048, 2048}));
  const std::uint64_t peak = status_bytes("VmHWM:") - before;
  EXPECT_LE(peak, kCount * kOne + kOne / 2 + kSlack);
  EXPECT_GE(peak, kCount * kOne / 2) << "the measurement sees the tensors";
  RecordProperty("peak_bytes", std::to_string(peak));
  std::cout << "loaded " << kCount * kOne << " bytes from a file of half as many, peak " << peak
            << '\n';
}

TEST(Weights, AtAnOddAddressAreCopied) {
  const TestFolder folder;
  // A header of 58 bytes puts the data at byte 66: float32 needs a multiple of 4.
  std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  while (header.size() % 4 != 2) header += ' ';
  const std::uint64_t length = header.size();
  const float values[2] = {1.5f, -2.0f};
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  bytes += header + std::string(reinterpret_cast<const char*>(values), 8);
  auto weights = open(folder.write("model.safetensors", bytes), at::kFloat);
  EXPECT_TRUE(at::equal(weights.take("w", {2}), at::tensor({1.5f, -2.0f})));
}

TEST(Weights, ADryRunTellsWhatIsMissing) {
  std::vector<ExpectedTensor> list{{"model.a", {2, 3}}, {"model.b", {4}}, {"model.c", {1}}};
  auto dry = WeightMap::dry(list, at::kBFloat16, "test", "model.");
  const auto a = dry.take("a", {2, 3});
  EXPECT_TRUE(a.is_meta());
  EXPECT_EQ(a.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(dry.contains("b"));
  EXPECT_FALSE(dry.contains("d"));
  dry.take("b", {5});
  dry.take("d", {6});
  ASSERT_EQ(dry.requested().size(), 3u);
  EXPECT_EQ(dry.requested()[2].name, "d");
  expect_error(HN_DATA_LOSS,
               {"[test] the weights in the list", "missing (1)", "d [6]", "wrong shape (1)",
                "b: expected [5], got [4]", "unexpected (1)", "model.c"},
               [&] { dry.finish(); });

  const TestFolder folder;
  const auto file = folder.path() / "model.safetensors";
  write(file, at::kFloat, TensorDtype::kF32, {{8, 8}});
  auto meta = open(file, at::kBFloat16, at::kMeta);
  const ByteCount count;
  EXPECT_TRUE(meta.take("w0", {8, 8}).is_meta());
  EXPECT_EQ(count.peak(), 0u);
  meta.finish();
}

// Taken as numbers, the values of a quantised file are wrong without their scales.
TEST(Weights, OfTypesThatAreNoWeightsAreNamed) {
  const TestFolder folder;
  const auto file = folder.path() / "model.safetensors";
  const std::vector<char> bytes(32);
  std::vector<TensorToWrite> tensors;
  for (const TensorDtype type : {TensorDtype::kF8E4M3, TensorDtype::kF8E5M2, TensorDtype::kI8,
                                 TensorDtype::kU8, TensorDtype::kBool, TensorDtype::kI64})
    tensors.push_back(
        {std::string(dtype_name(type)), type, {4}, bytes.data(), dtype_bits(type) / 2});
  tensors.push_back({"F4", TensorDtype::kF4, {4}, bytes.data(), 2});
  tensors.push_back({"F32", TensorDtype::kF32, {4}, bytes.data(), 16});
  write_safetensors(file, tensors);
  for (const at::Device device : {at::kCPU, at::kMeta}) {
    auto weights = open(file, at::kFloat, device);
    for (const TensorToWrite& each : tensors) weights.take(each.name, {4});
    expect_error(
        HN_DATA_LOSS,
        {file.string(), "wrong type (7)", "F8_E4M3: expected F32, F16, BF16 or F64, got F8_E4M3",
         "F16 or BF16 file", "F8_E5M2: expected", "F4: expected", "BOOL: expected", "I64: expected",
         "I8: expected F32, F16, BF16 or F64, got I8; integers are no weights here"},
        [&] { weights.finish(); });
  }
}

TEST(TensorList, RunsOfNumbersAreNested) {
  const TestFolder folder;
  const auto list = test::read_tensor_list(
      folder.write("x.tensors", "# two\nscale []\nb.{0-1}.c.{3-5}.w [2, 30]\nlone [7]\n"));
  ASSERT_EQ(list.size(), 8u);
  EXPECT_EQ(list[0].shape.size(), 0u);
  EXPECT_EQ(list[1].name, "b.0.c.3.w");
  EXPECT_EQ(list[6].name, "b.1.c.5.w");
  EXPECT_EQ(list[6].shape, (std::vector<std::int64_t>{2, 30}));
  EXPECT_EQ(test::count_numbers(list), 1 + 6 * 60 + 7);
}

}  // namespace
}  // namespace hn
