#include "files/event_file.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <optional>

namespace hn::host {
namespace {

std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);  // reflected Castagnoli polynomial
    table[i] = crc;
  }
  return table;
}

template <class Unsigned>
void put_little_endian(std::string& out, Unsigned value) {
  for (std::size_t i = 0; i < sizeof(value); ++i)
    out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

std::uint64_t get_little_endian(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return value;
}

// Protobuf's wire format: a key (field << 3 | type), then the value.
void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void put_varint_field(std::string& out, unsigned field, std::uint64_t value) {
  put_varint(out, field << 3 | 0);
  put_varint(out, value);
}
void put_double_field(std::string& out, unsigned field, double value) {
  put_varint(out, field << 3 | 1);
  put_little_endian(out, std::bit_cast<std::uint64_t>(value));
}
void put_bytes_field(std::string& out, unsigned field, std::string_view value) {
  put_varint(out, field << 3 | 2);
  put_varint(out, value.size());
  out.append(value);
}
void put_float_field(std::string& out, unsigned field, float value) {
  put_varint(out, field << 3 | 5);
  put_little_endian(out, std::bit_cast<std::uint32_t>(value));
}

// event.proto
constexpr unsigned kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5;
// summary.proto: Summary, Summary.Value, Summary.Image
constexpr unsigned kSummaryValue = 1;
constexpr unsigned kValueTag = 1, kValueSimple = 2, kValueImage = 4;
constexpr unsigned kImageHeight = 1, kImageWidth = 2, kImageColorspace = 3, kImageBytes = 4;
constexpr unsigned kColorspaceRgb = 3;

std::string event(std::uint64_t step, double wall_time) {
  std::string out;
  put_double_field(out, kEventWallTime, wall_time);
  if (step != 0) put_varint_field(out, kEventStep, step);  // proto3 leaves zeros out
  return out;
}

std::string record(std::string_view message) {
  std::string out;
  put_little_endian(out, static_cast<std::uint64_t>(message.size()));
  put_little_endian(out, masked_crc32c(out));
  out.append(message);
  put_little_endian(out, masked_crc32c(message));
  return out;
}

std::optional<std::uint64_t> get_varint(std::string_view bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

// The step field of an Event; 0 where it is left out, as proto3 does.
std::uint64_t event_step(std::string_view message) {
  std::size_t at = 0;
  while (at < message.size()) {
    const auto key = get_varint(message, at);
    if (!key) return 0;
    if (*key == (kEventStep << 3)) return get_varint(message, at).value_or(0);
    switch (*key & 7) {
      case 0: get_varint(message, at); break;
      case 1: at += 8; break;
      case 5: at += 4; break;
      case 2: {
        const auto size = get_varint(message, at);
        if (!size || *size > message.size()) return 0;
        at += *size;
        break;
      }
      default: return 0;
    }
  }
  return 0;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static const std::array<std::uint32_t, 256> table = make_table();
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes)
    crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return crc ^ 0xffffffffu;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xa282ead8u;
}

EventFile::Kept EventFile::kept(const std::filesystem::path& file, std::uint64_t records) {
  std::error_code ignored;
  if (records == 0 || !std::filesystem::exists(file, ignored)) return {};
  const std::string bytes = read_whole_file(file);
  if (bytes.empty()) return {};
  const std::vector<EventRecord> found = read_event_records(bytes);
  if (found.size() >= records) return {found[records - 1].end, records};
  throw Error(HN_DATA_LOSS,
              file.string() + ": expected the " + std::to_string(records) +
                  " whole records that the checkpoint was written behind, got " +
                  std::to_string(found.size()) + " and then damage at byte " +
                  std::to_string(found.empty() ? 0 : found.back().end) +
                  "; restore the file from a copy, or remove it to go on without its curves "
                  "(metrics.jsonl has their numbers)");
}

EventFile::EventFile(const std::filesystem::path& file, std::uint64_t records, double wall_time)
    : EventFile(file, kept(file, records), wall_time) {}

EventFile::EventFile(const std::filesystem::path& file, Kept kept, double wall_time)
    : file_(file, kept.bytes, AppendTo::kOwnFile), records_(kept.records) {
  if (records_ > 0) return;
  std::string first;
  put_double_field(first, kEventWallTime, wall_time);
  put_bytes_field(first, kEventFileVersion, "brain.Event:2");
  append(first);
}

void EventFile::append(std::string_view message) {
  file_.append(record(message));
  ++records_;
}

void EventFile::scalars(std::uint64_t step, double wall_time, const Scalars& values) {
  std::string summary;
  for (const auto& [tag, number] : values) {
    std::string value;
    put_bytes_field(value, kValueTag, tag);
    put_float_field(value, kValueSimple, static_cast<float>(number));
    put_bytes_field(summary, kSummaryValue, value);
  }
  std::string message = event(step, wall_time);
  put_bytes_field(message, kEventSummary, summary);
  append(message);
}

void EventFile::image(std::uint64_t step, double wall_time, const std::string& tag,
                      std::string_view png, int width, int height) {
  std::string picture;
  put_varint_field(picture, kImageHeight, static_cast<std::uint64_t>(height));
  put_varint_field(picture, kImageWidth, static_cast<std::uint64_t>(width));
  put_varint_field(picture, kImageColorspace, kColorspaceRgb);
  put_bytes_field(picture, kImageBytes, png);
  std::string value;
  put_bytes_field(value, kValueTag, tag);
  put_bytes_field(value, kValueImage, picture);
  std::string summary;
  put_bytes_field(summary, kSummaryValue, value);
  std::string message = event(step, wall_time);
  put_bytes_field(message, kEventSummary, summary);
  append(message);
}

std::vector<EventRecord> read_event_records(std::string_view bytes) {
  std::vector<EventRecord> records;
  std::size_t at = 0;
  while (bytes.size() - at >= 16) {
    const std::uint64_t size = get_little_endian(bytes, at, 8);
    if (get_little_endian(bytes, at + 8, 4) != masked_crc32c(bytes.substr(at, 8))) break;
    if (size > bytes.size() - at - 16) break;
    const std::string_view message = bytes.substr(at + 12, size);
    if (get_little_endian(bytes, at + 12 + size, 4) != masked_crc32c(message)) break;
    at += 16 + size;
    records.push_back({event_step(message), at});
  }
  return records;
}

}  // namespace hn::host
