// Rewards with LibTorch on the device against the same on the CPU, and a picture that goes from a
// generator to its rewards without leaving the device.
#include <ATen/CPUGeneratorImpl.h>

#include "gpu/gpu_support.hpp"

namespace hn::gpu {
namespace {

struct Model {
  std::string plugin, weights;  // a folder of golden_folder(); empty: the embedded ones
};
const std::vector<Model>& rewards() {
  static const std::vector<Model> all = {{"clip", ""},
                                         {"hps", "clip_rewards/hps_derived"},
                                         {"pickscore", "clip_rewards/pickscore_safe"},
                                         {"aesthetic", "clip_rewards/aesthetic_mlp"},
                                         {"image_reward", "image_reward/plain"}};
  return all;
}

Values score_on(const std::string& where, const Model& model, Options more = {}) {
  if (!model.weights.empty()) more["weights"] = (golden_folder() / model.weights).string();
  more["device"] = where;
  Generator reward(model.plugin, more);
  if (reward.cond != nullptr) reward.prompts(prompts());
  Opened score(reward, "score");
  // Pictures of no size that a model wants, so that each preprocesses them.
  const at::Tensor waves = (at::arange(2 * 3 * 70 * 54, at::kDouble) * 0.013).sin() * 0.4 + 0.5;
  const auto image = waves.to(at::kFloat).view({2, 3, 70, 54}).to(reward.device);
  const auto result = score.run({image}, {at::ones({2}, reward.device)});
  if (result.outcome.status != HN_OK) throw Error(result.outcome.status, result.outcome.text);
  return {{{"score", result.outputs[0].to(at::kCPU)}},
          {{"gradient", result.grads[0].to(at::kCPU)}}};
}

class GpuRewards : public GpuTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  const Model& model() const { return rewards()[GetParam()]; }
};
INSTANTIATE_TEST_SUITE_P(Small, GpuRewards, ::testing::Values(0, 1, 2, 3, 4),
                         [](const auto& info) { return rewards()[info.param].plugin; });

TEST_P(GpuRewards, Float32IsTheCpus) {
  for (const char* mode : {"tensor", "official"}) {
    const Options options = {{"preprocess", std::string(mode)}};
    const Values want = score_on("cpu", model(), options);
    EXPECT_GT(want.grads[0].second.abs().max().item<double>(), 0.0);
    EXPECT_TRUE(close(score_on(device_name(), model(), options), want, kFloat32)) << mode;
  }
}

TEST_P(GpuRewards, Bfloat16IsAsNearToFloat32AsOnTheCpu) {
  const Options half = {{"dtype", std::string("bfloat16")}};
  const Values exact = score_on("cpu", model()), cpu = score_on("cpu", model(), half),
               got = score_on(device_name(), model(), half);
  const double scores = distance(cpu.outputs[0].second, exact.outputs[0].second),
               grads = distance(cpu.grads[0].second, exact.grads[0].second);
  EXPECT_TRUE(close(got, exact, {3 * scores + 0.02, 3 * grads + 0.02}));
}

// On a device the deterministic attention is written out; it gives the same score.
TEST_P(GpuRewards, TheDeterministicCallGivesTheSameBitsTwice) {
  Options options = {{"device", device_name()}};
  if (!model().weights.empty()) options["weights"] = (golden_folder() / model().weights).string();
  Generator reward(model().plugin, options);
  if (reward.cond != nullptr) reward.prompts(prompts());
  Opened score(reward, "score");
  const auto image = at::full({2, 3, 48, 64}, 0.3, reward.device);
  image.select(1, 0).fill_(0.8);
  const auto plain = score.run({image});
  const auto one = score.run({image}, {}, 0, HN_CALL_DETERMINISTIC),
             two = score.run({image}, {}, 0, HN_CALL_DETERMINISTIC);
  ASSERT_EQ(one.outcome.text, "");
  EXPECT_TRUE(at::equal(one.outputs[0], two.outputs[0]));
  EXPECT_LE(distance(one.outputs[0], plain.outputs[0]), kFloat32.outputs);
}

TEST_F(GpuTest, ThePictureNeverLeavesTheDeviceAndTheJudgeSeesTheSame) {
  const std::vector<std::string> asked = {"a red balloon on a green background", "two foxes",
                                          "a dog on a blue background", "three keys"};
  const auto verdicts = [&](const std::string& where) {
    Generator generator("sana_sprint", {{"device", where}});
    generator.prompts(asked);
    Opened generate(generator, "generate", {{"steps", I{2}}});
    auto inputs = inputs_of(generate, 4, generator.device);
    // Noise as the model knows it: independent numbers, the same on every device.
    auto random = at::detail::createCPUGenerator(1);
    for (auto& x : inputs) x = at::randn(x.sizes(), random).to(generator.device);
    const at::Tensor image = generate.run(inputs).outputs[0];
    EXPECT_EQ(image.device(), generator.device);
    Generator judge("judge", {{"device", where}}), clip("clip", {{"device", where}});
    std::vector<at::Tensor> found;
    for (Generator* reward : {&judge, &clip}) {
      reward->prompts(asked);
      Opened score(*reward, "score");
      const auto result = score.run({image});
      EXPECT_EQ(result.outcome.text, "");
      for (const auto& column : result.outputs) found.push_back(column.to(at::kCPU));
    }
    return found;
  };
  const auto want = verdicts("cpu"), got = verdicts(device_name());
  ASSERT_EQ(got.size(), want.size());
  EXPECT_GT(want[1].sum().item<double>() + want[2].sum().item<double>(), 0.0) << "nothing is right";
  for (std::size_t i = 0; i + 1 < want.size(); ++i)
    EXPECT_TRUE(at::equal(got[i], want[i])) << "column " << i << " of judge";
  EXPECT_LE(distance(got.back(), want.back()), kFloat32.outputs);
}

}  // namespace
}  // namespace hn::gpu
