// What a plugin keeps beyond a call, on devices with streams: made on one call's stream, read on
// another's. Nothing of this does anything for tensors on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

namespace hn {

// Waits until the device's current stream has done what it was given so far, so that a tensor made
// there may be read on any stream. For what is made seldom: weights, caches.
void settle(at::Device device);

// A kept tensor where it is read: once it is freed, its memory is not handed out again before the
// current stream has come past this point.
const at::Tensor& used_here(const at::Tensor& kept);

// Settles when it goes; a failure is left to the next call on the device.
struct SettledAtEnd {
  explicit SettledAtEnd(at::Device d) : device(d) {}
  SettledAtEnd(const SettledAtEnd&) = default;
  SettledAtEnd& operator=(const SettledAtEnd&) = default;
  ~SettledAtEnd();
  at::Device device;
};

}  // namespace hn
