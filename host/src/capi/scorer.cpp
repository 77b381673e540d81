// hnhost.h: rewards that answer requests in JSON.
#include "capi/entry.hpp"
#include "scoring/scorer_service.hpp"

struct hnhost_scorer {
  std::shared_ptr<hn::host::HookSlot> hooks = std::make_shared<hn::host::HookSlot>();
  std::unique_ptr<hn::host::ScorerService> service;
};

using hn::host::giving;
using hn::host::HookScope;
using hn::host::known_hooks;
using hn::host::need;
using hn::host::text_of;

extern "C" {

hn_status hnhost_scorer_open(hnhost* host, const hnhost_session_args* args, uint64_t batch,
                             hnhost_scorer** out, hn_error* error) {
  constexpr const char* kWhere = "hnhost_scorer_open";
  return giving(kWhere, out, error, [&] {
    hn::host::Host& open = need(host, kWhere, "host")->host;
    const hnhost_session_args known = hn::host::argument(args, kWhere, "args");
    auto made = std::make_unique<hnhost_scorer>();
    const HookScope heard(*made->hooks, known_hooks(kWhere, known.hooks));
    made->service = std::make_unique<hn::host::ScorerService>(
        open, text_of(known.config, kWhere, "config"), batch,
        hn::host::make_services(open, made->hooks), known.stream);
    *out = made.release();
  });
}

hn_status hnhost_scorer_answer(hnhost_scorer* scorer, hn_str request, const hnhost_hooks* hooks,
                               hnhost_text** out, hn_error* error) {
  constexpr const char* kWhere = "hnhost_scorer_answer";
  return giving(kWhere, out, error, [&] {
    need(scorer, kWhere, "scorer");
    const HookScope heard(*scorer->hooks, known_hooks(kWhere, hooks));
    hn::host::give_text(scorer->service->answer(text_of(request, kWhere, "request")), out);
  });
}

void hnhost_scorer_close(hnhost_scorer* scorer) { delete scorer; }

}  // extern "C"
