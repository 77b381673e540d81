// SD-Turbo at its published size, from a folder with random weights: seconds and bytes of each
// stage of one step at 512 px, and a training step of the noise network. Slow, and skipped unless
// HN_SD_FOLDER names the folder that tests/golden/sd_turbo/published.py --folder made.
// tests/golden/sd_turbo/full_size.py runs it beside diffusers and compares the pictures.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "model.hpp"
#include "support/counter_weights.hpp"
#include "unit/memory_support.hpp"

namespace hn::sd {
namespace {

// The most that the process has held so far, in GiB.
double peak() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

template <class F>
auto timed(const char* what, const F& f) {
  const auto begin = std::chrono::steady_clock::now();
  auto result = f();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("%s | %.2f s | peak %.2f GiB\n", what, seconds.count(), peak());
  std::fflush(stdout);
  return result;
}

TEST(SdFullSize, OneStepAt512Pixels) {
  const char* folder = std::getenv("HN_SD_FOLDER");
  if (folder == nullptr) GTEST_SKIP() << "HN_SD_FOLDER names no folder of the published size";
  const char* type = std::getenv("HN_SD_DTYPE");
  const auto dtype = type != nullptr && std::string(type) == "float32" ? at::kFloat : at::kBFloat16;
  PipelineOptions options;
  options.dtype = dtype;
  const auto model = timed("load", [&] { return std::make_unique<Model>(folder, options); });
  EXPECT_EQ(model->bytes(), (865910724u + 83653863u + 340387840u) * c10::elementSize(dtype));
  const auto prompt = timed("text", [&] { return model->encode_prompt("a red apple"); });
  const Cond* const prompts[] = {prompt.get()};
  const auto noise = counter::noise("full_size/noise", {1, 4, 64, 64});
  at::Tensor latents, image;
  const test::Options none;
  const auto settings = model->settings(test::config_of(none), 1, nullptr);
  BlockRunner run;
  const LoraSet plain;
  const PassContext context{prompts, plain, *settings, run, {}};
  {
    const c10::NoGradGuard no_grad;
    latents = timed("U-Net, one step", [&] { return model->sample(noise, {}, context); });
    latents = timed("U-Net, one step again", [&] { return model->sample(noise, {}, context); });
    image = timed("decode", [&] { return model->decode(latents, context); });
  }
  ASSERT_EQ(image.sizes(), (std::vector<std::int64_t>{1, 3, 512, 512}));
  EXPECT_TRUE(at::isfinite(image).all().item<bool>());
  if (const char* out = std::getenv("HN_SD_OUT")) {
    const auto l = latents.contiguous(), i = image.contiguous();
    write_safetensors(
        out, std::vector<TensorToWrite>{
                 {"latents", TensorDtype::kF32, l.sizes().vec(), l.const_data_ptr(), l.nbytes()},
                 {"image", TensorDtype::kF32, i.sizes().vec(), i.const_data_ptr(), i.nbytes()}});
  }

  // The noise network's share of a training step: forward and backward to its adapter of rank 4.
  LoraSet set(model->unet().layers().size(), 2.0, model->unet().conv_out_layer());
  std::vector<at::Tensor> params;
  const std::vector<std::string> targets{"all-linear", "conv_out"};
  for (const int index : match_targets(model->unet().layers(), targets)) {
    const auto& layer = model->unet().layers()[static_cast<std::size_t>(index)];
    params.push_back((at::randn(lora_a_shape(layer, 4)) * 0.02).requires_grad_(true));
    params.push_back((at::randn(lora_b_shape(layer, 4, false)) * 0.02).requires_grad_(true));
    set.set(index, params[params.size() - 2], params.back());
  }
  const PassContext adapted{prompts, set, *settings, run, {}};
  const auto offset = timed("noise_net, forward", [&] { return model->noise_net(noise, adapted); });
  const auto grads = timed("noise_net, backward",
                           [&] { return torch::autograd::grad({offset.square().sum()}, params); });
  for (const auto& g : grads) EXPECT_TRUE(at::isfinite(g).all().item<bool>());
}

}  // namespace
}  // namespace hn::sd
