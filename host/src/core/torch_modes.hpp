// LibTorch's own modes that a plugin's call could leave changed.
#pragma once

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/GradMode.h>

#include <string>

namespace hn::core {

// What a plugin with LibTorch shares with the host: one copy, hence one number of threads and one
// set of modes.
class TorchModes {
 public:
  // Puts back what is no longer as it was and says what that is; empty: nothing.
  std::string restore() const {
    std::string changes;
    const auto changed = [&](const char* what) {
      changes += (changes.empty() ? "" : ", ") + std::string(what);
    };
    if (at::get_num_threads() != threads_) {
      at::set_num_threads(threads_);
      changed("LibTorch's number of threads");
    }
    if (at::globalContext().deterministicAlgorithms() != deterministic_) {
      at::globalContext().setDeterministicAlgorithms(deterministic_, warn_only_);
      changed("LibTorch's deterministic algorithms");
    }
    if (c10::get_default_dtype() != dtype_) {
      c10::set_default_dtype(dtype_);
      changed("LibTorch's default dtype");
    }
    if (c10::GradMode::is_enabled() != grad_) {
      c10::GradMode::set_enabled(grad_);
      changed("LibTorch's grad mode");
    }
    return changes;
  }

 private:
  int threads_ = at::get_num_threads();
  bool deterministic_ = at::globalContext().deterministicAlgorithms();
  bool warn_only_ = at::globalContext().deterministicAlgorithmsWarnOnly();
  caffe2::TypeMeta dtype_ = c10::get_default_dtype();
  bool grad_ = c10::GradMode::is_enabled();
};

}  // namespace hn::core
