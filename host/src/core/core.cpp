// The module's one symbol.
#include "core/core_session.hpp"

#ifndef HN_CORE_LIBTORCH_BUILD_ID
#error "the build names the LibTorch that the core is linked with"
#endif

extern "C" {
HN_EXPORT extern const hnhost_core_v1 hnhost_core_entry_v1;
const hnhost_core_v1 hnhost_core_entry_v1 = {HN_CORE_LIBTORCH_BUILD_ID, &hn::core::open_session};
}
