// hnhost.h: installed rewards looked at.
#include "selftest/selftest.hpp"

#include "capi/entry.hpp"

extern "C" hn_status hnhost_selftest(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                                     hnhost_text** out, hn_error* error) {
  return hn::host::answering("hnhost_selftest", host, request, hooks, out, error,
                             [&](hn::host::Host& open, std::string_view text) {
                               return hn::selftest::self_test(open, text, hooks);
                             });
}
