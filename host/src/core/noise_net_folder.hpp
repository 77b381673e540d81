// The folder of a noise network that is no LoRA: noise_net.safetensors, sealed with its own
// SHA-256, and noise_net.json, which says what it is:
//
//   {"format_version": 1, "type": "low-frequency", "base_generator": "emoji-sprint",
//    "noise_shape": [16,8,8], "frequencies": 4, "width": 128, "depth": 2, "condition": "pooled",
//    "condition_size": 128}
//
// A constant's has no key after noise_shape. The tensors are float32, under the parameters' names.
#pragma once

#include <filesystem>
#include <vector>

#include "core/adapter.hpp"

namespace hn::core {

// Whether a folder says that it is one; it may be broken all the same.
bool is_noise_net_folder(const std::filesystem::path& folder);

// Both files, each atomically; the folder is made. HN_INTERNAL where it cannot be.
// condition: numbers of the pooled embedding that the network reads, 0: none.
void save_noise_net(const Adapter& adapter, const std::vector<std::int64_t>& noise_shape,
                    std::int64_t condition, const std::filesystem::path& folder);

// `net` with the shape that the folder's network has. HN_INVALID_ARGUMENT says what was wanted and
// what came where it is of another kind than net.kind, a LoRA among them; HN_UNSUPPORTED for
// another format_version, HN_DATA_LOSS for keys that are missing, unknown or of a wrong type.
NetSpec read_noise_net(const std::filesystem::path& folder, NetSpec net);

// The folder's numbers into the adapter. As read_noise_net, and HN_INVALID_ARGUMENT lists at once
// everything that does not fit (shapes, tensors that are missing or unexpected, numbers that are
// not finite); HN_DATA_LOSS for bytes that changed since they were written. Then nothing is
// changed. Tells `log` where it was trained for another generator.
void load_noise_net(Adapter& adapter, const std::vector<std::int64_t>& noise_shape,
                    std::int64_t condition, const std::filesystem::path& folder,
                    const HostServices& log);

}  // namespace hn::core
