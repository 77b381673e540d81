#include <ATen/ATen.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <hn/nn/stream_order.hpp>

namespace hn {
namespace {

c10::Stream current_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

void settle(at::Device device) {
  if (device.is_cuda()) current_stream(device).synchronize();
}

const at::Tensor& used_here(const at::Tensor& kept) {
  if (kept.defined() && kept.is_cuda()) kept.record_stream(current_stream(kept.device()));
  return kept;
}

SettledAtEnd::~SettledAtEnd() {
  try {
    settle(device);
  } catch (const c10::Error&) {
    return;
  }
}

}  // namespace hn
