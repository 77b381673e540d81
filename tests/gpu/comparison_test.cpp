// The comparison itself: what it must catch, on any machine.
#include "gpu/gpu_support.hpp"

namespace hn::gpu {
namespace {

Values decoded() {
  Generator instance("sana_sprint", options_for(models()[0], "cpu"));
  instance.prompts(prompts());
  return run(instance, "generate", {});
}

TEST(GpuComparison, CatchesWhatADeviceMightGetWrong) {
  const Values want = decoded();
  EXPECT_TRUE(close(decoded(), want, {0, 0}));

  const auto spoilt = [&](auto&& spoil) {
    Values got = want;
    for (auto* list : {&got.outputs, &got.grads})
      for (auto& [name, tensor] : *list) tensor = tensor.clone();
    spoil(got);
    return got;
  };
  // A thousandth of the output's size, everywhere.
  EXPECT_FALSE(close(spoilt([](Values& v) { v.outputs[0].second.mul_(1.001); }), want, kFloat32));
  // One row that was not written.
  EXPECT_FALSE(close(spoilt([](Values& v) { v.outputs[0].second.select(2, 3).fill_(NAN); }), want,
                     kFloat32));
  // Two samples in the wrong order.
  EXPECT_FALSE(close(spoilt([](Values& v) { v.outputs[1].second = v.outputs[1].second.flip(0); }),
                     want, kFloat32));
  // A gradient that lost a part, and one that is zero.
  EXPECT_FALSE(close(spoilt([](Values& v) { v.grads[0].second.mul_(0.99); }), want, kFloat32));
  EXPECT_FALSE(close(spoilt([](Values& v) { v.grads[0].second.zero_(); }), want, kFloat32));
  // A tensor too few.
  EXPECT_FALSE(close(spoilt([](Values& v) { v.outputs.pop_back(); }), want, kFloat32));
}

// What another noise does to a picture is far outside of the bound: the bound says something.
TEST(GpuComparison, TheBoundIsFarBelowWhatInputsDo) {
  Generator instance("sana_sprint", options_for(models()[0], "cpu"));
  instance.prompts(prompts());
  Opened generate(instance, "generate");
  auto inputs = inputs_of(generate, 2, at::kCPU);
  const at::Tensor want = generate.run(inputs).outputs[0];
  inputs[0] = inputs[0] + 0.01;
  EXPECT_GT(distance(generate.run(inputs).outputs[0], want), 10 * kFloat32.outputs);
}

}  // namespace
}  // namespace hn::gpu
