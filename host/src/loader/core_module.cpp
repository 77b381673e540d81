// libhnhost_core.so: the part of the host with LibTorch.
#include <hn/cpp/error.hpp>

#include "loader/library.hpp"
#include "loader/shared_library.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

// Two builds of LibTorch in one process run each other's code: its libraries have process-wide
// unique symbols. Better no run than a wrong one.
void refuse_other_libtorch(std::string_view wanted) {
  for (const LoadedLibtorch& other : loaded_libtorch()) {
    if (other.build_id == wanted) continue;
    throw Error(
        HN_UNSUPPORTED,
        cat("[core] this process has another LibTorch: ", other.path, " (build id ",
            other.build_id.empty() ? "none" : other.build_id, "), this hn was built with ", wanted,
            "; two cannot live in one process. Start the hnhost command as a process of its own, "
            "or "
            "build hn with that LibTorch where it is of the same version (HN_LIBTORCH)"));
  }
}

// LibTorch's MKL asks for the working folder and ends the process where there is none.
void require_working_folder() {
  std::error_code failed;
  static_cast<void>(std::filesystem::current_path(failed));
  if (failed)
    throw Error(HN_NOT_FOUND, cat("[core] the working folder cannot be told: ", failed.message(),
                                  "; was it deleted? Change to one that exists"));
}

}  // namespace

const hnhost_core_v1& open_core(const std::filesystem::path& file, std::string_view libtorch) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored))
    throw Error(HN_NOT_FOUND,
                cat("[core] ", file.string(), " does not exist: this hn was ",
                    libtorch == "none" ? "built without LibTorch" : "installed without its core"));
  if (libtorch != "none") {
    require_working_folder();
    refuse_other_libtorch(libtorch);
  }
  void* library = open_library(file);
  const void* found = find_constant(library, HNHOST_CORE_ENTRY, sizeof(hnhost_core_v1));
  if (found == nullptr)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[core] ", file.string(), " exports no constant ", HNHOST_CORE_ENTRY));
  const auto& core = *static_cast<const hnhost_core_v1*>(found);
  if (core.libtorch_build_id != libtorch)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[core] ", file.string(), " was built with LibTorch ", core.libtorch_build_id,
                    ", libhnhost with ", libtorch, ": the two are not from one build"));
  // The linker may have followed LD_LIBRARY_PATH or a changed link to another copy.
  if (libtorch != "none") refuse_other_libtorch(libtorch);
  return core;
}

}  // namespace hn::host
