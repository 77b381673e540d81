// The host on the device, through hnhost.h: training as on the CPU, checkpoints, rewards on another
// device, budgets.
#include "gpu/session.hpp"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "gpu/gpu_support.hpp"

namespace hn::gpu {
namespace {

class GpuSession : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    folder_ =
        std::filesystem::temp_directory_path() / ("hn-gpu-session-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "prompts.txt") << "a red balloon\ntwo foxes\na blue cup\nthree stars\n";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A small training: `more` goes behind, in tables of its own.
  std::string config(const std::string& on, const std::string& reward,
                     const std::string& train = "", const std::string& more = "") const {
    return "generator = \"emoji-sprint\"\ndevice = \"" + on + "\"\nseed = 5\n[[reward]]\n" +
           reward +
           "\n[net]\nrank = 4\nalpha = 8.0\n[train]\nsteps = 20\nbatch = 3\nwarmup = 0\nprompts = "
           "\"" +
           (folder_ / "prompts.txt").string() + "\"\n" + train + "\n" + more + "\n";
  }
  static constexpr const char* kClip = "name = \"clip\"";

  std::filesystem::path folder_;
  Host host_;
};

void expect_near(const Session::Step& got, const Session::Step& want, double part) {
  EXPECT_FALSE(got.skipped);
  EXPECT_NEAR(got.loss, want.loss, part * std::abs(want.loss));
  EXPECT_NEAR(got.reward, want.reward, part * std::abs(want.reward));
  EXPECT_NEAR(got.grad_norm, want.grad_norm, 10 * part * want.grad_norm);
}

TEST_F(GpuSession, FirstStepsAreTheCpus) {
  for (const char* reward : {kClip, "name = \"redness\""}) {
    Session cpu(host_, config("cpu", reward)), gpu(host_, config(device_name(), reward));
    for (int i = 0; i < 3; ++i) {
      const Session::Step want = cpu.train(), got = gpu.train();
      EXPECT_GT(want.grad_norm, 0) << reward;
      expect_near(got, want, 1e-3);
    }
  }
}

TEST_F(GpuSession, FineTuningIsTheCpus) {
  const std::string net = "kind = \"finetune\"";
  const auto with = [&](const std::string& on) {
    std::string text = config(on, kClip);
    return text.replace(text.find("rank = 4"), 8, net + "\nrank = 4");
  };
  Session cpu(host_, with("cpu")), gpu(host_, with(device_name()));
  for (int i = 0; i < 2; ++i) expect_near(gpu.train(), cpu.train(), 1e-3);
}

TEST_F(GpuSession, ACheckpointGoesOnWhereItStood) {
  const std::string file = (folder_ / "checkpoint").string();
  Session whole(host_, config(device_name(), kClip));
  for (int i = 0; i < 2; ++i) whole.train();
  whole.save(file);
  Session resumed(host_, config(device_name(), kClip));
  resumed.load(file);
  // A checkpoint knows no device: one from here goes on there.
  Session elsewhere(host_, config("cpu", kClip));
  elsewhere.load(file);
  for (int i = 0; i < 2; ++i) {
    const Session::Step want = whole.train();
    expect_near(resumed.train(), want, 1e-3);
    expect_near(elsewhere.train(), want, 1e-3);
  }
  Numbers a(whole.shape("image", 2)), b(resumed.shape("image", 2));
  whole.sample({"a red balloon", "two foxes"}, true, a);
  resumed.sample({"a red balloon", "two foxes"}, true, b);
  double worst = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(a.data[i]) - b.data[i]));
  EXPECT_LE(worst, 0.02);
}

TEST_F(GpuSession, ARewardMayStandOnAnotherDevice) {
  const std::string apart = std::string(kClip) + "\noptions = { device = \"cpu\" }";
  Session together(host_, config(device_name(), kClip)), split(host_, config(device_name(), apart));
  for (int i = 0; i < 2; ++i) expect_near(split.train(), together.train(), 1e-3);
}

TEST_F(GpuSession, ABudgetAndMicroBatchesChangeNothing) {
  Session plenty(host_, config(device_name(), kClip)),
      tight(host_, config(device_name(), kClip, "memory_budget = \"8MiB\"\nmicro_batch = 2"));
  for (int i = 0; i < 3; ++i) expect_near(tight.train(), plenty.train(), 1e-3);
}

TEST_F(GpuSession, ScoresAndTheirGradientsAreTheCpus) {
  Session cpu(host_, config("cpu", kClip)), gpu(host_, config(device_name(), kClip));
  Numbers images({2, 3, 64, 64});
  for (std::size_t i = 0; i < images.data.size(); ++i)
    images.data[i] = 0.5f + 0.4f * std::sin(0.013f * static_cast<float>(i));
  const auto score = [&](Session& session, Numbers& scores, Numbers& gradient) {
    const std::vector<std::string> texts = {"a red balloon", "two foxes"};
    const Prompts prompts(texts);
    hnhost_score_args args{};
    args.struct_size = sizeof args;
    args.images = &images.view;
    args.prompts = prompts.data();
    args.n_prompts = prompts.size();
    args.scores = &scores.view;
    args.image_grad = &gradient.view;
    ErrorBuffer error;
    check(hnhost_score(session.raw(), &args, error.get()), error);
    return Values{{{"scores", at::from_blob(scores.data.data(), scores.shape, at::kFloat)}},
                  {{"gradient", at::from_blob(gradient.data.data(), gradient.shape, at::kFloat)}}};
  };
  Numbers a({2}), ga({2, 3, 64, 64}), b({2}), gb({2, 3, 64, 64});
  const Values want = score(cpu, a, ga);
  EXPECT_TRUE(close(score(gpu, b, gb), want, kFloat32));
}

TEST_F(GpuSession, SamplesAreTheCpus) {
  Session cpu(host_, config("cpu", kClip)), gpu(host_, config(device_name(), kClip));
  Numbers want(cpu.shape("image", 3)), got(gpu.shape("image", 3));
  for (const bool adapted : {false, true}) {
    cpu.sample({"a red balloon", "two foxes", "a blue cup"}, adapted, want);
    gpu.sample({"a red balloon", "two foxes", "a blue cup"}, adapted, got);
    EXPECT_LE(distance(at::from_blob(got.data.data(), got.shape, at::kFloat),
                       at::from_blob(want.data.data(), want.shape, at::kFloat)),
              kFloat32.outputs);
  }
}

// Tensors of the device in place of the CPU's, rows apart from one another.
TEST_F(GpuSession, TensorsOfTheDeviceAreReadAndWritten) {
  Session session(host_, config(device_name(), kClip));
  const std::vector<std::string> texts = {"a red balloon", "two foxes"};
  Numbers want(session.shape("image", 2));
  session.sample(texts, true, want);
  const auto options = at::TensorOptions(at::kFloat).device(device());
  std::vector<std::int64_t> twice = want.shape;
  twice[0] *= 2;
  const at::Tensor images = at::full(twice, -1.0, options).slice(0, 0, twice[0], 2);
  session.sample(texts, true, borrow(images));
  const at::Tensor pictures = at::from_blob(want.data.data(), want.shape, at::kFloat);
  EXPECT_LE(distance(images.to(at::kCPU), pictures), kFloat32.outputs);

  const auto score = [&](const DLTensor& from, const DLTensor& scores, const DLTensor& gradient) {
    const Prompts prompts(texts);
    hnhost_score_args args{};
    args.struct_size = sizeof args;
    args.images = &from;
    args.prompts = prompts.data();
    args.n_prompts = prompts.size();
    args.scores = &scores;
    args.image_grad = &gradient;
    ErrorBuffer error;
    check(hnhost_score(session.raw(), &args, error.get()), error);
  };
  Numbers scores({2}), gradient(want.shape);
  score(want.view, scores.view, gradient.view);
  const at::Tensor scores_there = at::zeros({2}, options), gradient_there = at::zeros_like(images);
  score(borrow(images), borrow(scores_there), borrow(gradient_there));
  const auto values = [](const at::Tensor& s, const at::Tensor& g) {
    return Values{{{"scores", s.to(at::kCPU)}}, {{"gradient", g.to(at::kCPU)}}};
  };
  EXPECT_TRUE(close(values(scores_there, gradient_there),
                    values(at::from_blob(scores.data.data(), {2}, at::kFloat),
                           at::from_blob(gradient.data.data(), gradient.shape, at::kFloat)),
                    kFloat32));
}

TEST_F(GpuSession, AStreamOfTheCallersGivesTheSame) {
  if (!on_gpu()) GTEST_SKIP() << "HN_GPU_DEVICE=cpu: the CPU has no streams";
  const c10::impl::VirtualGuardImpl cuda(at::kCUDA);
  const c10::Stream own = cuda.getStreamFromGlobalPool(device(), false);
  const hn_stream stream = {kDLCUDA, own.device_index(),
                            reinterpret_cast<std::uint64_t>(own.native_handle())};
  Session session(host_, config(device_name(), kClip)),
      on_stream(host_, config(device_name(), kClip), stream);
  Numbers want(session.shape("image", 2));
  session.sample({"a red balloon", "two foxes"}, true, want);
  const at::Tensor images = at::zeros(want.shape, at::TensorOptions(at::kFloat).device(device()));
  cuda.getDefaultStream(device()).synchronize();
  on_stream.sample({"a red balloon", "two foxes"}, true, borrow(images));
  const c10::StreamGuard guard(own);  // what is read here comes behind the call's work
  EXPECT_LE(distance(images.to(at::kCPU), at::from_blob(want.data.data(), want.shape, at::kFloat)),
            kFloat32.outputs);
}

TEST_F(GpuSession, ADeviceThatIsNotThereIsNamed) {
  for (const char* name : {"cuda:99", "tpu"}) {
    try {
      const Session session(host_, config(name, kClip));
      ADD_FAILURE() << name << " was taken";
    } catch (const Error& e) {
      EXPECT_THAT(std::string(e.what()), ::testing::HasSubstr(name));
    }
  }
}

}  // namespace
}  // namespace hn::gpu
