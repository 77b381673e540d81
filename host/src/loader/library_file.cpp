#include "loader/library_file.hpp"

#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>

#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {
namespace {

bool in(const dl_phdr_info& object, const ElfW(Phdr) & segment, const void* address) {
  const auto first = object.dlpi_addr + segment.p_vaddr;
  const auto at = reinterpret_cast<ElfW(Addr)>(address);
  return segment.p_type == PT_LOAD && at >= first && at < first + segment.p_memsz;
}

// Whether the file's bytes at `offset` are those at `memory`.
bool same_bytes(int file, off_t offset, const char* memory, std::size_t size) {
  std::array<char, 1 << 16> part;
  while (size > 0) {
    const ssize_t n = ::pread(file, part.data(), std::min(part.size(), size), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || std::memcmp(part.data(), memory, static_cast<std::size_t>(n)) != 0) return false;
    offset += n;
    memory += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

struct Search {
  int file;
  const void* address;
  bool found = false, same = true;
};

// Compares what can be neither written nor run: the names, the notes with the build id, the
// constants. Code may hold a debugger's breakpoints.
int compare(dl_phdr_info* object, std::size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  const auto* begin = object->dlpi_phdr;
  const auto* end = begin + object->dlpi_phnum;
  search.found = std::any_of(
      begin, end, [&](const auto& segment) { return in(*object, segment, search.address); });
  if (!search.found) return 0;
  for (const auto* segment = begin; segment != end; ++segment)
    if (segment->p_type == PT_LOAD && (segment->p_flags & (PF_W | PF_X)) == 0)
      search.same = search.same &&
                    same_bytes(search.file, static_cast<off_t>(segment->p_offset),
                               reinterpret_cast<const char*>(object->dlpi_addr + segment->p_vaddr),
                               segment->p_filesz);
  return 1;
}

}  // namespace

LibraryFile::LibraryFile(const std::filesystem::path& path)
    : path_(path), file_(path), sha256_(sha256_of(file_)) {}

void LibraryFile::require_mapped(const void* address) const {
  Search search{file_.descriptor(), address};
  dl_iterate_phdr(&compare, &search);
  if (!search.found || !search.same)
    throw Error(HN_DATA_LOSS, cat(path_.string(),
                                  ": the library that the process has under this path is not the "
                                  "file that was checked: the file was exchanged while it was "
                                  "opened, or since this process opened it before; start again"));
}

}  // namespace hn::host
