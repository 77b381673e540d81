// The loops behind fused.cpp: plain float32 arrays, no LibTorch. Compiled for several instruction
// sets; best() chooses when it is first called.
#pragma once

#include <cstdint>

namespace hn::kernels {

// One head: n positions of d numbers; a stride is the distance between positions.
struct Head {
  const float *q, *k, *v;
  std::int64_t q_stride, k_stride, v_stride;
  std::int64_t n, d;
  float eps;
};
struct HeadGradients {
  float *q, *k, *v;  // all with this stride
  std::int64_t stride;
};

// Floats of scratch that the two attention functions want.
inline constexpr std::int64_t kGap = 80;
inline std::int64_t scratch_size(std::int64_t n, std::int64_t d) {
  return 4 * d * d + 3 * n * d + 2 * d + n + 6 * kGap;
}

struct Kernels {
  // Rows [begin, end) of x [rows, c]; rstd [rows] receives 1 / sqrt(mean(x^2) + eps). weight, bias,
  // residual may be null.
  void (*rms_norm)(const float* x, const float* weight, const float* bias, const float* residual,
                   float* y, float* rstd, std::int64_t c, float eps, std::int64_t begin,
                   std::int64_t end);
  void (*rms_norm_backward)(const float* x, const float* weight, const float* rstd, const float* gy,
                            float* gx, std::int64_t c, std::int64_t begin, std::int64_t end);
  // Rows [begin, end) of x [rows, 2c].
  void (*gated_silu)(const float* x, float* y, std::int64_t c, std::int64_t begin,
                     std::int64_t end);
  void (*gated_silu_backward)(const float* x, const float* gy, float* gx, std::int64_t c,
                              std::int64_t begin, std::int64_t end);
  void (*linear_attention)(const Head& head, float* y, std::int64_t y_stride, float* scratch);
  void (*linear_attention_backward)(const Head& head, const float* gy, std::int64_t gy_stride,
                                    const HeadGradients& g, float* scratch);
};

namespace base {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}

// The fastest of them that this machine runs.
const Kernels& best();

}  // namespace hn::kernels
