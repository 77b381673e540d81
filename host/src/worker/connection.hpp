// The host's side of one worker process: start, ask, and what happens when it is gone.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "worker/blocks.hpp"
#include "worker/child.hpp"
#include "worker/messages.hpp"

namespace hn::worker {

// Everything that a worker is started with.
struct WorkerSpec {
  std::string plugin;  // the name, for messages
  std::string bundle, library_sha256;
  bool sandbox = false;
  std::vector<std::string> readable;
  double timeout_seconds = 0;  // of one call, without a sign of life; 0: none
  std::uint64_t memory_bytes = 0, cpu_seconds = 0;
  std::int64_t threads = 0;  // of numeric libraries; 0: as this process
  std::string library_path;  // in front of LD_LIBRARY_PATH
};

// What a worker may ask for while a call runs. Empty functions are allowed.
struct WorkerServices {
  std::function<void(std::int32_t level, const std::string& text)> log;
  std::function<void(const Progress&)> progress;
  std::function<bool()> cancelled;
  std::function<Answer(OptionType type, const std::string& key)> option;
  std::function<void(const std::string& json)> component;
};

// Used by one thread at a time. A worker that crashes, leaves, or does not answer is HN_UNAVAILABLE
// or HN_DEADLINE by name; the next start() begins anew.
class Connection {
 public:
  Connection(WorkerSpec spec, WorkerServices services);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool running() const { return channel_ != nullptr; }
  // How often it was started: what was made in an earlier run of it is gone.
  std::uint64_t generation() const { return generation_; }
  const WorkerSpec& spec() const { return spec_; }
  WorkerServices& services() { return services_; }
  void start();
  // what: the call's name in messages, "forward of score".
  std::string ask(Message request, const std::string& what);
  template <class Body, class Request>
  Body ask_for(Request request, const std::string& what) {
    const std::string bytes = ask(Message(std::move(request)), what);
    try {
      return decode_body<Body>(bytes);
    } catch (const Error& e) {
      lose(HN_UNAVAILABLE, "sent what is no answer", what, e.what());
    }
  }
  const std::shared_ptr<BlockPool>& blocks() const { return blocks_; }

  // Ends the worker and throws: "plugin clip: its worker (process 7) <did> in <what>: <why>".
  [[noreturn]] void lose(hn_status code, const std::string& did, const std::string& what,
                         const std::string& why);
  // Politely: the plugin's destroy ran. Never throws.
  void stop() noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  std::string await(std::uint64_t number, const std::string& what);
  void handle(const Message& message, const std::string& what);
  void post(Message message, int file, const std::string& what);
  void look_around(const std::string& what);
  [[noreturn]] void gone(const std::string& what);
  void close() noexcept;

  WorkerSpec spec_;
  WorkerServices services_;
  std::unique_ptr<Channel> channel_;
  Child child_;
  std::shared_ptr<BlockPool> blocks_;
  Block control_;  // one page: whether the user asked to stop
  std::uint64_t generation_ = 0, numbers_ = 0;
  Clock::time_point asked_{}, cancelled_at_{};
  bool cancel_seen_ = false, starting_ = false;
};

}  // namespace hn::worker
