#include "capi/helper.hpp"

#include <cstdio>
#include <hn/cpp/error.hpp>
#include <string_view>

#include "loader/finish_manifest.hpp"

namespace {

constexpr int kMistake = 2;

int dispatch(std::string_view verb, int argc, char** argv) {
  if (verb == "manifest") return hn::host::finish_manifest_command(argc - 2, argv + 2);
  std::fputs("hnhost_helper: expected manifest\n", stderr);
  return kMistake;
}

}  // namespace

extern "C" int hnhost_helper_main(int argc, char** argv) {
  try {
    return dispatch(argc > 1 ? argv[1] : "", argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "hnhost_helper: %s\n", e.what());
    return 1;
  }
}
