#include "capi/helper.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <hn/cpp/error.hpp>
#include <string>
#include <string_view>

#include "apart/channel.hpp"
#include "loader/finish_manifest.hpp"
#include "run/reward_speed.hpp"
#include "validate/suite_helper.hpp"

namespace {

constexpr int kMistake = 2;

int serve(void (*work)(std::string_view request, hn::apart::Channel& channel)) {
  using Heard = hn::apart::Channel::Heard;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGTTOU, SIG_IGN);  // a plugin may write to a terminal that this group does not own
  hn::apart::Channel channel(hn::apart::kHelperSocket);
  std::string request;
  if (channel.listen(std::chrono::seconds(10), request) != Heard::kLine) {
    std::fputs("hnhost_helper: it is started by libhnhost, not by people\n", stderr);
    return kMistake;
  }
  work(request, channel);
  std::fflush(nullptr);
  ::_exit(0);  // no destructors of libraries that were loaded here
}

int dispatch(std::string_view verb, int argc, char** argv) {
  if (verb == "suite") return serve(&hn::validate::serve_suite);
  if (verb == "measure") return serve(&hn::host::serve_measurement);
  if (verb == "manifest") return hn::host::finish_manifest_command(argc - 2, argv + 2);
  std::fputs("hnhost_helper: expected suite, measure or manifest\n", stderr);
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
