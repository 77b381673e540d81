// The C API over this folder.
#include <hnhost/hnhost.h>

#include <hn/cpp/error.hpp>

#include "capi/arguments.hpp"
#include "host/host.hpp"
#include "capi/text.hpp"
#include "selftest/selftest.hpp"

extern "C" hn_status hnhost_selftest(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                                     hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    hn::host::need(host, "selftest", "host");
    hn::host::need(out, "selftest", "out");
    hn::host::give_text(hn::selftest::self_test(host->host, hn::view(request), hooks), out);
  });
}
