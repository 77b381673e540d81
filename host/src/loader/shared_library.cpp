#include "loader/shared_library.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <boost/dll/shared_library.hpp>
#include <hn/cpp/error.hpp>

#include "support/cat.hpp"

namespace hn::host {

void* open_library(const std::filesystem::path& file) {
  boost::dll::shared_library library;
  std::error_code failed;
  const auto mode = boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local;
  const std::filesystem::path path = std::filesystem::absolute(file);
  dlerror();
  library.load(path, failed, mode);
  // A reference that nobody gives back, and a mark against unloading, before `library` closes its
  // own: statics of a closed library may be left half-alive.
  void* handle =
      failed ? nullptr : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE);
  if (handle == nullptr) {
    // Boost.DLL keeps the linker's text in dlerror when it reports by code.
    const char* reason = dlerror();
    throw Error(
        HN_INVALID_ARGUMENT,
        cat(file.string(), ": cannot be opened: ", reason != nullptr ? reason : failed.message()));
  }
  return handle;
}

const void* find_constant(void* library, const char* symbol, std::size_t min_bytes) {
  const void* address = dlsym(library, symbol);
  if (address == nullptr) return nullptr;
  Dl_info info{};
  void* entry = nullptr;
  if (dladdr1(address, &info, &entry, RTLD_DL_SYMENT) == 0 || entry == nullptr) return nullptr;
  const auto* described = static_cast<const ElfW(Sym)*>(entry);
  const bool data = ELF64_ST_TYPE(described->st_info) == STT_OBJECT;
  return data && described->st_size >= min_bytes ? address : nullptr;
}

}  // namespace hn::host
