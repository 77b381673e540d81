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

#include "run/append_file.hpp"

namespace hn::run {

// CRC-32C (Castagnoli), and TensorFlow's mask of it (a CRC over data that holds CRCs is weak).
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked_crc32c(std::string_view bytes);

using Scalars = std::vector<std::pair<std::string, double>>;

// wall_time is in seconds since 1970 and only shown by TensorBoard.
class EventFile {
 public:
  // Keeps an existing file's whole records up to and including `last_step`, as MetricsFile does.
  EventFile(const std::filesystem::path& file, std::uint64_t last_step, double wall_time);

  void scalars(std::uint64_t step, double wall_time, const Scalars& values);
  // png: the file's bytes; width and height are told beside it, as the format wants.
  void image(std::uint64_t step, double wall_time, const std::string& tag, std::string_view png,
             int width, int height);
  void sync() { file_.sync(); }

 private:
  AppendFile file_;
};

// The step of every whole and undamaged record, and where it ends; what a resume keeps.
struct EventRecord {
  std::uint64_t step = 0;
  std::uint64_t end = 0;  // byte behind it
};
std::vector<EventRecord> read_event_records(std::string_view bytes);

}  // namespace hn::run
