// hnhost.h: which plugin runs. Everything here has to be safe in a signal handler.
#include <hnhost/hnhost.h>

#include "host/arguments.hpp"
#include "loader/plugin_calls.hpp"

extern "C" int32_t hnhost_running_plugin(hnhost_plugin_call* out) {
  using Out = hn::host::Argument<hnhost_plugin_call>;
  if (out == nullptr || out->struct_size < Out::kFirstSize) return 0;
  const hn::core::PluginCalls& calls = hn::host::plugin_calls();
  const hn::core::PluginCalls::Call* call = calls.of(pthread_self());
  const bool own = call != nullptr;
  if (!own) call = calls.any();
  if (call == nullptr) return 0;
  hn::fill_known_part(
      out, hnhost_plugin_call{0, own ? 0 : HNHOST_CALL_OF_OTHER_THREAD, call->plugin, call->library,
                              call->function, call->step});
  return 1;
}
