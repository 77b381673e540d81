#include <ATen/ATen.h>

#include "core/function_client.hpp"
#include "core/prompt_cache.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::HasSubstr;

class CoreFunctionClient : public CoreTest {
 protected:
  void SetUp() override {
    generator_ = std::make_unique<Instance>(runtime_, Plugin{fake::generator_plugin(), "g", ""},
                                            "linear", Options{});
    cache_ = std::make_unique<PromptCache>(1 << 20, 1);
    runtime_.reclaim = [this] { generator_->trim(); };
  }
  FunctionClient::Call call(const std::vector<at::Tensor>& in, const std::vector<at::Tensor>& out,
                            const PromptCache::Pins& pins,
                            const std::vector<std::uint8_t>& need = {}) {
    return {in, out, pins.handles(), need, 0, 0};
  }

  HostServices services_{Services{}};
  Runtime runtime_{services_, {kDLCPU, 0, 0}, {}};
  std::unique_ptr<Instance> generator_;
  std::unique_ptr<PromptCache> cache_;
  std::vector<Prompt> prompts_ = {"a", "b", "c"};
};

TEST_F(CoreFunctionClient, ReadsTheSlots) {
  const FunctionClient fn(*generator_, "noise_net",
                          {{"lora.rank", std::int64_t{2}}, {"lora.alpha", 4.0}});
  ASSERT_EQ(fn.inputs().size(), 3u);
  EXPECT_EQ(fn.inputs()[1].name, "net.0.to_q.lora_A.weight");
  EXPECT_TRUE(fn.inputs()[1].param());
  EXPECT_FALSE(fn.inputs()[0].param());
  EXPECT_EQ(fn.inputs()[2].shape, (std::vector<std::int64_t>{8, 2}));
  EXPECT_EQ(fn.output("offset"), 0u);
  EXPECT_EQ(fn.find_input("none"), -1);
  EXPECT_FAILS(HN_UNSUPPORTED,
               HasSubstr("linear: noise_net has no output of semantic 'image_rgb01'"),
               (void)fn.output("image_rgb01"));
}

TEST_F(CoreFunctionClient, ForwardAndBackwardCrossWithTheirStrides) {
  FunctionClient fn(*generator_, "generate", {});
  const auto pins = cache_->get(*generator_, prompts_);
  const at::Tensor noise = at::randn({3, 2, 2, 2}), image = at::empty({3, 3, 2, 2});
  const std::vector<at::Tensor> in = {noise, {}}, out = {image, {}};
  const std::vector<std::uint8_t> need = {1, 0};
  const Saved saved = fn.forward(call(in, out, pins, need));
  ASSERT_NE(saved.raw(), nullptr);
  EXPECT_EQ(fake::state().saved, 1);

  at::Tensor matrix = at::empty({fake::kImage, fake::kNoise});
  for (std::int64_t j = 0; j < fake::kImage; ++j)
    for (std::int64_t i = 0; i < fake::kNoise; ++i) matrix[j][i] = fake::weight(j, i);
  at::Tensor expected = at::mm(noise.view({3, 8}), matrix.t()) + 0.5;
  for (std::int64_t b = 0; b < 3; ++b)
    expected[b] += 0.1f * fake::mark(prompts_[static_cast<std::size_t>(b)].text);
  EXPECT_TRUE(at::allclose(image.view({3, 12}), expected, 1e-5, 1e-6));

  const at::Tensor cotangent = at::randn({3, 3, 2, 2}), grad = at::ones({3, 2, 2, 2});
  const std::vector<at::Tensor> cotangents = {cotangent, {}}, grads = {grad, {}};
  fn.backward(saved, cotangents, grads, std::vector<std::uint8_t>{1, 1});
  EXPECT_TRUE(
      at::allclose(grad.view({3, 8}), at::mm(cotangent.view({3, 12}), matrix) + 1, 1e-5, 1e-6));
  fn.backward(saved, cotangents, grads, {});
  EXPECT_TRUE(at::allclose(grad.view({3, 8}), at::mm(cotangent.view({3, 12}), matrix), 1e-5, 1e-6));
}

TEST_F(CoreFunctionClient, SavedIsReleasedExactlyOnceAlsoWhenMoved) {
  FunctionClient fn(*generator_, "generate", {});
  const auto pins = cache_->get(*generator_, prompts_);
  const std::vector<at::Tensor> in = {at::randn({3, 2, 2, 2}), {}},
                                out = {at::empty({3, 3, 2, 2}), {}};
  const std::vector<std::uint8_t> need = {1, 0};
  {
    Saved outer;
    {
      Saved inner = fn.forward(call(in, out, pins, need));
      outer = std::move(inner);
    }
    EXPECT_EQ(fake::state().saved, 1);
    outer = fn.forward(call(in, out, pins, need));
    EXPECT_EQ(fake::state().saved, 1);
  }
  EXPECT_EQ(fake::state().saved, 0);
  const Saved none = fn.forward(call(in, out, pins));
  EXPECT_EQ(none.raw(), nullptr);
}

TEST_F(CoreFunctionClient, PluginErrorsNameThePluginAndTheFunction) {
  FunctionClient fn(*generator_, "generate", {});
  const auto pins = cache_->get(*generator_, prompts_);
  const std::vector<at::Tensor> in = {at::randn({3, 2, 4, 2}), {}},
                                out = {at::empty({3, 3, 2, 2}), {}};
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("linear: generate: [input noise] expected float32 (B,2,2,2)"),
               fn.forward(call(in, out, pins)));
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("linear: open nothing"),
               FunctionClient(*generator_, "nothing", {}));
}

TEST_F(CoreFunctionClient, OutOfMemoryIsTriedAgainOnce) {
  FunctionClient fn(*generator_, "generate", {});
  const auto pins = cache_->get(*generator_, prompts_);
  const std::vector<at::Tensor> in = {at::randn({3, 2, 2, 2}), {}},
                                out = {at::empty({3, 3, 2, 2}), {}};
  fake::state().fault = "oom:generate.forward";
  fake::state().times = 1;
  fn.forward(call(in, out, pins));
  EXPECT_EQ(fake::state().trims, 1);
  EXPECT_EQ(fake::state().calls["generate.forward"], 2);
  fake::state().times = 5;
  EXPECT_FAILS(HN_OUT_OF_MEMORY, HasSubstr("no room"), fn.forward(call(in, out, pins)));
  EXPECT_EQ(fake::state().calls["generate.forward"], 4);
}

TEST_F(CoreFunctionClient, AccumulatingBackwardIsNotRepeated) {
  FunctionClient fn(*generator_, "generate", {});
  const auto pins = cache_->get(*generator_, prompts_);
  const std::vector<at::Tensor> in = {at::randn({3, 2, 2, 2}), {}},
                                out = {at::empty({3, 3, 2, 2}), {}};
  const std::vector<std::uint8_t> need = {1, 0};
  const Saved saved = fn.forward(call(in, out, pins, need));
  fake::state().fault = "oom:generate.backward";
  fake::state().times = 1;
  const std::vector<at::Tensor> cotangents = {at::ones({3, 3, 2, 2}), {}},
                                grads = {at::zeros({3, 2, 2, 2}), {}};
  EXPECT_FAILS(HN_OUT_OF_MEMORY, HasSubstr("no room"),
               fn.backward(saved, cotangents, grads, std::vector<std::uint8_t>{1, 1}));
  fake::state().times = 1;
  fn.backward(saved, cotangents, grads, {});
}

TEST_F(CoreFunctionClient, AfterDeviceLostOnlyDestroyFollows) {
  auto fn = std::make_unique<FunctionClient>(*generator_, "generate", Options{});
  {
    const auto pins = cache_->get(*generator_, prompts_);
    const std::vector<at::Tensor> in = {at::randn({3, 2, 2, 2}), {}},
                                  out = {at::empty({3, 3, 2, 2}), {}};
    const std::vector<std::uint8_t> need = {1, 0};
    const Saved saved = fn->forward(call(in, out, pins, need));
    fake::state().fault = "lost:generate.forward";
    fake::state().times = 1;
    EXPECT_FAILS(HN_DEVICE_LOST, HasSubstr("gone"), fn->forward(call(in, out, pins)));
    EXPECT_FAILS(HN_DEVICE_LOST, HasSubstr("device was lost earlier"),
                 fn->forward(call(in, out, pins)));
    EXPECT_EQ(fake::state().calls["generate.forward"], 2) << "a dead instance is not entered again";
  }
  fn.reset();
  cache_.reset();
  // Handles are left to destroy; the fake leaves them, so they are still counted.
  EXPECT_EQ(fake::state().saved, 1);
  EXPECT_EQ(fake::state().functions, 1);
  EXPECT_EQ(fake::state().conds, 3);
  fake::state().saved = fake::state().functions = fake::state().conds = 0;
}

TEST_F(CoreFunctionClient, PluginsOfAnotherAbiAreRefused) {
  hn_plugin_v1 entry = *fake::generator_plugin();
  entry.abi_major = 2;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("linear: expected a plugin of ABI 1.0"),
               Instance(runtime_, {&entry, "g", ""}, "linear", {}));
  entry = *fake::generator_plugin();
  entry.abi_minor = HN_ABI_MINOR + 1;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("got 1.1"),
               Instance(runtime_, {&entry, "g", ""}, "linear", {}));
  entry = *fake::generator_plugin();
  entry.struct_size = 40;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("linear"),
               Instance(runtime_, {&entry, "g", ""}, "linear", {}));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("no entry"), Instance(runtime_, {}, "linear", {}));
  entry = *fake::generator_plugin();
  entry.get_interface = [](hn_instance*, const char*) -> const void* { return nullptr; };
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("hn.fn/1"),
               Instance(runtime_, {&entry, "g", ""}, "linear", {}));
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("linear: create: [fake] no weights"),
               Instance(runtime_, {fake::generator_plugin(), "g", ""}, "linear", {{"fail", true}}));
}

}  // namespace
}  // namespace hn::core::test
