// The dynamic symbols and dependencies of a shared library, read from its file without loading it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hn::host {

// The first words of the constant hn_plugin_entry_v1.
struct EntryWords {
  std::uint32_t struct_size = 0, abi_major = 0, abi_minor = 0, flags = 0;
};

struct ElfFacts {
  std::optional<EntryWords> entry;
  std::vector<std::string> exports;  // defined and global, weak or unique
  std::vector<std::string>
      unique;  // STB_GNU_UNIQUE: shared by the whole process, also under RTLD_LOCAL
  std::vector<std::string> needed;   // DT_NEEDED
  std::vector<std::string> runpath;  // DT_RUNPATH or DT_RPATH, split at ':'
};

// 64-bit little-endian ELF only; throws hn::Error(HN_DATA_LOSS) for anything else and for a
// truncated file.
ElfFacts read_elf(const std::filesystem::path& file);

}  // namespace hn::host
