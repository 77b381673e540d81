// The C API over this folder: runs, files and new projects.
#include <hnhost/hnhost.h>

#include "capi/host.hpp"
#include "capi/text.hpp"
#include "run/compare.hpp"
#include "run/job.hpp"
#include "run/new_project.hpp"
#include "run/sample_files.hpp"

namespace {

void need(const void* pointer, const char* what) {
  if (pointer == nullptr)
    throw hn::Error(HN_INVALID_ARGUMENT, std::string("[hnhost] expected ") + what + ", got NULL");
}

// The shape that the functions with a host share.
template <class Body>
hn_status answer(hnhost* host, hnhost_text** out, hn_error* error, Body&& body) {
  return hn::guard(error, [&] {
    need(host, "a host");
    need(out, "a place for the text");
    hn::host::give_text(body(host->host), out);
  });
}

}  // namespace

extern "C" {

hn_status hnhost_run(hnhost* host, hn_str config, const hnhost_hooks* hooks, hnhost_text** out,
                     hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::run::run_job(open, hn::view(config), hooks);
  });
}

hn_status hnhost_sample_files(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                              hnhost_text** out, hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::run::sample_files(open, hn::view(request), hooks);
  });
}

hn_status hnhost_score_files(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                             hnhost_text** out, hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::run::score_files(open, hn::view(request), hooks);
  });
}

hn_status hnhost_compare(hnhost* host, hn_str request, hnhost_text** out, hn_error* error) {
  return answer(host, out, error,
                [&](hn::host::Host&) { return hn::run::compare_runs(hn::view(request)); });
}

hn_status hnhost_new(hn_str kind, hn_str name, hn_str folder, hn_error* error) {
  return hn::guard(error, [&] {
    hn::run::new_project(hn::run::template_folder(), hn::view(kind), hn::view(name),
                         std::string(hn::view(folder)));
  });
}

}  // extern "C"
