// The caller's tensors: strides and offsets, and every wrong shape, dtype, device and memory.
#include <numeric>

#include "capi/tensors.hpp"
#include "unit/capi_support.hpp"

namespace hn::host {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Use = CallerTensor::Use;
using Shape = std::vector<std::int64_t>;

constexpr DLDevice kCpu{kDLCPU, 0}, kGpu1{kDLCUDA, 1};

std::string refused(const DLTensor& tensor, const Shape& shape = {2, 3}, DLDevice device = kCpu,
                    Use use = Use::kWritten) {
  return message_of(HN_INVALID_ARGUMENT,
                    [&] { CallerTensor(&tensor, shape, device, use, "[f] images"); });
}

TEST(Tensors, NoneIsNone) {
  EXPECT_EQ(CallerTensor(nullptr, {2}, kCpu, Use::kRead, "x").get(), nullptr);
}

TEST(Tensors, StridesAndOffsetAreKept) {
  Floats x({2, 3});
  std::int64_t strides[] = {1, 2};
  x.tensor.strides = strides;
  x.tensor.byte_offset = 4;
  const CallerTensor checked(&x.tensor, {2, 3}, kCpu, Use::kWritten, "x");
  EXPECT_EQ(checked.get()->byte_offset, 4u);
  EXPECT_EQ(checked.get()->strides[1], 2);
  EXPECT_EQ(checked.get()->data, x.data.data());
}

TEST(Tensors, ACopyIsInRowMajorOrder) {
  Floats x({2, 6});
  std::iota(x.data.begin(), x.data.end(), 0.0f);
  std::int64_t strides[] = {1, 2};
  x.shape = {2, 3};
  x.tensor.strides = strides;
  x.tensor.byte_offset = 16;
  const core::Tensor copy = CallerTensor(&x.tensor, {-1, -1}, kCpu, Use::kRead, "x").copy();
  EXPECT_THAT(copy.data, ElementsAre(4, 6, 8, 5, 7, 9));
}

TEST(Tensors, WithoutStridesTheyAreCompact) {
  Floats x({2, 3, 4});
  const CallerTensor checked(&x.tensor, {2, 3, 4}, kCpu, Use::kRead, "x");
  const std::int64_t* strides = checked.get()->strides;
  EXPECT_THAT(Shape(strides, strides + 3), ElementsAre(12, 4, 1));
  Floats empty({0, 3});
  empty.tensor.data = nullptr;
  EXPECT_NE(CallerTensor(&empty.tensor, {0, 3}, kCpu, Use::kWritten, "x").get(), nullptr);
}

TEST(Tensors, AnySizeOfOneOrMore) {
  Floats x({2, 3, 4, 5});
  EXPECT_THAT(CallerTensor(&x.tensor, {-1, 3, -1, -1}, kCpu, Use::kRead, "x").shape(),
              ElementsAre(2, 3, 4, 5));
  x.shape[2] = 0;
  EXPECT_THAT(refused(x.tensor, {-1, 3, -1, -1}),
              HasSubstr("[f] images: expected float32 [*,3,*,*] on the CPU, got float32 [2,3,0,5] "
                        "on the CPU"));
  x.shape[2] = -4;
  EXPECT_THAT(refused(x.tensor, {-1, 3, -1, -1}), HasSubstr("got float32 [2,3,-4,5]"));
}

TEST(Tensors, WrongShapesAndTypes) {
  Floats x({2, 3});
  x.shape[1] = 4;
  EXPECT_THAT(refused(x.tensor), HasSubstr("[f] images: expected float32 [2,3] on the CPU, got "
                                           "float32 [2,4] on the CPU"));
  x.shape[1] = 3;
  for (const auto& [type, name] :
       std::vector<std::pair<DLDataType, std::string>>{{{kDLFloat, 64, 1}, "float64"},
                                                       {{kDLFloat, 16, 1}, "float16"},
                                                       {{kDLBfloat, 16, 1}, "bfloat16"},
                                                       {{kDLUInt, 8, 1}, "uint8"},
                                                       {{kDLFloat, 32, 4}, "float32 of 4 lanes"},
                                                       {{77, 32, 1}, "type32"}}) {
    x.tensor.dtype = type;
    EXPECT_THAT(refused(x.tensor), HasSubstr("got " + name + " [2,3]"));
  }
  x.tensor.dtype = {kDLFloat, 32, 1};
  x.tensor.ndim = 1;
  EXPECT_THAT(refused(x.tensor), HasSubstr("got float32 [2]"));
  for (const std::int32_t wrong : {-1, 9, 1 << 30}) {
    x.tensor.ndim = wrong;
    EXPECT_THAT(refused(x.tensor),
                HasSubstr(std::to_string(wrong) + " dimensions without a shape"));
  }
  x.tensor.ndim = 2;
  x.tensor.shape = nullptr;
  EXPECT_THAT(refused(x.tensor), HasSubstr("2 dimensions without a shape"));
}

TEST(Tensors, DevicesAreTheCpuAndTheSessions) {
  Floats x({2, 3});
  EXPECT_NE(CallerTensor(&x.tensor, {2, 3}, kGpu1, Use::kRead, "x").get(), nullptr)
      << "the CPU is taken always";
  x.tensor.device = kGpu1;
  EXPECT_THAT(refused(x.tensor), HasSubstr("expected float32 [2,3] on the CPU, got float32 [2,3] "
                                           "on cuda:1"));
  EXPECT_EQ(CallerTensor(&x.tensor, {2, 3}, kGpu1, Use::kRead, "x").get()->device.device_id, 1);
  EXPECT_THAT(refused(x.tensor, {2, 3}, {kDLCUDA, 0}),
              HasSubstr("expected float32 [2,3] on the CPU or cuda:0, got float32 [2,3] on "
                        "cuda:1"));
  x.tensor.device = {kDLMetal, 0};
  EXPECT_THAT(refused(x.tensor), HasSubstr("on DLPack device type 8"));
}

TEST(Tensors, MemoryThatCannotBe) {
  Floats x({2, 3});
  x.tensor.data = nullptr;
  EXPECT_THAT(refused(x.tensor), HasSubstr("[f] images: expected data, got NULL"));
  x.tensor.data = x.data.data();
  x.tensor.byte_offset = 2;
  EXPECT_THAT(refused(x.tensor), HasSubstr("expected an address that is a multiple of 4"));
  x.tensor.byte_offset = 0;
  std::int64_t strides[] = {-3, 1};
  x.tensor.strides = strides;
  EXPECT_THAT(refused(x.tensor), HasSubstr("expected strides of 0 or more, got [-3,1]"));
  Floats huge({1, 3});
  huge.shape = {std::int64_t{1} << 30, 3, std::int64_t{1} << 30, std::int64_t{1} << 30};
  huge.tensor.ndim = 4;
  huge.tensor.shape = huge.shape.data();
  EXPECT_THAT(refused(huge.tensor, {-1, 3, -1, -1}), HasSubstr("expected at most 2^40 numbers"));
}

TEST(Tensors, WhatIsWrittenDoesNotOverlap) {
  Floats x({2, 3});
  std::int64_t strides[] = {0, 1};
  x.tensor.strides = strides;
  EXPECT_NE(CallerTensor(&x.tensor, {2, 3}, kCpu, Use::kRead, "x").get(), nullptr)
      << "one row for all is fine to read";
  EXPECT_THAT(refused(x.tensor),
              HasSubstr("is written to: expected elements that do not overlap, got [2,3] with "
                        "strides [0,1]"));
  strides[0] = 2;  // the third of row 0 is the first of row 1
  EXPECT_THAT(refused(x.tensor), HasSubstr("overlap"));
  strides[0] = 3;
  EXPECT_NE(CallerTensor(&x.tensor, {2, 3}, kCpu, Use::kWritten, "x").get(), nullptr);
}

}  // namespace
}  // namespace hn::host
