// The standard options of a plugin with weights: where they are, in which type and on which device
// they are held.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <hn/cpp/config.hpp>
#include <string>

namespace hn {

// Option `device`: "cpu" (default), "cuda" (= "cuda:0") or "cuda:N". HN_UNSUPPORTED where the
// device does not exist, with the reason.
at::Device device_option(const Config& config);

// Option `dtype`: "float32" (default) or "bfloat16". HN_UNSUPPORTED for another.
at::ScalarType dtype_option(const Config& config);

// Option `bundle`: the folder of the plugin's manifest, which every host passes.
// HN_INVALID_ARGUMENT without it.
std::filesystem::path bundle_folder(const Config& config);

// Option `weights`: a folder or file; without it `in_bundle` below bundle_folder(config).
// HN_NOT_FOUND names the path that does not exist.
std::filesystem::path weights_option(const Config& config, const std::filesystem::path& in_bundle);

// Option `weights` where the bundle brings none. `what` says what belongs there; HN_NOT_FOUND names
// it, or the path that does not exist.
std::filesystem::path required_weights_option(const Config& config, const std::string& what);

// Option `key`, one of `choices`; the first is the default. HN_INVALID_ARGUMENT lists them.
std::string choice_option(const Config& config, const char* key,
                          std::initializer_list<const char*> choices);

}  // namespace hn
