#include "loader/elf.hpp"

#include <elf.h>
#include <hn/plugin.h>

#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>

namespace hn::host {
namespace {

// A library with its debug information can have gigabytes.
constexpr std::size_t kMaxLibraryBytes = std::size_t{8} << 30;

class File {
 public:
  explicit File(const std::filesystem::path& path)
      : name_(path.string()), bytes_(read_whole_file(path, kMaxLibraryBytes)) {}
  template <class T>
  T at(std::uint64_t offset) const {
    T value;
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof value)
      fail("ends inside a table");
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::string text(std::uint64_t offset) const {
    if (offset >= bytes_.size()) fail("names a text past its end");
    return {bytes_.data() + offset, ::strnlen(bytes_.data() + offset, bytes_.size() - offset)};
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(HN_DATA_LOSS, "[elf] " + name_ + " " + why);
  }

 private:
  std::string name_;
  std::string bytes_;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t to = std::min(text.find(':', from), text.size());
    parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

}  // namespace

ElfFacts read_elf(const std::filesystem::path& path) {
  const File file(path);
  const auto header = file.at<Elf64_Ehdr>(0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB)
    file.fail("is not a 64-bit little-endian ELF file");
  ElfFacts facts;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto section =
        file.at<Elf64_Shdr>(header.e_shoff + std::uint64_t{i} * header.e_shentsize);
    if (section.sh_type != SHT_DYNSYM && section.sh_type != SHT_DYNAMIC) continue;
    const auto strings =
        file.at<Elf64_Shdr>(header.e_shoff + std::uint64_t{section.sh_link} * header.e_shentsize);
    if (section.sh_type == SHT_DYNSYM) {
      for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size;
           at += sizeof(Elf64_Sym)) {
        const auto symbol = file.at<Elf64_Sym>(section.sh_offset + at);
        const unsigned binding = ELF64_ST_BIND(symbol.st_info);
        if (symbol.st_shndx == SHN_UNDEF || binding == STB_LOCAL) continue;
        const std::string name = file.text(strings.sh_offset + symbol.st_name);
        if (name == HN_PLUGIN_ENTRY_V1 && symbol.st_shndx < header.e_shnum) {
          const auto home = file.at<Elf64_Shdr>(header.e_shoff + std::uint64_t{symbol.st_shndx} *
                                                                     header.e_shentsize);
          if (home.sh_type == SHT_PROGBITS)
            facts.entry = file.at<EntryWords>(home.sh_offset + (symbol.st_value - home.sh_addr));
        }
        if (binding == STB_GNU_UNIQUE) facts.unique.push_back(name);
        // Hidden ones cannot be bound to, and the version script's own node is no symbol.
        const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
        if (visibility == STV_DEFAULT || visibility == STV_PROTECTED)
          if (symbol.st_shndx != SHN_ABS) facts.exports.push_back(name);
      }
      continue;
    }
    for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= section.sh_size; at += sizeof(Elf64_Dyn)) {
      const auto entry = file.at<Elf64_Dyn>(section.sh_offset + at);
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_NEEDED)
        facts.needed.push_back(file.text(strings.sh_offset + entry.d_un.d_val));
      if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH)
        facts.runpath = split(file.text(strings.sh_offset + entry.d_un.d_val));
    }
  }
  return facts;
}

}  // namespace hn::host
