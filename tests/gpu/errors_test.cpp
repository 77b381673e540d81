// Wrong devices and streams: an error that names what was wanted and what came, after which the
// instance works as before.
#include <map>
#include <optional>

#include "gpu/gpu_support.hpp"

namespace hn::gpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class GpuErrors : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    generator_.emplace("sana_sprint", Options{{"device", device_name()}});
    generator_->prompts(prompts());
    generate_.emplace(*generator_, "generate");
    inputs_ = inputs_of(*generate_, 2, device());
    want_ = generate_->run(inputs_).outputs[0];
  }
  void TearDown() override {
    if (!generate_) return;
    const auto after = generate_->run(inputs_);
    EXPECT_EQ(after.outcome.text, "") << "the instance is spoilt";
    EXPECT_LE(distance(after.outputs[0], want_), 1e-5);
  }
  Outcome forward(std::vector<at::Tensor> inputs, hn_stream stream) {
    Opened::Pass pass(*generate_, std::move(inputs), generate_->room(2));
    return pass.forward(true, stream);
  }

  std::optional<Generator> generator_;
  std::optional<Opened> generate_;
  std::vector<at::Tensor> inputs_;
  at::Tensor want_;
};

TEST_F(GpuErrors, ATensorElsewhereIsNamed) {
  if (!on_gpu()) GTEST_SKIP() << "HN_GPU_DEVICE=cpu: there is no other device";
  const Outcome outcome = forward(inputs_of(*generate_, 2, at::kCPU), generator_->stream);
  EXPECT_EQ(outcome.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text,
              AllOf(HasSubstr("[input noise]"), HasSubstr(device().str()), HasSubstr("got cpu")));
}

TEST_F(GpuErrors, ARewardNamesThePicturesDevice) {
  if (!on_gpu()) GTEST_SKIP() << "HN_GPU_DEVICE=cpu: there is no other device";
  for (const char* plugin : {"clip", "judge"}) {
    Generator reward(plugin, {{"device", device_name()}});
    reward.prompts({"a red balloon", "two foxes"});
    Opened score(reward, "score");
    Opened::Pass pass(score, {at::full({2, 3, 64, 64}, 0.5)}, score.room(2));
    const Outcome outcome = pass.forward(false, reward.stream);
    EXPECT_EQ(outcome.status, HN_INVALID_ARGUMENT) << plugin;
    EXPECT_THAT(outcome.text,
                AllOf(HasSubstr("image_rgb01"), HasSubstr(device().str()), HasSubstr("got cpu")));
    const auto after = score.run({at::full({2, 3, 64, 64}, 0.5, device())});
    EXPECT_EQ(after.outcome.text, "") << plugin;
  }
}

TEST_F(GpuErrors, HandleZeroIsRefusedByName) {
  if (!on_gpu()) GTEST_SKIP() << "HN_GPU_DEVICE=cpu: the CPU's stream has handle 0";
  const hn_stream none{kDLCUDA, device().index(), 0};
  Opened::Pass pass(*generate_, inputs_, generate_->room(2));
  const auto before = c10::get_default_dtype();
  c10::set_default_dtype(caffe2::TypeMeta::Make<double>());
  const Outcome outcome = pass.forward(true, none);
  EXPECT_EQ(outcome.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("handle 0 is forbidden"));
  EXPECT_EQ(c10::get_default_dtype(), caffe2::TypeMeta::Make<double>())
      << "the caller's setting is kept, also by a call that is refused";
  c10::set_default_dtype(before);
  ErrorBuffer error;
  const std::vector<std::string> one{prompts()[0]};
  RawPrompts text(one);
  hn_cond* handle = nullptr;
  EXPECT_EQ(
      generator_->cond->encode(generator_->instance, text.data(), 1, none, &handle, error.get()),
      HN_INVALID_ARGUMENT);
  EXPECT_EQ(handle, nullptr);
}

TEST_F(GpuErrors, DevicesThatAreNotThereAreNamed) {
  for (const char* plugin : {"sana_sprint", "clip", "judge"})
    for (const auto& [name, wanted] : std::map<std::string, std::string>{
             {"cuda:99", "cuda:99"}, {"cuda:x", "cpu, cuda or cuda:N"}, {"tpu", "got tpu"}}) {
      const Outcome outcome = Generator::try_create(plugin, {{"device", name}});
      EXPECT_EQ(outcome.status, HN_UNSUPPORTED) << plugin << ' ' << name;
      EXPECT_THAT(outcome.text, AllOf(HasSubstr("[option device]"), HasSubstr(wanted))) << plugin;
    }
}

TEST_F(GpuErrors, ADeterministicCallIsRefusedOnADevice) {
  Opened::Pass pass(*generate_, inputs_, generate_->room(2));
  const Outcome outcome = pass.forward(false, generator_->stream, 0, HN_CALL_DETERMINISTIC);
  EXPECT_EQ(outcome.status, on_gpu() ? HN_UNSUPPORTED : HN_OK);
  if (on_gpu()) {
    EXPECT_THAT(outcome.text, HasSubstr("only the CPU promises the same bits"));
  }
}

}  // namespace
}  // namespace hn::gpu
