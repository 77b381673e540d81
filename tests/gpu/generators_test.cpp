// Generators on the device against the same on the CPU: outputs and gradients of every function,
// in float32 and bfloat16, with adapters, budgets, quantised weights, tiles and text encoders that
// go.
#include <unistd.h>

#include <hn/nn/byte_count.hpp>

#include "gpu/gpu_support.hpp"

namespace hn::gpu {
namespace {

struct Case {
  const char* name;
  const char* function;
  Options options;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"NoiseNet", "noise_net", {{"lora.rank", I{4}}}},
      {"OneStep", "generate", {}},
      {"TwoStepsWithLora", "generate", {{"steps", I{2}}, {"lora.rank", I{4}}}},
      {"Decode", "decode", {}},
      {"Encode", "encode", {}}};
  return all;
}

Values run_on(const std::string& where, const Model& model, const Case& c, Options more = {}) {
  Generator instance(model.plugin, options_for(model, where, std::move(more)));
  instance.prompts(prompts());
  return run(instance, c.function, c.options);
}

class GpuGenerators : public GpuTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  const Model& model() const { return models()[GetParam()]; }
};
INSTANTIATE_TEST_SUITE_P(Small, GpuGenerators, ::testing::Values(0, 1, 2),
                         [](const auto& info) { return models()[info.param].plugin; });

TEST_P(GpuGenerators, Float32IsTheCpus) {
  for (const Case& c : cases())
    EXPECT_TRUE(close(run_on(device_name(), model(), c), run_on("cpu", model(), c), kFloat32))
        << c.name;
}

// Rounding to eight bits makes any two orders of summation differ, so the measure is float32: the
// device may be as far from it as the CPU's bfloat16 is, with room for chance.
TEST_P(GpuGenerators, Bfloat16IsAsNearToFloat32AsOnTheCpu) {
  const Options half = {{"dtype", std::string("bfloat16")}};
  for (const Case& c : cases()) {
    const Values exact = run_on("cpu", model(), c), cpu = run_on("cpu", model(), c, half),
                 got = run_on(device_name(), model(), c, half);
    const auto check = [&](const auto& g, const auto& r, const auto& e) {
      ASSERT_EQ(g.size(), e.size());
      for (std::size_t i = 0; i < e.size(); ++i) {
        const double allowed = 3 * distance(r[i].second, e[i].second) + 4e-3;
        EXPECT_LE(distance(g[i].second, e[i].second), allowed) << c.name << ' ' << e[i].first;
      }
    };
    check(got.outputs, cpu.outputs, exact.outputs);
    check(got.grads, cpu.grads, exact.grads);
  }
}

TEST_P(GpuGenerators, QuantisedWeightsAreTheCpus) {
  for (const char* kind : {"int8", "fp8"}) {
    const Options quantised = {{"quantise", std::string(kind)}};
    for (const std::size_t c : {0, 2})
      EXPECT_TRUE(close(run_on(device_name(), model(), cases()[c], quantised),
                        run_on("cpu", model(), cases()[c], quantised), kFloat32))
          << kind << ' ' << cases()[c].name;
  }
}

// The least budget that the plugin names: every block is computed again, on the device's own
// backward thread.
TEST_P(GpuGenerators, ABudgetChangesNothingAndIsKept) {
  Generator instance(model().plugin, options_for(model(), device_name()));
  instance.prompts(prompts());
  for (const Case& c : cases()) {
    const Values full = run(instance, c.function, c.options);  // also takes the libraries' own room
    std::uint64_t least = 0;
    try {
      run(instance, c.function, c.options, 2, 1);
      ADD_FAILURE() << c.name << ": one byte was enough";
    } catch (const Error& e) {
      const std::string text = e.what();
      ASSERT_THAT(text, ::testing::HasSubstr("expected at least "));
      least = std::stoull(text.substr(text.find("at least ") + 9));
    }
    const Values tight = run(instance, c.function, c.options, 2, least);
    EXPECT_TRUE(close(tight, full, {1e-5, 1e-4})) << c.name;
  }
}

TEST_P(GpuGenerators, PlansFollowWhatIsKept) {
  Generator instance(model().plugin, options_for(model(), device_name()));
  instance.prompts(prompts());
  Opened net(instance, "noise_net", {{"lora.rank", I{4}}});
  const auto inputs = inputs_of(net, 2, instance.device);
  std::uint64_t kept = 0;
  net.around_forward = [&](const std::function<void()>& forward) {
    const ByteCount count;
    forward();
    kept = count.live();
  };
  const auto cotangents = cotangents_of(net, 2, instance.device);
  ASSERT_EQ(net.run(inputs, cotangents).outcome.text, "");
  ASSERT_EQ(net.run(inputs, cotangents).outcome.text, "");
  const hn_plan plan = net.plan(inputs);
  EXPECT_GT(kept, 0u);
  // A device hands out pieces of 512 bytes, which tiny models are full of.
  EXPECT_LE(plan.saved_bytes, 4 * kept);
  EXPECT_GE(4 * plan.saved_bytes, kept);
  EXPECT_GE(plan.peak_bytes, plan.saved_bytes);
}

TEST_P(GpuGenerators, TilesAreTheCpus) {
  const I factor = GetParam() == 0 ? 32 : 8;
  Options tiles = {{"vae_tile", 2 * factor}, {"width", 4 * factor}, {"height", 3 * factor}};
  if (GetParam() == 2) tiles["height"] = 4 * factor;
  for (const std::size_t c : {1, 3})
    EXPECT_TRUE(close(run_on(device_name(), model(), cases()[c], tiles),
                      run_on("cpu", model(), cases()[c], tiles), kFloat32))
        << cases()[c].name;
}

TEST_P(GpuGenerators, TextEncodersThatGoGiveTheSamePictures) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("hn-gpu-prompts-" + std::to_string(::getpid()) + model().plugin);
  std::filesystem::remove_all(folder);
  const Values kept = run_on(device_name(), model(), cases()[1]);
  for (const char* mode : {"free", "cpu"}) {
    const Options off = {{"text_encoder", std::string(mode)}, {"prompt_cache", std::string("off")}};
    EXPECT_TRUE(close(run_on(device_name(), model(), cases()[1], off), kept, kFloat32)) << mode;
  }
  // The second instance finds the prompts on disk.
  const Options disk = {{"text_encoder", std::string("free")}, {"prompt_cache", folder.string()}};
  for (int round = 0; round < 2; ++round)
    EXPECT_TRUE(close(run_on(device_name(), model(), cases()[1], disk), kept, kFloat32)) << round;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 2);
  std::filesystem::remove_all(folder);
}

// Noise between the steps is drawn by the plugin where the host gives none: on every device the
// same.
TEST_F(GpuTest, DrawnStepNoiseIsTheCpus) {
  const auto latents = [&](const std::string& where, std::uint64_t seed) {
    Generator instance("sana_sprint", options_for(models()[0], where));
    instance.prompts(prompts());
    Opened two(instance, "generate", {{"steps", I{2}}});
    auto inputs = inputs_of(two, 2, instance.device);
    inputs[1] = at::Tensor();
    return two.run(inputs, {}, seed).outputs[1].to(at::kCPU);
  };
  const at::Tensor want = latents("cpu", 5);
  EXPECT_LE(distance(latents(device_name(), 5), want), kFloat32.outputs);
  EXPECT_GT(distance(latents(device_name(), 6), want), 0.05);
}

TEST_F(GpuTest, EmbeddingsOfPromptsAreTheCpus) {
  for (const Model& model : models()) {
    const auto embedding = [&](const std::string& where) {
      Generator instance(model.plugin, options_for(model, where));
      instance.prompts(prompts());
      const auto size = static_cast<I>(instance.cond->embedding_size(instance.instance));
      const at::Tensor out = at::full({size}, NAN, instance.device);
      const DLTensor view = borrow(out);
      ErrorBuffer error;
      check(instance.cond->embedding(instance.instance, instance.handles[0], instance.stream, &view,
                                     error.get()),
            error);
      return out.to(at::kCPU);
    };
    EXPECT_LE(distance(embedding(device_name()), embedding("cpu")), kFloat32.outputs) << model.name;
  }
}

}  // namespace
}  // namespace hn::gpu
