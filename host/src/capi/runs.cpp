// hnhost.h: runs, searches, files, sets of pictures and new projects.
#include "capi/entry.hpp"
#include "report/compare.hpp"
#include "run/diagnose_job.hpp"
#include "run/headroom_job.hpp"
#include "run/job.hpp"
#include "run/new_project.hpp"
#include "run/reward_speed.hpp"
#include "run/sample_files.hpp"
#include "run/search_job.hpp"
#include "run/try_job.hpp"
#include "scoring/score_set.hpp"

using hn::host::answering;
using hn::host::Host;
using hn::host::text_of;

extern "C" {

hn_status hnhost_run(hnhost* host, hn_str config, const hnhost_hooks* hooks, hnhost_text** out,
                     hn_error* error) {
  return answering(
      "hnhost_run", host, config, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::run_job(open, text, hooks); });
}

hn_status hnhost_sample_files(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                              hnhost_text** out, hn_error* error) {
  return answering(
      "hnhost_sample_files", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::sample_files(open, text, hooks); });
}

hn_status hnhost_score_files(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                             hnhost_text** out, hn_error* error) {
  return answering(
      "hnhost_score_files", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::score_files(open, text, hooks); });
}

hn_status hnhost_measure_rewards(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                                 hnhost_text** out, hn_error* error) {
  return answering("hnhost_measure_rewards", host, request, hooks, out, error,
                   [&](Host& open, std::string_view text) {
                     return hn::host::measure_rewards(open, text, hooks);
                   });
}

hn_status hnhost_score_set(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                           hnhost_text** out, hn_error* error) {
  return answering(
      "hnhost_score_set", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::score_set(open, text, hooks); });
}

hn_status hnhost_compare_sets(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                              hnhost_text** out, hn_error* error) {
  return answering(
      "hnhost_compare_sets", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::compare_sets(open, text, hooks); });
}

hn_status hnhost_diagnose(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                          hnhost_text** out, hn_error* error) {
  return answering(
      "hnhost_diagnose", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::diagnose_job(open, text, hooks); });
}

hn_status hnhost_try(hnhost* host, hn_str request, const hnhost_hooks* hooks, hnhost_text** out,
                     hn_error* error) {
  return answering(
      "hnhost_try", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::try_job(open, text, hooks); });
}

hn_status hnhost_search(hnhost* host, hn_str request, const hnhost_hooks* hooks, hnhost_text** out,
                        hn_error* error) {
  return answering(
      "hnhost_search", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::search_job(open, text, hooks); });
}

hn_status hnhost_headroom(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                          hnhost_text** out, hn_error* error) {
  return answering(
      "hnhost_headroom", host, request, hooks, out, error,
      [&](Host& open, std::string_view text) { return hn::host::headroom_job(open, text, hooks); });
}

hn_status hnhost_rewards(hnhost* host, hnhost_text** out, hn_error* error) {
  return answering("hnhost_rewards", host, out, error,
                   [&](Host& open) { return hn::host::rewards_catalogue(open); });
}

hn_status hnhost_compare(hnhost* host, hn_str request, hnhost_text** out, hn_error* error) {
  return answering("hnhost_compare", host, request, nullptr, out, error,
                   [&](Host&, std::string_view text) { return hn::host::compare_runs(text); });
}

hn_status hnhost_new(hn_str kind, hn_str name, hn_str folder, hn_error* error) {
  constexpr const char* kWhere = "hnhost_new";
  return hn::host::entry(error, [&] {
    hn::host::new_project(hn::host::template_folder(), text_of(kind, kWhere, "kind"),
                          text_of(name, kWhere, "name"),
                          std::string(text_of(folder, kWhere, "folder")));
  });
}

}  // extern "C"
