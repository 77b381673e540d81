// The two kernels of my_reward_cuda, launched on a stream; nothing of CUDA's headers is needed to
// call them.
#pragma once

#include <cstdint>

namespace my_reward_cuda {

// A float32 tensor on the device; strides in elements, any sign.
struct Image {
  float* data;
  std::int64_t batch, height, width;  // [batch, 3, height, width]
  std::int64_t stride[4];
};
struct Numbers {
  float* data;  // null: all zero
  std::int64_t stride;
};

// score[b] = 1 - (mean luma - target)^2. Both return a cudaError_t as a number, 0 where the kernel
// was enqueued; `stream` is hn_stream.handle. Sums are taken in the same order at every call.
int launch_score(const Image& image, const Numbers& score, double target, std::uint64_t stream);
// grad[b,c,y,x] (+)= cotangent[b] * d score[b] / d image[b,c,y,x]; grad has the picture's sizes and
// strides of its own.
int launch_gradient(const Image& image, const Numbers& cotangent, const Image& grad, bool add,
                    double target, std::uint64_t stream);

// Makes a device current while it lives, and puts the former one back.
class OnDevice {
 public:
  explicit OnDevice(int device);
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice();
  int problem() const { return problem_; }  // cudaError_t

 private:
  int before_ = -1, problem_ = 0;
};

int device_count(int* problem);       // 0 where there is none; problem: cudaError_t
const char* error_text(int problem);  // CUDA's own words
bool out_of_memory(int problem);
bool device_lost(int problem);  // nothing works on this device any more
}  // namespace my_reward_cuda
