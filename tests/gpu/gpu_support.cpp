#include "gpu/gpu_support.hpp"

#include <ATen/Context.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace hn::gpu {
namespace {

const char* setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

// Numbers of a slot's semantic; `salt` tells two slots apart.
at::Tensor wave(const std::vector<I>& shape, double size, double salt) {
  I n = 1;
  for (const I d : shape) n *= d;
  return ((at::arange(n, at::kDouble) * 0.7310585 + salt).sin() * size).to(at::kFloat).view(shape);
}

::testing::AssertionResult close_list(const std::vector<std::pair<std::string, at::Tensor>>& got,
                                      const std::vector<std::pair<std::string, at::Tensor>>& want,
                                      double bound) {
  if (got.size() != want.size())
    return ::testing::AssertionFailure() << got.size() << " tensors against " << want.size();
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double off = distance(got[i].second, want[i].second);
    if (!(off <= bound))
      return ::testing::AssertionFailure()
             << want[i].first << ": off by " << off << ", allowed " << bound;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace

std::string device_name() { return setting("HN_GPU_DEVICE", "cuda"); }
at::Device device() { return test::option_device({{"device", device_name()}}); }
std::filesystem::path golden_folder() { return setting("HN_TEST_GOLDEN", HN_GPU_GOLDEN); }

void GpuTest::SetUp() {
  if (on_gpu() && !at::hasCUDA()) {
    const std::string why = "HN_GPU_DEVICE=" + device_name() + ": LibTorch finds no CUDA device";
    if (std::getenv("HN_GPU_REQUIRED") != nullptr) GTEST_FAIL() << why;
    GTEST_SKIP() << why;
  }
  at::globalContext().setAllowTF32CuDNN(false);
}

void StreamTest::SetUp() {
  GpuTest::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  if (!on_gpu()) GTEST_SKIP() << "HN_GPU_DEVICE=cpu: the CPU has no streams";
}

const std::vector<Model>& models() {
  static const std::vector<Model> all = {
      {"emoji-sprint", "sana_sprint", {}, 128, 96},
      {"small Stable Diffusion",
       "sd_turbo",
       {{"weights", (golden_folder() / "sd_turbo/plain").string()}},
       24,
       16},
      {"small FLUX",
       "flux_schnell",
       {{"weights", (golden_folder() / "flux_schnell/plain").string()},
        {"max_sequence_length", I{12}}},
       20,
       12}};
  return all;
}

Options options_for(const Model& model, const std::string& on, Options more) {
  for (const auto& [key, value] : model.options) more.try_emplace(key, value);
  more.try_emplace("width", model.width);
  more.try_emplace("height", model.height);
  more["device"] = on;
  return more;
}

const std::vector<std::string>& prompts() {
  static const std::vector<std::string> texts = {"a red apple on a green background",
                                                 "two blue cats"};
  return texts;
}

std::vector<at::Tensor> inputs_of(const Opened& function, I batch, at::Device on) {
  std::vector<at::Tensor> inputs;
  for (const auto& slot : function.in) {
    const auto shape = Opened::with_batch(slot.shape, batch);
    const auto salt = static_cast<double>(inputs.size());
    at::Tensor x;
    if (slot.semantic == "image_rgb01")
      x = wave(shape, 0.4, salt) + 0.5;
    else
      x = wave(shape, slot.semantic.starts_with("lora") ? 0.1 : 1.4, salt);
    inputs.push_back(x.to(on));
  }
  return inputs;
}

std::vector<at::Tensor> cotangents_of(const Opened& function, I batch, at::Device on) {
  std::vector<at::Tensor> cotangents;
  for (const auto& slot : function.out)
    cotangents.push_back(wave(Opened::with_batch(slot.shape, batch), 1, 0.5).to(on));
  return cotangents;
}

Values run(Generator& instance, const std::string& function, const Options& options, I batch,
           std::uint64_t budget) {
  Opened opened(instance, function, options);
  opened.saved_budget = budget;
  bool differentiable = true;
  for (const auto& slot : opened.in) differentiable &= (slot.flags & HN_SLOT_DIFF) != 0;
  auto cotangents = cotangents_of(opened, batch, instance.device);
  if (!differentiable) cotangents.clear();
  const Opened::Result result =
      opened.run(inputs_of(opened, batch, instance.device), cotangents, /*seed=*/3);
  if (result.outcome.status != HN_OK)
    throw Error(result.outcome.status, function + ": " + result.outcome.text);
  Values values;
  for (std::size_t i = 0; i < result.outputs.size(); ++i) {
    EXPECT_EQ(result.outputs[i].device(), instance.device);
    values.outputs.emplace_back("output " + opened.out[i].name, result.outputs[i].to(at::kCPU));
  }
  for (std::size_t i = 0; i < result.grads.size(); ++i)
    values.grads.emplace_back("gradient of " + opened.in[i].name, result.grads[i].to(at::kCPU));
  return values;
}

double distance(const at::Tensor& got, const at::Tensor& want) {
  const auto a = got.to(at::kCPU, at::kDouble), b = want.to(at::kCPU, at::kDouble);
  const double off = ((a - b).norm() / b.norm().clamp_min(1e-12)).item<double>();
  return std::isfinite(off) ? off : std::numeric_limits<double>::infinity();
}

::testing::AssertionResult close(const Values& got, const Values& want, Bound bound) {
  const auto outputs = close_list(got.outputs, want.outputs, bound.outputs);
  return outputs ? close_list(got.grads, want.grads, bound.grads) : outputs;
}

}  // namespace hn::gpu
