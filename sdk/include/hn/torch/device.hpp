// The standard option `device` as LibTorch's.
#pragma once

#include <ATen/Context.h>
#include <c10/core/Device.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <hn/cpp/config.hpp>
#include <hn/cpp/error.hpp>
#include <string>

namespace hn {

// "cpu" (the default), "cuda" (= "cuda:0") or "cuda:N". HN_UNSUPPORTED for any other, and for CUDA
// where this LibTorch finds no such device.
inline at::Device device_from(const Config& config) {
  const std::string text = config.str("device", "cpu");
  if (text == "cpu") return at::kCPU;
  const std::string number = text == "cuda"                ? "0"
                             : text.rfind("cuda:", 0) == 0 ? text.substr(5)
                                                           : "";
  if (number.empty() || number.size() > 2 ||
      number.find_first_not_of("0123456789") != std::string::npos)
    throw Error(HN_UNSUPPORTED, "[option device] expected cpu, cuda or cuda:N, got " + text);
  if (!at::hasCUDA())
    throw Error(HN_UNSUPPORTED, "[option device] " + text + ": LibTorch finds no CUDA device");
  const int index = std::stoi(number);
  const int count = c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount();
  if (index >= count)
    throw Error(HN_UNSUPPORTED, "[option device] expected a device below cuda:" +
                                    std::to_string(count) + ", got " + text);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace hn
