// Checks of pointers that callers of the C API pass.
#pragma once

#include <hn/cpp/error.hpp>

#include "support/cat.hpp"

namespace hn::host {

template <class T>
T* need(T* pointer, const char* function, const char* what) {
  if (pointer == nullptr)
    throw Error(HN_INVALID_ARGUMENT, cat("[", function, "] ", what, " is NULL"));
  return pointer;
}

}  // namespace hn::host
