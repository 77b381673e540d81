#include "formats/pickle/zip_archive.hpp"

#include <algorithm>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <vector>

#include "formats/pickle/crc32.hpp"

namespace hn {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50,
                        kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50,
                        kLocator64Signature = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                        kLocator64Bytes = 20;
constexpr std::uint64_t kMaxComment = 0xFFFF;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // "look into the zip64 field"
constexpr std::uint16_t kZip64Field = 1, kEncrypted = 1;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(HN_DATA_LOSS, where + ": zip archive: " + what);
}

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

// Little-endian number at `offset`, which the caller has checked.
template <typename T>
T number(Bytes bytes, std::uint64_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

bool inside(Bytes bytes, std::uint64_t offset, std::uint64_t size) {
  return offset <= bytes.size() && size <= bytes.size() - offset;
}

struct Directory {
  std::uint64_t offset = 0, size = 0, entries = 0;
};

std::uint64_t find_end(Bytes bytes, const std::string& where) {
  if (bytes.size() >= kEndBytes) {
    const std::uint64_t last = bytes.size() - kEndBytes;
    for (std::uint64_t back = 0; back <= std::min(last, kMaxComment); ++back) {
      const std::uint64_t at = last - back;
      if (number<std::uint32_t>(bytes, at) == kEndSignature &&
          number<std::uint16_t>(bytes, at + 20) == back)
        return at;
    }
  }
  refuse(where, "expected an end record within the last 64 KiB, got none (truncated?)");
}

Directory find_directory(Bytes bytes, const std::string& where) {
  const std::uint64_t end = find_end(bytes, where);
  Directory d{number<std::uint32_t>(bytes, end + 16), number<std::uint32_t>(bytes, end + 12),
              number<std::uint16_t>(bytes, end + 10)};
  std::uint64_t limit = end;
  bool one_disk =
      number<std::uint16_t>(bytes, end + 4) == 0 || number<std::uint16_t>(bytes, end + 4) == 0xFFFF;
  if (end >= kLocator64Bytes &&
      number<std::uint32_t>(bytes, end - kLocator64Bytes) == kLocator64Signature) {
    const auto at = number<std::uint64_t>(bytes, end - kLocator64Bytes + 8);
    if (!inside(bytes, at, kEnd64Bytes) || at + kEnd64Bytes > end - kLocator64Bytes ||
        number<std::uint32_t>(bytes, at) != kEnd64Signature)
      refuse(where, "expected a zip64 end record at byte " + std::to_string(at) +
                        " as its locator says, got something else");
    one_disk = number<std::uint32_t>(bytes, at + 16) == 0;
    d = {number<std::uint64_t>(bytes, at + 48), number<std::uint64_t>(bytes, at + 40),
         number<std::uint64_t>(bytes, at + 32)};
    limit = at;
  }
  if (!one_disk)
    throw Error(HN_UNSUPPORTED, where + ": zip archive: expected one disk, got a split archive");
  if (d.offset > limit || d.size != limit - d.offset)
    refuse(where, "expected a directory of " + std::to_string(d.size) + " bytes from byte " +
                      std::to_string(d.offset) + " up to its end record at " +
                      std::to_string(limit) + ", got other sizes");
  if (d.entries > d.size / kCentralBytes)
    refuse(where, "expected " + std::to_string(d.entries) + " members, got a directory of only " +
                      std::to_string(d.size) + " bytes");
  return d;
}

// Sizes and offset that did not fit into 32 bits stand in the zip64 field, in this order.
void read_zip64(Bytes extra, std::uint64_t& size, std::uint64_t& packed, std::uint64_t& offset,
                std::string_view name, const std::string& where) {
  const bool wanted = size == kIn64 || packed == kIn64 || offset == kIn64;
  for (std::uint64_t at = 0; at + 4 <= extra.size();) {
    const auto id = number<std::uint16_t>(extra, at);
    const auto length = number<std::uint16_t>(extra, at + 2);
    if (!inside(extra, at + 4, length)) break;
    if (id == kZip64Field) {
      std::uint64_t from = at + 4;
      const std::uint64_t end = from + length;
      for (std::uint64_t* value : {&size, &packed, &offset}) {
        if (*value != kIn64) continue;
        if (from + 8 > end)
          refuse(where, quoted(name) + ": expected a whole zip64 field, got " +
                            std::to_string(length) + " bytes");
        *value = number<std::uint64_t>(extra, from);
        from += 8;
      }
      return;
    }
    at += 4 + std::uint64_t{length};
  }
  if (wanted) refuse(where, quoted(name) + ": expected a zip64 field with its size, got none");
}

struct Extent {
  std::uint64_t begin, end;
  std::string_view name;
};

}  // namespace

std::map<std::string, ZipMember, std::less<>> read_zip(Bytes bytes, const std::string& where) {
  const Directory directory = find_directory(bytes, where);
  std::map<std::string, ZipMember, std::less<>> members;
  std::vector<Extent> extents;
  std::uint64_t at = directory.offset;
  const std::uint64_t stop = directory.offset + directory.size;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (stop - at < kCentralBytes || number<std::uint32_t>(bytes, at) != kCentralSignature)
      refuse(where, "expected member " + std::to_string(i) + " of " +
                        std::to_string(directory.entries) + " at byte " + std::to_string(at) +
                        ", got something else");
    const std::uint64_t name_size = number<std::uint16_t>(bytes, at + 28),
                        extra_size = number<std::uint16_t>(bytes, at + 30),
                        comment_size = number<std::uint16_t>(bytes, at + 32);
    if (name_size + extra_size + comment_size > stop - at - kCentralBytes)
      refuse(where, "expected member " + std::to_string(i) +
                        " inside the directory, got a name of " + std::to_string(name_size) +
                        " bytes that runs past it");
    const std::string_view name(reinterpret_cast<const char*>(bytes.data()) + at + kCentralBytes,
                                name_size);
    std::uint64_t packed = number<std::uint32_t>(bytes, at + 20),
                  size = number<std::uint32_t>(bytes, at + 24),
                  offset = number<std::uint32_t>(bytes, at + 42);
    read_zip64(bytes.subspan(at + kCentralBytes + name_size, extra_size), size, packed, offset,
               name, where);
    if ((number<std::uint16_t>(bytes, at + 8) & kEncrypted) != 0)
      throw Error(HN_UNSUPPORTED, where + ": zip archive: " + quoted(name) +
                                      ": expected plain data, got encrypted");
    if (const auto method = number<std::uint16_t>(bytes, at + 10); method != 0)
      throw Error(HN_UNSUPPORTED, where + ": zip archive: " + quoted(name) +
                                      ": expected a stored member (method 0), got compression "
                                      "method " +
                                      std::to_string(method));
    if (packed != size)
      refuse(where, quoted(name) + ": expected equal sizes of a stored member, got " +
                        std::to_string(packed) + " and " + std::to_string(size));
    const Bytes before = bytes.first(directory.offset);
    if (!inside(before, offset, kLocalBytes) ||
        number<std::uint32_t>(bytes, offset) != kLocalSignature)
      refuse(where, quoted(name) + ": expected its header at byte " + std::to_string(offset) +
                        ", got something else");
    const std::uint64_t local_name = number<std::uint16_t>(bytes, offset + 26),
                        local_extra = number<std::uint16_t>(bytes, offset + 28);
    const std::uint64_t begin = offset + kLocalBytes + local_name + local_extra;
    if (local_name != name_size ||
        !inside(before, offset + kLocalBytes, local_name + local_extra) ||
        std::memcmp(bytes.data() + offset + kLocalBytes, name.data(), name_size) != 0)
      refuse(where, quoted(name) + ": expected the same name in its own header, got another");
    if (!inside(before, begin, size))
      refuse(where, quoted(name) + ": expected " + std::to_string(size) + " bytes from byte " +
                        std::to_string(begin) + ", got only " +
                        std::to_string(directory.offset - begin) + " before the directory");
    const ZipMember member{bytes.subspan(begin, size), number<std::uint32_t>(bytes, at + 16)};
    if (!members.emplace(std::string(name), member).second)
      refuse(where, quoted(name) + ": expected one member of this name, got two");
    extents.push_back({offset, begin + size, name});
    at += kCentralBytes + name_size + extra_size + comment_size;
  }
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin < extents[i - 1].end)
      refuse(where, quoted(extents[i].name) + ": expected bytes of its own, got an overlap with " +
                        quoted(extents[i - 1].name));
  }
  return members;
}

void check_crc(std::string_view name, const ZipMember& member, const std::string& where) {
  const std::uint32_t got = crc32(member.data);
  if (got == member.crc) return;
  char text[64];
  std::snprintf(text, sizeof text, "expected the checksum %08x, got %08x", member.crc, got);
  refuse(where, quoted(name) + ": " + text + " (damaged file?)");
}

}  // namespace hn
