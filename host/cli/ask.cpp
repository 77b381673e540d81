#include "ask.hpp"

#include "overlay.hpp"
#include "progress.hpp"
#include "signals.hpp"

namespace hn::cli {

std::string ask(const Command& command, RequestCall call, const std::string& request) {
  const HostHandle host(command);
  catch_signals();
  const Progress progress("", command.quiet);
  return answer([&](hnhost_text** out, hn_error* error) {
    return call(host.get(), str(request), progress.hooks(), out, error);
  });
}

}  // namespace hn::cli
