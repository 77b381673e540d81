// struct hnhost_session, and what each call on one goes through.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "capi/entry.hpp"
#include "host/host.hpp"

struct hnhost_session {
  explicit hnhost_session(hnhost* opened) : use(opened), host(&opened->host) {}

  hn::host::HostUse use;  // destroyed last
  hn::host::Host* host;
  bool rewards_alone = false;
  hn::host::RunConfig config;
  hn::core::SessionSpec spec;  // names and facts of the rewards, in the session's order
  std::shared_ptr<hn::host::HookSlot> hooks = std::make_shared<hn::host::HookSlot>();
  std::unique_ptr<hn::core::Session> core;

  std::atomic<const char*> inside{nullptr};    // the function that is in the core
  std::atomic<const char*> training{nullptr};  // the function that takes steps
  std::atomic<int> users{1};  // the handle and each running call; nobody: it is deleted
};

namespace hn::host {

// Which calls an on_step may make: those that leave the training as it is.
enum class Within { kSteps, kNothing };

// One call on a session: refuses a second one at the same time, lets its hooks be heard, and keeps
// the session, which a hook may close, until it is over. The core is the caller's from the
// constructor on.
class SessionCall {
 public:
  // HN_INVALID_ARGUMENT names the call that runs.
  SessionCall(hnhost_session* session, const char* function, Within within,
              const hnhost_hooks* hooks);
  ~SessionCall();
  SessionCall(const SessionCall&) = delete;
  SessionCall& operator=(const SessionCall&) = delete;

  hnhost_session& operator*() const { return session_; }
  const char* function() const { return function_; }
  // Between two steps others may come in; enter() throws where one of them is still there.
  void leave();
  void enter();
  // The call was cancelled: the outermost one takes the request with it.
  void cancelled() const;

 private:
  // First and last: a hook may have closed the session.
  class Use {
   public:
    explicit Use(hnhost_session* session) : session_(session) { ++session_->users; }
    ~Use() { drop(session_); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    static void drop(hnhost_session* session) {
      if (session != nullptr && --session->users == 0) delete session;
    }

   private:
    hnhost_session* session_;
  };
  friend void close_session(hnhost_session* session);

  Use use_;
  hnhost_session& session_;
  const char* function_;
  HookScope heard_;
  bool inside_ = false, trains_ = false;
};

// The handle is given back; a call that runs is asked to stop and keeps the session until its end.
void close_session(hnhost_session* session);

// body(call) with the session; where it is cancelled the request to stop is used up.
template <class Body>
void on_session(hnhost_session* session, const char* function, Within within,
                const hnhost_hooks* hooks, Body&& body) {
  SessionCall call(need(session, function, "session"), function, within, hooks);
  try {
    body(call);
  } catch (const Error& error) {
    if (error.code() == HN_CANCELLED) call.cancelled();
    throw;
  }
}

// hnhost_sample and hnhost_score, args as this library knows them.
void sample(const SessionCall& call, const hnhost_sample_args& args);
void score(const SessionCall& call, const hnhost_score_args& args);

}  // namespace hn::host
