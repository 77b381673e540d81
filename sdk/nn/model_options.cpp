#include <ATen/Context.h>

#include <algorithm>
#include <charconv>
#include <hn/cpp/error.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/nn/weight_audit.hpp>

namespace hn {

at::Device device_option(const Config& config) {
  const std::string name = config.str("device", "cpu");
  // Shapes without numbers: a dry run of the loading, see weight_audit.hpp.
  if (reporting_weights()) return at::kMeta;
  if (name == "cpu") return at::kCPU;
  int index = 0;
  bool known = name == "cuda";
  if (name.starts_with("cuda:")) {
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + 5, end, index);
    known = error == std::errc() && stop == end && index >= 0 && index < 128;
  }
  if (!known)
    throw Error(HN_UNSUPPORTED, "[option device] expected cpu, cuda or cuda:N, got " + name);
  if (!at::globalContext().hasCUDA())
    throw Error(HN_UNSUPPORTED,
                "[option device] got " + name +
                    ", but this LibTorch finds no CUDA (a CPU build, or no driver)");
  const int count = at::detail::getCUDAHooks().deviceCount();
  if (index >= count)
    throw Error(HN_UNSUPPORTED, "[option device] expected one of " + std::to_string(count) +
                                    " CUDA devices, got " + name);
  return {at::kCUDA, static_cast<at::DeviceIndex>(index)};
}

at::ScalarType dtype_option(const Config& config) {
  const std::string name = config.str("dtype", "float32");
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  throw Error(HN_UNSUPPORTED, "[option dtype] expected float32 or bfloat16, got " + name);
}

std::filesystem::path bundle_folder(const Config& config) {
  const std::string folder = config.str("bundle", "");
  if (folder.empty())
    throw Error(
        HN_INVALID_ARGUMENT,
        "[option bundle] expected the folder of the plugin's manifest, which the host passes, "
        "got nothing");
  return folder;
}

std::filesystem::path weights_option(const Config& config, const std::filesystem::path& in_bundle) {
  const std::string given = config.str("weights", "");
  const std::filesystem::path path =
      given.empty() ? bundle_folder(config) / in_bundle : std::filesystem::path(given);
  if (!std::filesystem::exists(path))
    throw Error(HN_NOT_FOUND, "[option weights] there is no " + path.string());
  return path;
}

std::filesystem::path required_weights_option(const Config& config, const std::string& what) {
  if (config.str("weights", "").empty())
    throw Error(HN_NOT_FOUND, "[option weights] expected " + what + ", got nothing");
  return weights_option(config, {});
}

std::string choice_option(const Config& config, const char* key,
                          std::initializer_list<const char*> choices) {
  const std::string value = config.str(key, *choices.begin());
  if (std::any_of(choices.begin(), choices.end(), [&](const char* c) { return value == c; }))
    return value;
  std::string list;
  for (const char* c : choices) list += (list.empty() ? "" : ", ") + std::string(c);
  throw Error(HN_INVALID_ARGUMENT,
              std::string("[option ") + key + "] expected one of " + list + ", got " + value);
}

}  // namespace hn
