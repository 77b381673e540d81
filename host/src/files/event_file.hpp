// TensorBoard event files, written without protobuf or TensorFlow.
//
// Source: tensorflow/core/lib/io/record_writer.h (framing, masked CRC) and tensorboard/compat/proto
// {event,summary}.proto (field numbers). A file is a sequence of records: length (8 bytes, little
// endian), masked CRC-32C of those 8 bytes, the bytes, masked CRC-32C of the bytes. Each record is
// an Event message; the first has file_version "brain.Event:2".
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/append_file.hpp"

namespace hn::host {

// CRC-32C (Castagnoli), and TensorFlow's mask of it (a CRC over data that holds CRCs is weak).
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked_crc32c(std::string_view bytes);

using Scalars = std::vector<std::pair<std::string, double>>;

// wall_time is in seconds since 1970 and only shown by TensorBoard.
class EventFile {
 public:
  // Keeps the first `records` records of an existing file, those that a checkpoint was written
  // behind, and drops what follows, as MetricsFile does; an absent or empty file is begun. Errors:
  // HN_DATA_LOSS names the file and the byte where one of these records is missing or damaged, and
  // nothing is changed then; those of AppendFile.
  EventFile(const std::filesystem::path& file, std::uint64_t records, double wall_time);

  // Throws what the constructor would, and changes nothing.
  static void check(const std::filesystem::path& file, std::uint64_t records) {
    (void)kept(file, records);
  }

  void scalars(std::uint64_t step, double wall_time, const Scalars& values);
  // png: the file's bytes; width and height are told beside it, as the format wants.
  void image(std::uint64_t step, double wall_time, const std::string& tag, std::string_view png,
             int width, int height);
  void sync() { file_.sync(); }
  std::uint64_t records() const { return records_; }

 private:
  struct Kept {
    std::uint64_t bytes = 0, records = 0;
  };
  static Kept kept(const std::filesystem::path& file, std::uint64_t records);
  EventFile(const std::filesystem::path& file, Kept kept, double wall_time);
  void append(std::string_view message);

  AppendFile file_;
  std::uint64_t records_;
};

// The step of every whole and undamaged record, and where it ends; what a resume keeps.
struct EventRecord {
  std::uint64_t step = 0;
  std::uint64_t end = 0;  // byte behind it
};
std::vector<EventRecord> read_event_records(std::string_view bytes);

}  // namespace hn::host
