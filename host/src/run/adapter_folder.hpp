// What a saved adapter says about the session that can carry it.
#pragma once

#include <filesystem>
#include <string>

#include "core/session.hpp"

namespace hn::run {

// The PEFT folder that `path` means: the folder itself, or adapter/ in a run directory.
// Errors: HN_NOT_FOUND names both places.
std::filesystem::path adapter_folder(const std::filesystem::path& path);

// Rank, alpha and layers of a PEFT folder, the layers from the names of its tensors, since
// target_modules may be a pattern. Kind: the file's metadata "hn.net"; an adapter made elsewhere
// has none and is taken for a noise hypernetwork.
// Errors: HN_NOT_FOUND, HN_DATA_LOSS (broken files, no LoRA tensor).
core::NetSpec read_net(const std::filesystem::path& folder);

}  // namespace hn::run
