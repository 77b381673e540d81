// A file on its way: contents of any part may be there already, and a note beside it says which.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hn::pull {

// BLOB.hn.incomplete with the bytes and BLOB.hn.parts with the note, so that a stopped download
// goes on where it was. Python's library leaves them alone: its own unfinished files have other
// names. (Older versions kept BLOB.incomplete, filled from its start; such a file is taken over.)
// The note is only a hint: the finished file's sum is what counts.
class PartFile {
 public:
  struct Part {
    std::uint64_t begin = 0, end = 0;  // [begin, end) of the file
    std::uint64_t done = 0;            // bytes from begin that are there
  };

  // bytes: of the whole file; nothing where the server does not say, then there is one part without
  // an end. part_bytes: 0 for one part. Room on the disk is taken at once.
  // Errors: HN_INTERNAL with the system's reason ("No space left on device") and the bytes wanted.
  PartFile(const std::filesystem::path& blob, std::optional<std::uint64_t> bytes,
           std::uint64_t part_bytes);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  std::optional<std::uint64_t> bytes() const { return bytes_; }
  std::size_t part_count() const { return parts_.size(); }
  std::uint64_t done() const;  // [any-thread]

  // An unfinished part for one worker, until give_back; nothing when there is none left.
  // [any-thread]
  std::optional<std::size_t> take();
  void give_back(std::size_t part);
  Part part(std::size_t index) const;

  // Appends to a part, at begin + done. Past its end: HN_DATA_LOSS. [any-thread, one a part]
  void append(std::size_t index, std::string_view bytes);
  void restart(std::size_t index);   // the part's bytes are wanted from its begin again
  void end_here(std::size_t index);  // the part without an end is what came

  // Writes the note. [any-thread]
  void save_note();
  // Forgets everything: both files are removed and made anew.
  void reset();
  // Flushes the data to the disk and renames it to the blob's name; the note goes.
  void finish();
  // Removes both files; nothing else may be called afterwards.
  void remove();

  const std::filesystem::path& data() const { return data_; }

 private:
  void open();
  bool read_note();
  bool parse_note();
  void take_over_prefix(const std::filesystem::path& older);
  void divide();
  void reserve();

  std::filesystem::path blob_, data_, note_;
  std::optional<std::uint64_t> bytes_;
  std::uint64_t part_bytes_;
  int descriptor_ = -1;
  mutable std::mutex mutex_;
  std::vector<Part> parts_;
  std::vector<char> taken_;
};

}  // namespace hn::pull
