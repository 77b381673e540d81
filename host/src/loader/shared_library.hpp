// dlopen as every library of plugins and of the core is opened: now, local, by its absolute path,
// never closed (unloading crashes where thread-local or unique symbols were used).
#pragma once

#include <filesystem>

namespace hn::host {

// Throws HN_INVALID_ARGUMENT with the linker's reason.
void* open_library(const std::filesystem::path& file);

// The address of an exported *constant*; null when the library has no such symbol or when it is not
// data of at least min_bytes.
const void* find_constant(void* library, const char* symbol, std::size_t min_bytes);

}  // namespace hn::host
