#include "loader/shared_library.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <boost/dll/shared_library.hpp>
#include <hn/cpp/error.hpp>
#include <memory>

#include "support/cat.hpp"

namespace hn::host {

void* open_library(const std::filesystem::path& file) {
  auto library = std::make_unique<boost::dll::shared_library>();
  std::error_code failed;
  const auto mode = boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local;
  dlerror();
  library->load(std::filesystem::absolute(file), failed, mode);
  if (failed) {
    // Boost.DLL keeps the linker's text in dlerror when it reports by code.
    const char* reason = dlerror();
    throw Error(
        HN_INVALID_ARGUMENT,
        cat(file.string(), ": cannot be opened: ", reason != nullptr ? reason : failed.message()));
  }
  void* handle = library->native();
  // Given away on purpose: its destructor would close the library.
  library.release();
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
