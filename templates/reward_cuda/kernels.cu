#include <cuda_runtime.h>

#include "kernels.hpp"

namespace my_reward_cuda {
namespace {

constexpr int kThreads = 256;
__constant__ const float kLuma[3] = {0.299f, 0.587f, 0.114f};

__device__ std::int64_t offset(const Image& image, std::int64_t b, int c, std::int64_t pixel) {
  return b * image.stride[0] + c * image.stride[1] + pixel / image.width * image.stride[2] +
         pixel % image.width * image.stride[3];
}

// The mean luma of one sample; the whole block takes part and gets it. Each thread sums its own
// pixels, then a tree over the block: no atomics, so the same bits every time.
__device__ double mean_luma(const Image& image, std::int64_t b) {
  __shared__ double sums[kThreads];
  const std::int64_t pixels = image.height * image.width;
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < pixels; i += kThreads)
    for (int c = 0; c < 3; ++c) sum += kLuma[c] * image.data[offset(image, b, c, i)];
  sums[threadIdx.x] = sum;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  __syncthreads();
  return sums[0] / static_cast<double>(pixels);
}

// One block a sample.
__global__ void score_kernel(Image image, Numbers score, double target) {
  const std::int64_t b = blockIdx.x;
  const double away = mean_luma(image, b) - target;
  if (threadIdx.x == 0) score.data[b * score.stride] = static_cast<float>(1.0 - away * away);
}

// d score / d pixel of channel c = -2 (mean - target) * luma[c] / (H W).
__global__ void gradient_kernel(Image image, Numbers cotangent, Image grad, bool add,
                                double target) {
  const std::int64_t b = blockIdx.x, pixels = image.height * image.width;
  const double above = cotangent.data == nullptr ? 0.0 : cotangent.data[b * cotangent.stride];
  const double slope = above * -2.0 * (mean_luma(image, b) - target) / static_cast<double>(pixels);
  for (std::int64_t i = threadIdx.x; i < pixels; i += kThreads)
    for (int c = 0; c < 3; ++c) {
      float& to = grad.data[offset(grad, b, c, i)];
      to = (add ? to : 0.0f) + static_cast<float>(slope * kLuma[c]);
    }
}

}  // namespace

int launch_score(const Image& image, const Numbers& score, double target, std::uint64_t stream) {
  score_kernel<<<static_cast<unsigned>(image.batch), kThreads, 0,
                 reinterpret_cast<cudaStream_t>(stream)>>>(image, score, target);
  return cudaGetLastError();
}

int launch_gradient(const Image& image, const Numbers& cotangent, const Image& grad, bool add,
                    double target, std::uint64_t stream) {
  gradient_kernel<<<static_cast<unsigned>(image.batch), kThreads, 0,
                    reinterpret_cast<cudaStream_t>(stream)>>>(image, cotangent, grad, add, target);
  return cudaGetLastError();
}

OnDevice::OnDevice(int device) {
  problem_ = cudaGetDevice(&before_);
  if (problem_ == cudaSuccess && before_ != device) problem_ = cudaSetDevice(device);
}
OnDevice::~OnDevice() {
  if (before_ >= 0) cudaSetDevice(before_);
}

int device_count(int* problem) {
  int count = 0;
  *problem = cudaGetDeviceCount(&count);
  return *problem == cudaSuccess ? count : 0;
}
const char* error_text(int problem) {
  return cudaGetErrorString(static_cast<cudaError_t>(problem));
}
bool out_of_memory(int problem) { return problem == cudaErrorMemoryAllocation; }
bool device_lost(int problem) {
  return problem == cudaErrorIllegalAddress || problem == cudaErrorLaunchFailure ||
         problem == cudaErrorECCUncorrectable || problem == cudaErrorAssert ||
         problem == cudaErrorHardwareStackError || problem == cudaErrorIllegalInstruction ||
         problem == cudaErrorMisalignedAddress || problem == cudaErrorInvalidAddressSpace ||
         problem == cudaErrorInvalidPc;
}

}  // namespace my_reward_cuda
