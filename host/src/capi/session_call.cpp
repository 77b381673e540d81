#include "capi/session.hpp"

namespace hn::host {

SessionCall::SessionCall(hnhost_session* session, const char* function, Within within,
                         const hnhost_hooks* hooks)
    : use_(session),
      session_(*session),
      function_(function),
      heard_(*session->hooks, known_hooks(function, hooks)) {
  if (within == Within::kNothing) {
    const char* other = nullptr;
    if (!session_.training.compare_exchange_strong(other, function))
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", function, "] the session is in ", other,
                      ": from its on_step only sample, score, describe and save may be called"));
    trains_ = true;
  }
  try {
    enter();
  } catch (...) {
    if (trains_) session_.training = nullptr;
    throw;
  }
}

SessionCall::~SessionCall() {
  if (inside_) session_.inside = nullptr;
  if (trains_) session_.training = nullptr;
}

void SessionCall::leave() {
  session_.inside = nullptr;
  inside_ = false;
}

void SessionCall::enter() {
  const char* other = nullptr;
  if (!session_.inside.compare_exchange_strong(other, function_))
    throw Error(HN_INVALID_ARGUMENT, cat("[", function_, "] the session is in ", other,
                                         " already: it takes one call at a time"));
  inside_ = true;
}

void SessionCall::cancelled() const {
  if (trains_ || session_.training == nullptr) session_.hooks->take_back_stop();
}

void close_session(hnhost_session* session) {
  if (session == nullptr) return;
  session->hooks->request_stop();
  SessionCall::Use::drop(session);
}

}  // namespace hn::host
