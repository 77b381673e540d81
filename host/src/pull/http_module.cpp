#include "pull/http_module.hpp"

#include <hn/cpp/error.hpp>

#include "loader/scan.hpp"
#include "loader/shared_library.hpp"
#include "support/cat.hpp"

namespace hn::pull {

const hnhost_http_v1& http_module(const std::filesystem::path& file) {
  const std::filesystem::path module =
      file.empty() ? host::library_folder() / "libhnhost_http.so" : file;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(module, ignored))
    throw Error(HN_UNSUPPORTED, host::cat("[pull] ", module.string(),
                                          " does not exist: this hn was built without libcurl "
                                          "(Debian: libcurl4-openssl-dev), so it cannot download"));
  void* library = host::open_library(module);
  const void* found = host::find_constant(library, HNHOST_HTTP_ENTRY, sizeof(hnhost_http_v1));
  if (found == nullptr)
    throw Error(HN_INVALID_ARGUMENT,
                host::cat("[pull] ", module.string(), " exports no constant ", HNHOST_HTTP_ENTRY));
  return *static_cast<const hnhost_http_v1*>(found);
}

}  // namespace hn::pull
