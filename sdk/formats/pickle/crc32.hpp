// The checksum of zip archives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hn {

// CRC-32 with the reflected polynomial 0xEDB88320 (PKWARE APPNOTE 4.4.7, ISO-HDLC), eight bytes a
// step. Written out because linking zlib for this alone would put it into every plugin.
std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace hn
