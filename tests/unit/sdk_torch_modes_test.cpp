// hn/torch/entry.hpp: whatever mode the caller's thread is in, the plugin computes the same and
// leaves the mode as it was.
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include "unit/sdk_torch_support.hpp"

namespace hn::test {
namespace {

class Modes : public ::testing::Test {
 protected:
  // Forward and backward equal the direct ones, which were computed in the plain mode.
  void expect_same() {
    const at::Tensor y = at::empty({3, 6}, at::kFloat), z = at::empty({3}, at::kFloat);
    ASSERT_EQ(caller_.forward({want_.x, want_.w, {}}, {y, z}, {1, 1, 0}), HN_OK)
        << caller_.error.text();
    const at::Tensor gx = at::empty({3, 6, 4}, at::kFloat), gw = at::empty({4, 5}, at::kFloat);
    ASSERT_EQ(caller_.backward({want_.cy, want_.cz}, {gx, gw, {}}), HN_OK) << caller_.error.text();
    EXPECT_TRUE(at::equal(y, want_.out[0]) && at::equal(z, want_.out[1]));
    EXPECT_TRUE(at::equal(gx, want_.grads[0]) && at::equal(gw, want_.grads[1]));
  }

  const Reference want_;
  Small fn_;
  Caller caller_{fn_};
};

TEST_F(Modes, CallerWithoutGradients) {
  const c10::NoGradGuard no_grad;
  expect_same();
  EXPECT_FALSE(c10::GradMode::is_enabled());
}

TEST_F(Modes, CallerInInferenceMode) {
  const c10::InferenceMode inference;
  expect_same();
  EXPECT_TRUE(c10::InferenceMode::is_enabled());
}

TEST_F(Modes, CallerInAutocast) {
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  expect_same();
  EXPECT_TRUE(at::autocast::is_autocast_enabled(at::kCPU));
  const at::Tensor product = at::matmul(want_.w, want_.w.t());
  EXPECT_EQ(product.scalar_type(), at::kBFloat16) << "the caller's autocast must be on again";
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
}

TEST_F(Modes, CallerWithAnotherDefaultDtype) {
  const caffe2::TypeMeta before = c10::get_default_dtype();
  c10::set_default_dtype(caffe2::TypeMeta::Make<double>());
  expect_same();
  EXPECT_EQ(c10::get_default_dtype(), caffe2::TypeMeta::Make<double>());
  c10::set_default_dtype(before);
}

TEST_F(Modes, ForwardOfPlainCallsKeepsNoGraph) {
  const at::Tensor y = at::empty({3, 6});
  ASSERT_EQ(caller_.forward({want_.x, want_.w, {}}, {y, {}}, {1, 1, 0}, /*flags=*/0), HN_OK)
      << caller_.error.text();
  EXPECT_TRUE(at::equal(y, want_.out[0]));
  EXPECT_FALSE(y.requires_grad());
  EXPECT_EQ(caller_.backward({want_.cy, {}}, {{}, {}, {}}), HN_INVALID_ARGUMENT)
      << "nothing was saved";
}

TEST(Entry, RefusesTheForbiddenStreamAndLeavesTheCallersModes) {
  const caffe2::TypeMeta before = c10::get_default_dtype();
  c10::set_default_dtype(caffe2::TypeMeta::Make<double>());
  EXPECT_THROW(Entry({kDLCUDA, 0, 0}, false), Error);
  EXPECT_EQ(c10::get_default_dtype(), caffe2::TypeMeta::Make<double>());
  c10::set_default_dtype(before);
  EXPECT_TRUE(c10::GradMode::is_enabled());
}

}  // namespace
}  // namespace hn::test
