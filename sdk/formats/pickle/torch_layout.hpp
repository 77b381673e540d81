// The two layouts of torch.save: where the pickle is, and where each storage's bytes are.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "formats/pickle/document.hpp"

namespace hn::pickle {

// The stored object and, for each of document.storages, its bytes: at least as many as it states.
struct Layout {
  Document document;
  std::vector<std::span<const std::byte>> storages;
};

// Errors of both: those of TorchFile::open. `bytes` is borrowed by the result.
Layout read_zip_layout(std::span<const std::byte> bytes, bool check_storages,
                       const std::string& where);
Layout read_legacy_layout(std::span<const std::byte> bytes, const std::string& where);

}  // namespace hn::pickle
