// The loops for x86-64 with AVX2 and FMA; CMakeLists.txt gives this file its compiler options.
// Empty elsewhere.
#ifdef __AVX2__
#define HN_KERNELS avx2
#include "nn/fused_kernels_body.hpp"
#endif
