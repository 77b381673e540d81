// hnhost.hpp: hnhost.h for C++17 and later: handles that close themselves, failures as exceptions.
//
// Header-only and thin: everything is compiled into the program that includes it, so that no C++
// type crosses into libhnhost.so. Thread tags are those of hnhost.h.
#pragma once

#include <hnhost/hnhost.h>

#include <algorithm>
#include <functional>
#include <memory>
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

// What a longer call reports. Functions may be empty; they are called in the thread of the call,
// but for cancelled, which any thread may ask. They must not throw: nothing could carry it through
// C.
struct Hooks {
  std::function<bool(const hnhost_step&)> step;  // false: stop, the call throws HN_CANCELLED
  std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> progress;
  std::function<bool()> cancelled;

  // Borrows this object.
  hnhost_hooks raw() {
    hnhost_hooks hooks{};
    hooks.struct_size = sizeof(hooks);
    hooks.ctx = this;
    if (step)
      hooks.on_step = [](void* ctx, const hnhost_step* s) -> std::int32_t {
        return static_cast<Hooks*>(ctx)->step(*s) ? 0 : 1;
      };
    if (progress)
      hooks.on_progress = [](void* ctx, hn_str what, std::uint64_t done, std::uint64_t total) {
        static_cast<Hooks*>(ctx)->progress(std::string_view(what.data, what.len), done, total);
      };
    if (cancelled)
      hooks.is_cancelled = [](void* ctx) -> std::int32_t {
        return static_cast<Hooks*>(ctx)->cancelled() ? 1 : 0;
      };
    return hooks;
  }
};

class Host;

// One model with its rewards and its adapter. Closed before its host.
class Session {
 public:
  std::string describe() const {
    return detail::text_of([&](hnhost_text** out, hn_error* error) {
      return hnhost_session_describe(raw_.get(), out, error);
    });
  }
  void train(std::uint64_t steps, Hooks hooks = {}) {
    const hnhost_hooks raw = hooks.raw();
    detail::checked([&](hn_error* error) { return hnhost_train(raw_.get(), steps, &raw, error); });
  }
  // struct_size is filled in.
  void sample(hnhost_sample_args args) {
    args.struct_size = sizeof(args);
    detail::checked([&](hn_error* error) { return hnhost_sample(raw_.get(), &args, error); });
  }
  void score(hnhost_score_args args) {
    args.struct_size = sizeof(args);
    detail::checked([&](hn_error* error) { return hnhost_score(raw_.get(), &args, error); });
  }
  void save_adapter(std::string_view folder) {
    detail::checked(
        [&](hn_error* error) { return hnhost_adapter_save(raw_.get(), str(folder), error); });
  }
  void load_adapter(std::string_view folder) {
    detail::checked(
        [&](hn_error* error) { return hnhost_adapter_load(raw_.get(), str(folder), error); });
  }
  void save_checkpoint(std::string_view file) {
    detail::checked(
        [&](hn_error* error) { return hnhost_checkpoint_save(raw_.get(), str(file), error); });
  }
  void load_checkpoint(std::string_view file) {
    detail::checked(
        [&](hn_error* error) { return hnhost_checkpoint_load(raw_.get(), str(file), error); });
  }
  hnhost_session* raw() const { return raw_.get(); }

 private:
  friend class Host;
  explicit Session(hnhost_session* raw) : raw_(raw, &hnhost_session_close) {}
  std::unique_ptr<hnhost_session, void (*)(hnhost_session*)> raw_;
};

class Host {
 public:
  // plugin_path: folders of bundles, separated by ':', searched first.
  explicit Host(std::string_view plugin_path = {}) : raw_(nullptr, &hnhost_close) {
    hnhost_options options{};
    options.struct_size = sizeof(options);
    options.plugin_path = str(plugin_path);
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
  Session open_session(std::string_view config) {
    hnhost_session* session = nullptr;
    detail::checked([&](hn_error* error) {
      return hnhost_session_open(raw_.get(), str(config), &session, error);
    });
    return Session(session);
  }
  // The summary as JSON.
  std::string run(std::string_view config, Hooks hooks = {}) {
    const hnhost_hooks raw = hooks.raw();
    return detail::text_of([&](hnhost_text** out, hn_error* error) {
      return hnhost_run(raw_.get(), str(config), &raw, out, error);
    });
  }
  hnhost* raw() const { return raw_.get(); }

 private:
  std::unique_ptr<hnhost, void (*)(hnhost*)> raw_;
};

}  // namespace hn::engine
