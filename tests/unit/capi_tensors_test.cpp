// The caller's tensors: strides, byte_offset, and every wrong shape, dtype and device.
#include <numeric>

#include "capi/tensors.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

DLTensor view_of(std::vector<float>& data, std::vector<std::int64_t>& shape,
                 std::int64_t* strides = nullptr) {
  DLTensor t{};
  t.data = data.data();
  t.device = {kDLCPU, 0};
  t.dtype = {kDLFloat, 32, 1};
  t.ndim = static_cast<std::int32_t>(shape.size());
  t.shape = shape.data();
  t.strides = strides;
  return t;
}

TEST(Tensors, StridesAndOffset) {
  std::vector<float> data(12);
  std::iota(data.begin(), data.end(), 0.0f);
  std::vector<std::int64_t> shape = {2, 3}, strides = {1, 2};
  DLTensor t = view_of(data, shape, strides.data());
  t.byte_offset = 4 * sizeof(float);
  EXPECT_THAT(read_tensor(t, {2, 3}, "x").data, ElementsAre(4, 6, 8, 5, 7, 9));
  write_tensor({10, 11, 12, 13, 14, 15}, t);
  EXPECT_THAT(data, ElementsAre(0, 1, 2, 3, 10, 13, 11, 14, 12, 15, 10, 11));
}

TEST(Tensors, CompactWithoutStrides) {
  std::vector<float> data = {1, 2, 3, 4};
  std::vector<std::int64_t> shape = {2, 2};
  EXPECT_THAT(read_tensor(view_of(data, shape), {2, 2}, "x").data, ElementsAre(1, 2, 3, 4));
}

TEST(Tensors, EmptyBatch) {
  std::vector<float> data;
  std::vector<std::int64_t> shape = {0, 3};
  EXPECT_TRUE(read_tensor(view_of(data, shape), {0, 3}, "x").data.empty());
}

TEST(Tensors, WrongOnes) {
  std::vector<float> data(6);
  std::vector<std::int64_t> shape = {2, 3};
  const auto refused = [](DLTensor t) {
    return message_of(HN_INVALID_ARGUMENT, [&] { check_tensor(t, {2, 3}, "images"); });
  };
  DLTensor t = view_of(data, shape);
  shape[1] = 4;
  EXPECT_THAT(refused(t),
              HasSubstr("[images] expected float32 [2,3] on the CPU, got float32 [2,4]"));
  shape[1] = 3;
  t.dtype.bits = 64;
  EXPECT_THAT(refused(t), HasSubstr("another dtype"));
  t = view_of(data, shape);
  t.device.device_type = kDLCUDA;
  EXPECT_THAT(refused(t), HasSubstr("on another device"));
  t = view_of(data, shape);
  t.data = nullptr;
  EXPECT_THAT(refused(t), HasSubstr("without data"));
  t = view_of(data, shape);
  t.shape = nullptr;
  EXPECT_THAT(refused(t), HasSubstr("no shape"));
}

}  // namespace
}  // namespace hn::host
