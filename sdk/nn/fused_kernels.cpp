#include "nn/fused_kernels.hpp"

namespace hn::kernels {

const Kernels& best() {
#ifdef HN_HAVE_AVX2
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) return avx2::kKernels;
#endif
  return base::kKernels;
}

}  // namespace hn::kernels
