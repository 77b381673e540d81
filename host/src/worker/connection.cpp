#include "worker/connection.hpp"

#include <hn/host.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "support/cat.hpp"

namespace hn::worker {
namespace {

using host::cat;
using std::chrono::milliseconds;

// How long a worker may take to leave by itself, and a call to heed that it was cancelled.
constexpr auto kLeave = milliseconds(3000);
constexpr double kHeedSeconds = 10;
constexpr double kStartSeconds = 60;         // at least, for the start
constexpr std::size_t kMostText = 16 << 10;  // of a log line

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

std::string listed(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& each : texts) all += (all.empty() ? "" : "; ") + each;
  return all;
}

}  // namespace

Connection::Connection(WorkerSpec spec, WorkerServices services)
    : spec_(std::move(spec)), services_(std::move(services)) {}

Connection::~Connection() { close(); }

void Connection::start() {
  close();
  Descriptor socket;
  child_ = Child(worker_program(),
                 worker_environment(spec_.sandbox, spec_.threads, spec_.library_path), socket);
  channel_ = std::make_unique<Channel>(std::move(socket));
  ++generation_;
  asked_ = Clock::now();
  blocks_ = std::make_shared<BlockPool>(
      [this](const Block& block) {
        post(NewBlock{block.id, block.memory.size()}, block.file.get(), "a new block");
      },
      [this](std::uint32_t id) {
        // From a destructor: that the worker is gone is told by the next call.
        try {
          if (running()) channel_->send({0, DropBlock{id}});
        } catch (const ChannelClosed&) {
        }
      });
  control_ = make_block(0, 4096);
  post(NewBlock{0, control_.memory.size()}, control_.file.get(), "its start");
  Start start;
  start.bundle = spec_.bundle;
  start.library_sha256 = spec_.library_sha256;
  start.sandbox = spec_.sandbox;
  start.readable = spec_.readable;
  start.memory_bytes = spec_.memory_bytes;
  start.cpu_seconds = spec_.cpu_seconds;
  try {
    starting_ = true;
    const auto started = ask_for<Started>(start, "its start");
    starting_ = false;
    if (spec_.sandbox && services_.log) {
      services_.log(HN_LOG_INFO,
                    cat("plugin ", spec_.plugin, ": sandbox: ", listed(started.in_force)));
      if (!started.missing.empty())
        services_.log(HN_LOG_WARNING, cat("plugin ", spec_.plugin,
                                          ": sandbox: not in force: ", listed(started.missing)));
    }
  } catch (...) {
    close();
    throw;
  }
}

std::string Connection::ask(Message request, const std::string& what) {
  if (!running()) throw Error(HN_INTERNAL, "[worker] a call without a worker");
  asked_ = Clock::now();
  cancel_seen_ = false;
  reinterpret_cast<std::atomic<std::uint32_t>*>(control_.memory.data())->store(0);
  const std::uint64_t number = ++numbers_;
  try {
    channel_->send({number, std::move(request)}, -1, [&] { look_around(what); });
    return await(number, what);
  } catch (const ChannelClosed&) {
    gone(what);
  }
}

std::string Connection::await(std::uint64_t number, const std::string& what) {
  for (;;) {
    Frame frame;
    try {
      frame = channel_->receive([&] { look_around(what); }, child_.ended()).frame;
    } catch (const Error& e) {
      if (!running()) throw;  // look_around ended it
      lose(HN_UNAVAILABLE, "sent what is no message", what, e.what());
    }
    // A sandboxed plugin could talk for ever; of others any word is a sign of life.
    if (!spec_.sandbox) asked_ = Clock::now();
    const auto* reply = std::get_if<Reply>(&frame.message);
    if (reply == nullptr) {
      handle(frame.message, what);
      continue;
    }
    if (frame.number != number)
      lose(HN_UNAVAILABLE, "answered another call", what, "its replies are out of order");
    if (reply->status != HN_OK) throw Error(HN_KNOWN_STATUS(reply->status), reply->error);
    return reply->body;
  }
}

void Connection::handle(const Message& message, const std::string& what) {
  if (const auto* log = std::get_if<Log>(&message)) {
    if (services_.log) services_.log(log->level, log->text.substr(0, kMostText));
  } else if (const auto* progress = std::get_if<Progress>(&message)) {
    if (services_.progress) services_.progress(*progress);
  } else if (const auto* ask = std::get_if<Ask>(&message)) {
    Answer answer;
    answer.status = HN_NOT_FOUND;
    if (services_.option && ask->type <= static_cast<std::uint8_t>(OptionType::kList))
      answer = services_.option(static_cast<OptionType>(ask->type), ask->key);
    post(std::move(answer), -1, what);
  } else if (const auto* component = std::get_if<Component>(&message)) {
    if (services_.component) services_.component(component->json);
  } else {
    lose(HN_UNAVAILABLE, "sent a host's message", what,
         cat("kind ", message.index(), " of the protocol"));
  }
  look_around(what);
}

void Connection::post(Message message, int file, const std::string& what) {
  try {
    channel_->send({0, std::move(message)}, file, [&] { look_around(what); });
  } catch (const ChannelClosed&) {
    gone(what);
  }
}

void Connection::look_around(const std::string& what) {
  // A program that has yet to be read from disk is not the plugin's doing.
  const double limit =
      starting_ ? std::max(spec_.timeout_seconds, kStartSeconds) : spec_.timeout_seconds;
  if (spec_.timeout_seconds > 0 && seconds_since(asked_) > limit)
    lose(HN_DEADLINE, "did not answer", what,
         cat("no sign of life for ", limit, " s (worker.timeout)"));
  if (!services_.cancelled || (!cancel_seen_ && !services_.cancelled())) return;
  if (!cancel_seen_) {
    cancel_seen_ = true;
    cancelled_at_ = Clock::now();
    reinterpret_cast<std::atomic<std::uint32_t>*>(control_.memory.data())->store(1);
  } else if (seconds_since(cancelled_at_) > kHeedSeconds) {
    lose(HN_CANCELLED, "was ended", what,
         cat("the call did not heed within ", kHeedSeconds, " s that it was cancelled"));
  }
}

void Connection::gone(const std::string& what) {
  const pid_t pid = child_.pid();
  std::string cause = child_.end(kLeave);
  if (cause.empty()) cause = "it closed its channel and was ended";
  const bool crashed = cause.find("(signal") != std::string::npos;
  close();
  throw Error(HN_UNAVAILABLE, cat("plugin ", spec_.plugin, ": its worker (process ", pid, ") ",
                                  crashed ? "crashed" : "ended", " in ", what, ": ", cause));
}

void Connection::lose(hn_status code, const std::string& did, const std::string& what,
                      const std::string& why) {
  const pid_t pid = child_.pid();
  close();
  throw Error(code, cat("plugin ", spec_.plugin, ": its worker (process ", pid, ") ", did, " in ",
                        what, ": ", why));
}

void Connection::close() noexcept {
  channel_.reset();
  child_.end(milliseconds(0));
  child_ = Child();
  if (blocks_) blocks_->close();
}

void Connection::stop() noexcept {
  channel_.reset();  // the worker sees the end of its work
  child_.end(kLeave);
  close();
}

}  // namespace hn::worker
