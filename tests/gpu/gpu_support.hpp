// What the GPU tests share: the device under test, small models, inputs that every machine draws
// alike, and the comparison with the CPU.
//
// HN_GPU_DEVICE: "cuda" (the default), "cuda:N", or "cpu" for a dry run of the tests themselves.
// Without such a device they are skipped, or fail where HN_GPU_REQUIRED is set.
#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/generator_client.hpp"

namespace hn::gpu {

using test::Generator;
using test::List;
using test::Opened;
using test::Options;
using test::Outcome;
using I = std::int64_t;

std::string device_name();
at::Device device();
inline bool on_gpu() { return device().is_cuda(); }
// Small models (data.cmake); HN_TEST_GOLDEN names the folder outside of the build tree.
std::filesystem::path golden_folder();

// Skips where the device is not there. Float32 convolutions run without TF32 here, whose ten bits
// of fraction would hide what is compared.
class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override;
};
// Also skipped, by name, in the dry run: the CPU has no streams.
class StreamTest : public GpuTest {
 protected:
  void SetUp() override;
};

// A generator small enough to run in a moment.
struct Model {
  std::string name, plugin;
  Options options;
  I width, height;  // of a picture that is quick
};
// The embedded model and the small random Stable Diffusion and FLUX folders.
const std::vector<Model>& models();
// Options of a model with others put in, for one device.
Options options_for(const Model& model, const std::string& on, Options more = {});

const std::vector<std::string>& prompts();

// Inputs of a function for a batch, the same numbers on each device: noise of unit size, pictures
// in [0,1], adapters that change something.
std::vector<at::Tensor> inputs_of(const Opened& function, I batch, at::Device on);
// Weights of each output number, so that no gradient cancels by accident.
std::vector<at::Tensor> cotangents_of(const Opened& function, I batch, at::Device on);

// Outputs and gradients of one call, on the CPU.
struct Values {
  std::vector<std::pair<std::string, at::Tensor>> outputs, grads;
};
// Opens, encodes prompts(), runs one function forward and, where it differentiates, back.
// budget: of what is saved, 0 = no limit.
Values run(Generator& instance, const std::string& function, const Options& options, I batch = 2,
           std::uint64_t budget = 0);

// |got - want| / |want|, in the Euclidean norm; infinite where something is not finite.
double distance(const at::Tensor& got, const at::Tensor& want);

// Every output within `outputs` and every gradient within `grads` of the other's (distance); the
// message names the first that is not.
struct Bound {
  double outputs, grads;
};
::testing::AssertionResult close(const Values& got, const Values& want, Bound bound);

// float32: sums in another order, through up to 30 layers and back.
inline constexpr Bound kFloat32{1e-4, 1e-3};

}  // namespace hn::gpu
