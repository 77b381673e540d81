// The C API over this folder: runs, files and new projects.
#include <hnhost/hnhost.h>

#include "host/host.hpp"
#include "capi/text.hpp"
#include "report/compare.hpp"
#include "run/job.hpp"
#include "run/new_project.hpp"
#include "run/reward_speed.hpp"
#include "run/sample_files.hpp"
#include "scoring/score_set.hpp"
#include "scoring/scorer_service.hpp"

struct hnhost_scorer {
  hnhost_scorer(hn::host::Host& host, std::string_view config, std::int64_t batch)
      : service(host, config, batch) {}
  hn::host::ScorerService service;
};

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
    return hn::host::run_job(open, hn::view(config), hooks);
  });
}

hn_status hnhost_sample_files(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                              hnhost_text** out, hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::host::sample_files(open, hn::view(request), hooks);
  });
}

hn_status hnhost_score_files(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                             hnhost_text** out, hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::host::score_files(open, hn::view(request), hooks);
  });
}

hn_status hnhost_rewards(hnhost* host, hnhost_text** out, hn_error* error) {
  return answer(host, out, error,
                [&](hn::host::Host& open) { return hn::host::rewards_catalogue(open); });
}

hn_status hnhost_measure_rewards(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                                 hnhost_text** out, hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::host::measure_rewards(open, hn::view(request), hooks);
  });
}

hn_status hnhost_score_set(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                           hnhost_text** out, hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::host::score_set(open, hn::view(request), hooks);
  });
}

hn_status hnhost_compare_sets(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                              hnhost_text** out, hn_error* error) {
  return answer(host, out, error, [&](hn::host::Host& open) {
    return hn::host::compare_sets(open, hn::view(request), hooks);
  });
}

hn_status hnhost_scorer_open(hnhost* host, hn_str config, uint64_t batch, hnhost_scorer** out,
                             hn_error* error) {
  return hn::guard(error, [&] {
    need(host, "a host");
    need(out, "a place for the scorer");
    *out = nullptr;
    *out = new hnhost_scorer(host->host, hn::view(config), static_cast<std::int64_t>(batch));
  });
}

hn_status hnhost_scorer_answer(hnhost_scorer* scorer, hn_str request, hnhost_text** out,
                               hn_error* error) {
  return hn::guard(error, [&] {
    need(scorer, "a scorer");
    need(out, "a place for the text");
    hn::host::give_text(scorer->service.answer(hn::view(request)), out);
  });
}

void hnhost_scorer_close(hnhost_scorer* scorer) { delete scorer; }

hn_status hnhost_compare(hnhost* host, hn_str request, hnhost_text** out, hn_error* error) {
  return answer(host, out, error,
                [&](hn::host::Host&) { return hn::host::compare_runs(hn::view(request)); });
}

hn_status hnhost_new(hn_str kind, hn_str name, hn_str folder, hn_error* error) {
  return hn::guard(error, [&] {
    hn::host::new_project(hn::host::template_folder(), hn::view(kind), hn::view(name),
                         std::string(hn::view(folder)));
  });
}

}  // extern "C"
