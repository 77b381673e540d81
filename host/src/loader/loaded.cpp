// Which LibTorch is in this process already: read from the dynamic linker's list of objects.
#include <absl/strings/escaping.h>
#include <elf.h>
#include <link.h>

#include <cstring>

#include "loader/library.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

// Notes are pairs of name and description, each padded to 4 bytes.
std::string build_id_in(const char* notes, std::size_t size) {
  constexpr auto kPadded = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) head;
    std::memcpy(&head, notes, sizeof(head));
    const std::size_t name_at = sizeof(head), text_at = name_at + kPadded(head.n_namesz);
    const std::size_t end = text_at + kPadded(head.n_descsz);
    if (text_at + head.n_descsz > size) break;
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
        std::memcmp(notes + name_at, "GNU", 4) == 0)
      return absl::BytesToHexString(absl::string_view(notes + text_at, head.n_descsz));
    if (end >= size) break;
    notes += end;
    size -= end;
  }
  return "";
}

// A note segment is read only where it is mapped: tools that edit ELF files may leave others.
bool mapped(const dl_phdr_info& object, const ElfW(Phdr) & segment) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& load = object.dlpi_phdr[i];
    if (load.p_type == PT_LOAD && segment.p_vaddr >= load.p_vaddr &&
        segment.p_vaddr + segment.p_memsz <= load.p_vaddr + load.p_memsz)
      return true;
  }
  return false;
}

int visit(dl_phdr_info* object, std::size_t, void* found) {
  const std::string path = object->dlpi_name == nullptr ? "" : object->dlpi_name;
  if (!path.substr(path.rfind('/') + 1).starts_with("libtorch_cpu.so")) return 0;
  LoadedLibtorch row{path, ""};
  for (int i = 0; i < object->dlpi_phnum && row.build_id.empty(); ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type == PT_NOTE && mapped(*object, segment))
      row.build_id = build_id_in(reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr),
                                 segment.p_memsz);
  }
  static_cast<std::vector<LoadedLibtorch>*>(found)->push_back(std::move(row));
  return 0;
}

}  // namespace

std::vector<LoadedLibtorch> loaded_libtorch() {
  std::vector<LoadedLibtorch> found;
  dl_iterate_phdr(&visit, &found);
  return found;
}

}  // namespace hn::host
