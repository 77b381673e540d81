#include <hnhost/hnhost.h>

#include <hn/cpp/error.hpp>

#include "capi/arguments.hpp"
#include "capi/text.hpp"
#include "host/host.hpp"
#include "validate/bundle.hpp"

extern "C" hn_status hnhost_validate(hnhost* host, hn_str bundle, hn_str options, hnhost_text** out,
                                     hn_error* error) {
  return hn::guard(error, [&] {
    *hn::host::need(out, "hnhost_validate", "out") = nullptr;
    const hn::validate::Subject subject = hn::validate::subject_of(
        hn::host::need(host, "hnhost_validate", "host")->host, hn::view(bundle), hn::view(options));
    hn::host::give_text(hn::validate::to_json(subject, hn::validate::run_suite(subject)), out);
  });
}
