// What every entry into LibTorch code sets and restores, and how its errors become ours.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <hn/stream.h>

#include <hn/cpp/error.hpp>
#include <hn/torch/tensor.hpp>
#include <map>
#include <optional>

namespace hn {

// Any thread may enter a plugin, in any mode: autograd calls backward with grad mode off, a caller
// may hold autocast or inference mode. This sets device, stream, grad mode, autocast and default
// dtype, and puts them back.
class Entry {
 public:
  Entry(hn_stream stream, bool grad)
      : inference_(false), grad_(grad), no_autocast_(c10::autocast_dispatch_keyset) {
    if (stream.device_type != kDLCUDA) return;
    if (stream.handle == 0)
      throw Error(HN_INVALID_ARGUMENT,
                  "[stream] handle 0 is forbidden: 1 = legacy, 2 = per-thread");
    const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(stream.device_id));
    // LibTorch numbers its default stream 0 and an external stream by its address.
    const c10::StreamId id = stream.handle == 1 ? 0 : static_cast<c10::StreamId>(stream.handle);
    const c10::Stream given(c10::Stream::UNSAFE, device, id);
    if (stream.handle != kPerThread) {
      stream_.emplace(given);
      return;
    }
    // Autograd's backward runs on a thread of its own, where this handle would be another stream:
    // the work goes to a side stream that joins.
    const c10::Stream side = side_stream(device);
    follow(side, given);
    stream_.emplace(side);
    joined_ = given;
  }
  ~Entry() {
    if (!joined_) return;
    try {
      follow(*joined_, stream_->current_stream());
    } catch (const c10::Error&) {
      return;  // a device that fails says so at the next call
    }
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  // What `later` is given from here on runs behind what `earlier` has been given.
  static void follow(const c10::Stream& later, const c10::Stream& earlier) {
    c10::Event event(at::kCUDA);
    event.record(earlier);
    later.wait(event);
  }

  // The CUDA stream that the call's work goes to.
  std::optional<c10::Stream> stream() const {
    return stream_ ? std::optional(stream_->current_stream()) : std::nullopt;
  }

 private:
  static constexpr std::uint64_t kPerThread = 2;

  // One for each thread and device, since LibTorch keeps memory apart by streams.
  static c10::Stream side_stream(at::Device device) {
    thread_local std::map<at::DeviceIndex, c10::Stream> streams;
    const auto found = streams.find(device.index());
    if (found != streams.end()) return found->second;
    const c10::impl::VirtualGuardImpl cuda(at::kCUDA);
    return streams.emplace(device.index(), cuda.getStreamFromGlobalPool(device)).first->second;
  }

  // An own object, so that it is put back also where the constructor refuses the stream.
  struct DefaultDtype {
    DefaultDtype() { c10::set_default_dtype(caffe2::TypeMeta::Make<float>()); }
    ~DefaultDtype() { c10::set_default_dtype(before); }
    DefaultDtype(const DefaultDtype&) = delete;
    DefaultDtype& operator=(const DefaultDtype&) = delete;
    caffe2::TypeMeta before = c10::get_default_dtype();
  };
  c10::InferenceMode inference_;
  c10::AutoGradMode grad_;
  c10::impl::ExcludeDispatchKeyGuard no_autocast_;
  DefaultDtype dtype_;
  std::optional<c10::StreamGuard> stream_;
  std::optional<c10::Stream> joined_;
};

// Runs body; LibTorch's errors become hn::Error without their stack traces.
template <class Body>
decltype(auto) translate_errors(Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const c10::OutOfMemoryError& e) {
    throw Error(HN_OUT_OF_MEMORY, e.what_without_backtrace());
  } catch (const c10::Error& e) {
    throw Error(HN_INTERNAL, e.what_without_backtrace());
  }
}

}  // namespace hn
