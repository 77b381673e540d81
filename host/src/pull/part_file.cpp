#include "pull/part_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <limits>

#include "support/cat.hpp"

namespace hn::pull {
namespace {

namespace fs = std::filesystem;
using host::cat;

constexpr std::uint64_t kMostParts = 100'000;  // a note that has more is damaged
constexpr std::uint64_t kOpenEnd = std::numeric_limits<std::uint64_t>::max();

}  // namespace

PartFile::PartFile(const fs::path& blob, std::optional<std::uint64_t> bytes,
                   std::uint64_t part_bytes)
    : blob_(blob),
      data_(blob.string() + ".hn.incomplete"),
      note_(blob.string() + ".hn.parts"),
      bytes_(bytes),
      part_bytes_(part_bytes) {
  std::error_code failed;
  fs::create_directories(blob.parent_path(), failed);
  if (failed)
    throw Error(HN_INTERNAL,
                cat("[pull] ", blob.parent_path().string(), " cannot be made: ", failed.message()));
  open();
}

PartFile::~PartFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void PartFile::divide() {
  parts_.clear();
  if (!bytes_) {
    parts_.push_back({0, kOpenEnd, 0});
  } else {
    const std::uint64_t step = part_bytes_ == 0 ? std::max<std::uint64_t>(*bytes_, 1) : part_bytes_;
    for (std::uint64_t begin = 0; begin < *bytes_; begin += step)
      parts_.push_back({begin, std::min(begin + step, *bytes_), 0});
  }
  taken_.assign(parts_.size(), 0);
}

void PartFile::open() {
  divide();
  const fs::path older = blob_.string() + ".incomplete";
  std::error_code ignored;
  const bool resumed = bytes_ && fs::exists(data_, ignored) && read_note();
  if (!resumed) {
    fs::remove(note_, ignored);
    fs::remove(data_, ignored);
    divide();
    if (bytes_ && fs::is_regular_file(older, ignored)) take_over_prefix(older);
  }
  descriptor_ = ::open(data_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    throw Error(HN_INTERNAL,
                cat("[pull] ", data_.string(), " cannot be opened: ", std::strerror(errno)));
  reserve();
}

void PartFile::take_over_prefix(const fs::path& older) {
  std::error_code failed;
  const std::uint64_t size = fs::file_size(older, failed);
  if (failed || size > *bytes_) return;
  fs::rename(older, data_, failed);
  if (failed) return;
  for (Part& part : parts_)
    part.done = size <= part.begin ? 0 : std::min(size, part.end) - part.begin;
}

bool PartFile::read_note() {
  const std::uint64_t wanted = part_bytes_;
  try {
    if (parse_note()) return true;
  } catch (const std::exception&) {
    // Begun anew.
  }
  part_bytes_ = wanted;
  return false;
}

bool PartFile::parse_note() {
  const nlohmann::json json = read_json_file(note_);
  JsonObject object(json, note_.string());
  const auto done = object.get<std::vector<std::int64_t>>("done");
  if (object.get<std::int64_t>("bytes") != static_cast<std::int64_t>(*bytes_)) return false;
  const auto step = object.get<std::int64_t>("part_bytes");
  if (step < 0 || step > (std::int64_t{1} << 40)) return false;
  part_bytes_ = static_cast<std::uint64_t>(step);  // as it was begun
  if (part_bytes_ != 0 && *bytes_ / part_bytes_ > kMostParts) return false;
  divide();
  if (done.size() != parts_.size()) return false;
  const std::uint64_t there = fs::file_size(data_);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    if (done[i] < 0 || static_cast<std::uint64_t>(done[i]) > part.end - part.begin) return false;
    part.done = static_cast<std::uint64_t>(done[i]);
    if (part.done > 0 && part.begin + part.done > there) return false;
  }
  return true;
}

void PartFile::reserve() {
  if (!bytes_ || *bytes_ == 0) return;
  if (::fallocate(descriptor_, 0, 0, static_cast<off_t>(*bytes_)) == 0) return;
  const int reason = errno;
  if (reason == EOPNOTSUPP || reason == ENOSYS || reason == EINTR) {
    if (::ftruncate(descriptor_, static_cast<off_t>(*bytes_)) == 0) return;
  }
  throw Error(HN_INTERNAL, cat("[pull] ", data_.string(), " needs ", *bytes_,
                               " bytes: ", std::strerror(reason)));
}

std::uint64_t PartFile::done() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Part& part : parts_) sum += part.done;
  return sum;
}

std::optional<std::size_t> PartFile::take() {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (taken_[i] != 0 || parts_[i].done == parts_[i].end - parts_[i].begin) continue;
    taken_[i] = 1;
    return i;
  }
  return std::nullopt;
}

void PartFile::give_back(std::size_t part) {
  const std::lock_guard lock(mutex_);
  taken_[part] = 0;
}

PartFile::Part PartFile::part(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return parts_[index];
}

void PartFile::append(std::size_t index, std::string_view bytes) {
  const Part at = part(index);
  if (bytes.size() > at.end - at.begin - at.done)
    throw Error(HN_DATA_LOSS, cat("[pull] ", data_.string(), ": more bytes than were asked for"));
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t n = ::pwrite(descriptor_, bytes.data() + written, bytes.size() - written,
                               static_cast<off_t>(at.begin + at.done + written));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Error(HN_INTERNAL, cat("[pull] ", data_.string(), " cannot be written after ", done(),
                                   " bytes: ", std::strerror(errno)));
    written += static_cast<std::size_t>(n);
  }
  const std::lock_guard lock(mutex_);
  parts_[index].done += bytes.size();
}

void PartFile::restart(std::size_t index) {
  const std::lock_guard lock(mutex_);
  parts_[index].done = 0;
  // A former try may have written more than this one will.
  if (!bytes_ && ::ftruncate(descriptor_, 0) != 0)
    throw Error(HN_INTERNAL, cat("[pull] ", data_.string(), ": ", std::strerror(errno)));
}

void PartFile::end_here(std::size_t index) {
  const std::lock_guard lock(mutex_);
  parts_[index].end = parts_[index].begin + parts_[index].done;
}

void PartFile::save_note() {
  if (!bytes_) return;
  const std::lock_guard lock(mutex_);
  nlohmann::json done = nlohmann::json::array();
  for (const Part& part : parts_) done.push_back(part.done);
  const nlohmann::json json = {{"bytes", *bytes_}, {"part_bytes", part_bytes_}, {"done", done}};
  write_file_atomically(note_, json.dump() + "\n");
}

void PartFile::reset() {
  remove();
  open();
}

void PartFile::finish() {
  if (::fsync(descriptor_) != 0)
    throw Error(HN_INTERNAL, cat("[pull] ", data_.string(), ": ", std::strerror(errno)));
  ::close(descriptor_);
  descriptor_ = -1;
  std::error_code failed;
  fs::rename(data_, blob_, failed);
  if (failed)
    throw Error(HN_INTERNAL, cat("[pull] ", data_.string(), " cannot be renamed to ",
                                 blob_.string(), ": ", failed.message()));
  fs::remove(note_, failed);
}

void PartFile::remove() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  std::error_code ignored;
  fs::remove(data_, ignored);
  fs::remove(note_, ignored);
}

}  // namespace hn::pull
