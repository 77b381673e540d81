// The loops for any machine of the target architecture.
#define HN_KERNELS base
#include "nn/fused_kernels_body.hpp"
