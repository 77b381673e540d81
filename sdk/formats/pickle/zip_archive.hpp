// The members of a zip archive whose members are stored as they are, in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace hn {

// One member. `data` borrows from the bytes that the archive was read from.
struct ZipMember {
  std::span<const std::byte> data;
  std::uint32_t crc = 0;  // as the archive states it
};

// Reads the directory of an archive in memory: names to members. `where` begins the messages.
//
// Source: PKWARE APPNOTE 6.3.10, with zip64. Nothing is trusted: directory, members and their local
// headers must lie inside the file, may not overlap, names may not come twice, local and central
// name must agree. Errors: HN_DATA_LOSS for all that; HN_UNSUPPORTED for members that are
// compressed or encrypted and for archives over several disks.
std::map<std::string, ZipMember, std::less<>> read_zip(std::span<const std::byte> bytes,
                                                       const std::string& where);

// HN_DATA_LOSS where the member's bytes do not have the stated checksum.
void check_crc(std::string_view name, const ZipMember& member, const std::string& where);

}  // namespace hn
