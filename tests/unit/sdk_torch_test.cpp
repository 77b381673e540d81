// hn/torch: values and gradients through the C table equal LibTorch's own, bit for bit.
#include <gtest/gtest.h>

#include <hn/torch/reward.hpp>
#include <thread>

#include "unit/sdk_torch_support.hpp"

namespace hn::test {
namespace {

bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && at::equal(a, b);
}

TEST(TorchFunction, EqualsTheDirectCallBitForBit) {
  const Reference want;
  Small fn;
  Caller caller(fn);
  const at::Tensor y = at::empty({3, 6}), z = at::empty({3});
  ASSERT_EQ(caller.forward({want.x, want.w, {}}, {y, z}, {1, 1, 0}), HN_OK) << caller.error.text();
  EXPECT_TRUE(same(y, want.out[0]) && same(z, want.out[1]));
  const at::Tensor gx = at::empty_like(want.x), gw = at::empty_like(want.w);
  ASSERT_EQ(caller.backward({want.cy, want.cz}, {gx, gw, {}}), HN_OK) << caller.error.text();
  EXPECT_TRUE(same(gx, want.grads[0]) && same(gw, want.grads[1]));
  EXPECT_FALSE(want.x.requires_grad());
}

TEST(TorchFunction, BackwardFromAnotherThreadAndTwice) {
  const Reference want;
  Small fn;
  Caller caller(fn);
  const at::Tensor y = at::empty({3, 6}), z = at::empty({3}), gx = at::empty_like(want.x),
                   gw = at::empty_like(want.w);
  ASSERT_EQ(caller.forward({want.x, want.w, {}}, {y, z}, {1, 1, 0}), HN_OK);
  for (int i = 0; i < 2; ++i) {
    gx.zero_();
    hn_status status = HN_INTERNAL;
    std::thread([&] { status = caller.backward({want.cy, want.cz}, {gx, gw, {}}); }).join();
    ASSERT_EQ(status, HN_OK) << caller.error.text();
    EXPECT_TRUE(same(gx, want.grads[0]) && same(gw, want.grads[1]));
  }
}

TEST(TorchFunction, OddStridesAndByteOffset) {
  const Reference want;
  Small fn;
  Caller caller(fn);
  // Every other element of a larger, transposed tensor; the views point into its middle.
  const auto odd = [](const at::Tensor& t) {
    const at::Tensor room = at::full({t.numel() * 4 + 64}, 9.0f);
    std::vector<std::int64_t> strides(static_cast<std::size_t>(t.dim()));
    std::int64_t extent = 2;
    for (std::size_t d = 0; d < strides.size(); ++d) {
      strides[d] = extent;
      extent *= t.size(static_cast<std::int64_t>(d));
    }
    at::Tensor view = room.as_strided(t.sizes(), strides, 5);
    view.copy_(t);
    return view;
  };
  const at::Tensor y = odd(at::zeros({3, 6})), z = odd(at::zeros({3})), gx = odd(want.x),
                   gw = odd(want.w);
  ASSERT_EQ(caller.forward({odd(want.x), odd(want.w), {}}, {y, z}, {1, 1, 0}), HN_OK)
      << caller.error.text();
  ASSERT_EQ(caller.backward({odd(want.cy), odd(want.cz)}, {gx, gw, {}}), HN_OK)
      << caller.error.text();
  // Another layout may sum in another order.
  EXPECT_TRUE(at::allclose(y, want.out[0], 1e-6, 1e-7) && at::allclose(z, want.out[1], 1e-6, 1e-7));
  EXPECT_TRUE(at::allclose(gx, want.grads[0], 1e-5, 1e-6) &&
              at::allclose(gw, want.grads[1], 1e-5, 1e-6));
}

TEST(TensorView, HonoursByteOffset) {
  float data[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  std::int64_t shape[2] = {2, 2}, strides[2] = {1, 2};
  const DLTensor t{data, {kDLCPU, 0}, 2, kFloat32, shape, strides, 3 * sizeof(float)};
  const at::Tensor view = tensor_view(t);
  EXPECT_EQ(view[0][1].item<float>(), 5.0f);
  EXPECT_EQ(view[1][0].item<float>(), 4.0f);
  view.fill_(9);
  EXPECT_EQ(data[2], 2.0f);
  EXPECT_EQ(data[6], 9.0f);
  EXPECT_EQ(data[7], 7.0f);
}

TEST(TensorView, KnowsTheDtypesOfTheSdk) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong,
                                    at::kInt, at::kByte, at::kBool})
    EXPECT_EQ(scalar_type_of(dtype_of(type)), type);
  EXPECT_THROW(scalar_type_of({kDLComplex, 64, 1}), Error);
  EXPECT_THROW(scalar_type_of({kDLFloat, 32, 4}), Error);
  EXPECT_THROW(dtype_of(at::kComplexFloat), Error);
  EXPECT_THROW(device_of({kDLMetal, 0}), Error);
}

TEST(TorchFunction, AccumulateMasksAndNullCotangents) {
  const Reference want;
  Small fn;
  Caller caller(fn);
  const at::Tensor y = at::empty({3, 6}), z = at::empty({3});
  ASSERT_EQ(caller.forward({want.x, want.w, {}}, {y, z}, {1, 1, 0}), HN_OK);
  const at::Tensor gx = at::ones_like(want.x), gw = at::ones_like(want.w);
  ASSERT_EQ(caller.backward({want.cy, want.cz}, {gx, gw, {}}, {1, 0, 0}), HN_OK);
  EXPECT_TRUE(same(gx, want.grads[0] + 1) && same(gw, want.grads[1]));
  // One output's cotangent, one input's gradient.
  ASSERT_EQ(caller.backward({want.cy, {}}, {{}, gw, {}}), HN_OK);
  const at::Tensor from_y = gw.clone();
  ASSERT_EQ(caller.backward({{}, want.cz}, {{}, gw, {}}, {0, 1, 0}), HN_OK);
  EXPECT_TRUE(at::allclose(gw, want.grads[1], 1e-5, 1e-6));
  EXPECT_FALSE(same(gw, from_y));
  // None at all: zeros, or nothing to add.
  ASSERT_EQ(caller.backward({{}, {}}, {gx, gw, {}}, {0, 1, 0}), HN_OK);
  EXPECT_EQ(gx.abs().sum().item<float>(), 0.0f);
  EXPECT_TRUE(at::allclose(gw, want.grads[1], 1e-5, 1e-6));
}

TEST(TorchFunction, PrunesWhatIsNotNeeded) {
  const Reference want;
  Small fn;
  Caller caller(fn);
  const at::Tensor y = at::empty({3, 6}), z = at::empty({3}), gw = at::empty_like(want.w),
                   gx = at::empty_like(want.x);
  ASSERT_EQ(caller.forward({want.x, want.w, {}}, {y, {}}, {0, 1, 0}), HN_OK);
  ASSERT_EQ(caller.backward({want.cy, {}}, {{}, gw, {}}), HN_OK);
  EXPECT_EQ(caller.backward({want.cy, {}}, {gx, {}, {}}), HN_INVALID_ARGUMENT);
  EXPECT_NE(caller.error.text().find("need_grad"), std::string::npos);
}

TEST(TorchFunction, RefusesWithCodeAndText) {
  const Reference want;
  Small fn;
  Caller caller(fn);
  const at::Tensor y = at::empty({3, 6}), z = at::empty({3});
  EXPECT_EQ(caller.forward({want.x.to(at::kDouble), want.w, {}}, {y, z}, {1, 1, 0}),
            HN_INVALID_ARGUMENT);
  EXPECT_NE(caller.error.text().find("expected float32 (B,6,4), got float64 (3,6,4)"),
            std::string::npos)
      << caller.error.text();
  EXPECT_EQ(caller.forward({want.x, want.w, {}}, {at::empty({2, 6}), z}, {1, 1, 0}),
            HN_INVALID_ARGUMENT);
  EXPECT_EQ(caller.forward({want.x, want.w, at::zeros({3})}, {y, z}, {1, 1, 1}), HN_UNSUPPORTED);
  EXPECT_NE(caller.error.text().find("extra is not differentiable"), std::string::npos)
      << caller.error.text();
  ASSERT_EQ(caller.forward({want.x, want.w, {}}, {y, z}, {1, 1, 0}), HN_OK);
  EXPECT_EQ(caller.backward({at::zeros({2, 6}), {}}, {at::empty_like(want.x), {}, {}}),
            HN_INVALID_ARGUMENT);
  EXPECT_EQ(caller.backward({want.cy, {}}, {at::empty({3, 6, 5}), {}, {}}), HN_INVALID_ARGUMENT);
}

TEST(TorchFunction, LibTorchsErrorsBecomeOurs) {
  class Failing final : public TorchFunction {
   public:
    Failing() {
      inputs_ = {{"x", "noise", {HN_DIM_BATCH, HN_DIM_ANY}, HN_SLOT_DIFF}};
      outputs_ = {{"y", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
    }
    std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const Call&) override {
      return {at::matmul(in[0], at::ones({7}))};
    }
  } fn;
  Caller caller(fn);
  EXPECT_EQ(caller.forward({at::ones({2, 3})}, {at::empty({2})}, {1}), HN_INTERNAL);
  EXPECT_NE(caller.error.text().find("size mismatch"), std::string::npos) << caller.error.text();
  EXPECT_EQ(caller.error.text().find("frame #"), std::string::npos)
      << "a stack trace is no message";
}

TEST(TorchFunction, EmptyBatch) {
  const Reference want(0);
  Small fn;
  Caller caller(fn);
  const at::Tensor gx = at::empty({0, 6, 4}), gw = at::ones({4, 5});
  ASSERT_EQ(caller.forward({want.x, want.w, {}}, {at::empty({0, 6}), {}}, {1, 1, 0}), HN_OK)
      << caller.error.text();
  ASSERT_EQ(caller.backward({at::empty({0, 6}), {}}, {gx, gw, {}}), HN_OK) << caller.error.text();
  EXPECT_EQ(gw.abs().sum().item<float>(), 0.0f);
}

}  // namespace
}  // namespace hn::test
