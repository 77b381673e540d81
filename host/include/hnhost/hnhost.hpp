// hnhost.hpp: hnhost.h for C++17 and later: handles that close themselves, failures as exceptions.
//
// Header-only and thin: everything is compiled into the program that includes it, so that no C++
// type crosses into libhnhost.so. Thread tags are those of hnhost.h.
#pragma once

#include <hnhost/hnhost.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hn::engine {

// A failure with its code (HN_NOT_FOUND, ...) and the library's text.
class Error : public std::runtime_error {
 public:
  Error(hn_status code, const std::string& text) : std::runtime_error(text), code_(code) {}
  hn_status code() const noexcept { return code_; }

 private:
  hn_status code_;
};

inline hn_str str(std::string_view text) { return {text.data(), text.size()}; }

namespace detail {

// call(hn_error*) -> hn_status; throws Error unless HN_OK.
template <class Call>
void checked(const Call& call) {
  std::string text(4096, '\0');
  hn_error error{};
  error.struct_size = sizeof(error);
  error.message = text.data();
  error.capacity = text.size();
  const hn_status status = call(&error);
  if (status == HN_OK) return;
  text.resize(std::min(text.find('\0'), text.size()));
  throw Error(status, text);
}

// call(hnhost_text**, hn_error*) -> hn_status; the text as a string.
template <class Call>
std::string text_of(const Call& call) {
  hnhost_text* raw = nullptr;
  checked([&](hn_error* error) { return call(&raw, error); });
  const std::unique_ptr<hnhost_text, void (*)(hnhost_text*)> text(raw, &hnhost_text_free);
  const hn_str view = hnhost_text_view(raw);
  return std::string(view.data, view.len);
}

}  // namespace detail

// What a longer call reports and how it is stopped. Functions may be empty. step comes in the
// thread of the call; progress and cancelled may come from any thread, also at the same time. What
// they throw stops the call and is thrown by it again.
struct Hooks {
  std::function<bool(const hnhost_step&)> step;  // false: stop, the call throws HN_CANCELLED
  std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> progress;
  std::function<bool()> cancelled;
};

namespace detail {

// Hooks for one call: nothing can be carried through C, so what they throw is kept until it is
// over.
class HookCall {
 public:
  explicit HookCall(const Hooks& hooks) : hooks_(hooks) {
    raw_.struct_size = sizeof(raw_);
    raw_.ctx = this;
    if (hooks_.step)
      raw_.on_step = [](void* ctx, const hnhost_step* step) -> std::int32_t {
        return self(ctx).kept([&] { return self(ctx).hooks_.step(*step) ? 0 : 1; });
      };
    if (hooks_.progress)
      raw_.on_progress = [](void* ctx, hn_str what, std::uint64_t done, std::uint64_t total) {
        self(ctx).kept([&] {
          self(ctx).hooks_.progress(std::string_view(what.data, what.len), done, total);
          return 0;
        });
      };
    raw_.is_cancelled = [](void* ctx) -> std::int32_t {
      if (self(ctx).failed()) return 1;
      if (!self(ctx).hooks_.cancelled) return 0;
      return self(ctx).kept([&] { return self(ctx).hooks_.cancelled() ? 1 : 0; });
    };
  }
  HookCall(const HookCall&) = delete;
  HookCall& operator=(const HookCall&) = delete;

  const hnhost_hooks* raw() const { return &raw_; }
  // As checked(); what a hook threw goes before the library's own error.
  template <class Call>
  void run(const Call& call) {
    try {
      checked(call);
    } catch (const Error&) {
      if (failed()) std::rethrow_exception(failure_);
      throw;
    }
    if (failed()) std::rethrow_exception(failure_);
  }

 private:
  static HookCall& self(void* ctx) { return *static_cast<HookCall*>(ctx); }
  template <class Body>
  std::int32_t kept(const Body& body) noexcept {
    try {
      return body();
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      return 1;
    }
  }
  bool failed() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return failure_ != nullptr;
  }

  const Hooks& hooks_;
  hnhost_hooks raw_{};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

// Paths as the library takes them; borrowed.
inline std::vector<hn_str> strs(const std::vector<std::string>& texts) {
  std::vector<hn_str> out;
  for (const std::string& text : texts) out.push_back(str(text));
  return out;
}

}  // namespace detail

// What a picture is made from or judged by; a text alone is one.
struct Prompt {
  std::string text, negative = {}, json = {};
  std::vector<hn_named_tensor> tensors = {};  // borrowed, see hnhost_prompt

  Prompt(std::string only) : text(std::move(only)) {}
  Prompt(const char* only) : text(only) {}
  Prompt(std::string what, std::string not_what, std::string metadata)
      : text(std::move(what)), negative(std::move(not_what)), json(std::move(metadata)) {}
};

// Prompts as hnhost_sample_args and hnhost_score_args take them: data() and size(). Borrows them.
class PromptList {
 public:
  explicit PromptList(const std::vector<Prompt>& prompts) : raw_(prompts.size()) {
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      raw_[i].struct_size = sizeof(raw_[i]);
      raw_[i].text = str(prompts[i].text);
      raw_[i].negative = str(prompts[i].negative);
      raw_[i].json = str(prompts[i].json);
      raw_[i].tensors = prompts[i].tensors.data();
      raw_[i].n_tensors = prompts[i].tensors.size();
      each_.push_back(&raw_[i]);
    }
  }
  PromptList(const PromptList&) = delete;
  PromptList& operator=(const PromptList&) = delete;

  const hnhost_prompt* const* data() const { return each_.data(); }
  std::uint64_t size() const { return each_.size(); }

 private:
  std::vector<hnhost_prompt> raw_;
  std::vector<const hnhost_prompt*> each_;
};

class Host;

// Rewards on tensors: what every session can do. Closed before its host.
class Rewards {
 public:
  std::string describe() const {
    return detail::text_of([&](hnhost_text** out, hn_error* error) {
      return hnhost_session_describe(raw(), out, error);
    });
  }
  // struct_size, prompts and hooks are filled in.
  void score(hnhost_score_args args, const std::vector<Prompt>& prompts = {},
             const Hooks& hooks = {}) {
    const PromptList list(prompts);
    detail::HookCall call(hooks);
    args.struct_size = sizeof(args);
    args.prompts = list.data();
    args.n_prompts = list.size();
    args.hooks = call.raw();
    call.run([&](hn_error* error) { return hnhost_score(raw(), &args, error); });
  }
  // The call that runs, or the next one, throws HN_CANCELLED. From any thread.
  void cancel() { hnhost_session_cancel(raw()); }
  hnhost_session* raw() const { return raw_.get(); }

 protected:
  friend class Host;
  explicit Rewards(hnhost_session* raw) : raw_(raw, &hnhost_session_close) {}

 private:
  std::unique_ptr<hnhost_session, void (*)(hnhost_session*)> raw_;
};

// One model with its rewards and its adapter.
class Session : public Rewards {
 public:
  void train(std::uint64_t steps, const Hooks& hooks = {}) {
    detail::HookCall call(hooks);
    call.run([&](hn_error* error) { return hnhost_train(raw(), steps, call.raw(), error); });
  }
  // struct_size, prompts and hooks are filled in.
  void sample(hnhost_sample_args args, const std::vector<Prompt>& prompts,
              const Hooks& hooks = {}) {
    const PromptList list(prompts);
    detail::HookCall call(hooks);
    args.struct_size = sizeof(args);
    args.prompts = list.data();
    args.n_prompts = list.size();
    args.hooks = call.raw();
    call.run([&](hn_error* error) { return hnhost_sample(raw(), &args, error); });
  }
  void save_adapter(std::string_view folder) {
    detail::checked([&](hn_error* e) { return hnhost_adapter_save(raw(), str(folder), e); });
  }
  void load_adapter(std::string_view folder) {
    detail::checked([&](hn_error* e) { return hnhost_adapter_load(raw(), str(folder), e); });
  }
  void save_checkpoint(std::string_view file) {
    detail::checked([&](hn_error* e) { return hnhost_checkpoint_save(raw(), str(file), e); });
  }
  void load_checkpoint(std::string_view file) {
    detail::checked([&](hn_error* e) { return hnhost_checkpoint_load(raw(), str(file), e); });
  }

 private:
  friend class Host;
  using Rewards::Rewards;
};

class Host {
 public:
  // plugin_paths: folders of bundles, or bundles, searched first.
  explicit Host(const std::vector<std::string>& plugin_paths = {}) : raw_(nullptr, &hnhost_close) {
    const std::vector<hn_str> paths = detail::strs(plugin_paths);
    hnhost_options options{};
    options.struct_size = sizeof(options);
    options.plugin_paths = paths.data();
    options.n_plugin_paths = paths.size();
    hnhost* raw = nullptr;
    detail::checked([&](hn_error* error) { return hnhost_open(&options, &raw, error); });
    raw_.reset(raw);
  }

  std::string list(std::string_view kind = {}) const {
    return detail::text_of([&](hnhost_text** out, hn_error* error) {
      return hnhost_list(raw_.get(), str(kind), out, error);
    });
  }
  std::string inspect(std::string_view name) const {
    return detail::text_of([&](hnhost_text** out, hn_error* error) {
      return hnhost_inspect(raw_.get(), str(name), out, error);
    });
  }
  std::string resolve(std::string_view config) const {
    return detail::text_of([&](hnhost_text** out, hn_error* error) {
      return hnhost_resolve(raw_.get(), str(config), out, error);
    });
  }
  // hooks: progress and cancelled of the loading. stream: see hnhost_session_args.
  Session open_session(std::string_view config, const Hooks& hooks = {}, hn_stream stream = {}) {
    return Session(open(config, 0, hooks, stream));
  }
  // The configuration's rewards alone; no generator is needed.
  Rewards open_rewards(std::string_view config, const Hooks& hooks = {}, hn_stream stream = {}) {
    return Rewards(open(config, HNHOST_SESSION_REWARDS, hooks, stream));
  }
  // The summary as JSON.
  std::string run(std::string_view config, const Hooks& hooks = {}) {
    detail::HookCall call(hooks);
    std::string summary;
    call.run([&](hn_error* error) {
      hnhost_text* text = nullptr;
      const hn_status status = hnhost_run(raw_.get(), str(config), call.raw(), &text, error);
      const std::unique_ptr<hnhost_text, void (*)(hnhost_text*)> owner(text, &hnhost_text_free);
      const hn_str view = hnhost_text_view(text);
      summary.assign(view.data, view.len);
      return status;
    });
    return summary;
  }
  hnhost* raw() const { return raw_.get(); }

 private:
  hnhost_session* open(std::string_view config, std::uint32_t flags, const Hooks& hooks,
                       hn_stream stream) {
    detail::HookCall call(hooks);
    hnhost_session_args args{};
    args.struct_size = sizeof(args);
    args.flags = flags;
    args.config = str(config);
    args.hooks = call.raw();
    args.stream = stream;
    std::unique_ptr<hnhost_session, void (*)(hnhost_session*)> session(nullptr,
                                                                       &hnhost_session_close);
    call.run([&](hn_error* error) {
      hnhost_session* opened = nullptr;
      const hn_status status = hnhost_session_open(raw_.get(), &args, &opened, error);
      session.reset(opened);  // also where a hook threw and it was opened all the same
      return status;
    });
    return session.release();
  }

  std::unique_ptr<hnhost, void (*)(hnhost*)> raw_;
};

}  // namespace hn::engine
