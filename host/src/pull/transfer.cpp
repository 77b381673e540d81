#include "pull/transfer.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <exception>
#include <hn/cpp/error.hpp>
#include <thread>

#include "support/cat.hpp"

namespace hn::pull {
namespace {

using host::cat;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kNotePause{2};

// "bytes 5-9/10".
struct ContentRange {
  std::uint64_t first = 0, last = 0;
  std::optional<std::uint64_t> total;  // "*" says nothing
};

std::optional<ContentRange> content_range(const http::Response& response) {
  const std::string* text = response.header("content-range");
  if (text == nullptr || !text->starts_with("bytes ")) return std::nullopt;
  const char* at = text->data() + 6;
  const char* end = text->data() + text->size();
  ContentRange range;
  const auto number = [&](std::uint64_t& into) {
    const auto [next, code] = std::from_chars(at, end, into);
    const bool good = code == std::errc() && next != at;
    at = next;
    return good;
  };
  const auto skip = [&](char c) { return at != end && *at == c && (++at, true); };
  if (!number(range.first) || !skip('-') || !number(range.last) || !skip('/')) return std::nullopt;
  if (skip('*')) return range;
  std::uint64_t total = 0;
  if (!number(total) || at != end) return std::nullopt;
  range.total = total;
  return range;
}

// One part over one connection, with retries.
class PartRun {
 public:
  PartRun(const Source& source, PartFile& file, HubClient& client, std::size_t index)
      : source_(source), file_(file), client_(client), index_(index) {}

  void run() {
    std::uint64_t seen = file_.part(index_).done;
    client_.with_retries(
        cat("[pull ", source_.repo, "] ", source_.name), [&] { once(); },
        [&] {
          const std::uint64_t now = file_.part(index_).done;
          const bool more = now > seen;
          seen = std::max(seen, now);
          return more;
        });
  }

 private:
  bool complete() const {
    const PartFile::Part part = file_.part(index_);
    return part.done == part.end - part.begin;
  }

  void once() {
    if (complete()) return;
    if (!file_.bytes()) file_.restart(index_);
    const PartFile::Part part = file_.part(index_);
    const bool whole = file_.part_count() == 1 && part.done == 0;
    const std::string range = whole ? "" : cat("bytes=", part.begin + part.done, "-", part.end - 1);
    checked_ = false;
    const http::Response response = client_.get(
        source_.repo, source_.url, range,
        [&](const http::Response& head, std::string_view bytes) {
          if (!checked_) check_head(head, !range.empty());
          checked_ = true;
          const PartFile::Part now = file_.part(index_);
          if (bytes.size() > now.end - now.begin - now.done)
            throw Passing{"the server sent more bytes than it announced", {}};
          file_.append(index_, bytes);
        },
        [](int status) { return status == 416; });
    if (response.status == 416) throw Stale{cat("the server has no bytes ", range, " of it (416)")};
    // An answer without a body has not been looked at yet.
    if (!checked_) check_head(response, !range.empty());
    if (!file_.bytes()) {
      file_.end_here(index_);
      return;
    }
    if (!complete()) {
      const PartFile::Part now = file_.part(index_);
      throw Passing{cat("the server ended after ", now.begin + now.done, " of ", now.end, " bytes"),
                    {}};
    }
  }

  void check_head(const http::Response& head, bool asked_range) {
    const PartFile::Part part = file_.part(index_);
    if (!file_.bytes()) return;
    if (asked_range && head.status == 200) {
      if (file_.part_count() > 1) throw NoRanges{};
      file_.restart(index_);  // the whole file comes again
    }
    if (head.status == 200) {
      const auto length = head.number("content-length");
      if (length && *length != *file_.bytes())
        throw Stale{cat("the server announced ", *file_.bytes(), " bytes and then ", *length)};
      return;
    }
    const auto range = content_range(head);
    if (!range) throw Passing{"the server gave a part without saying which", {}};
    if (range->total && *range->total != *file_.bytes())
      throw Stale{cat("the server announced ", *file_.bytes(), " bytes and then ", *range->total)};
    if (range->first != part.begin + part.done)
      throw Passing{cat("the server gave bytes from ", range->first, " on, asked for ",
                        part.begin + part.done),
                    {}};
  }

  const Source& source_;
  PartFile& file_;
  HubClient& client_;
  std::size_t index_;
  bool checked_ = false;
};

}  // namespace

void transfer(const Source& source, PartFile& file, const TransferOptions& options,
              const std::function<void()>& on_tick) {
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr thrown;
  const auto count =
      std::clamp<std::size_t>(static_cast<std::size_t>(std::max(options.connections, 1)), 1,
                              std::max<std::size_t>(file.part_count(), 1));
  std::size_t running = count;
  const auto work = [&] {
    try {
      const auto client = source.open_client([&] { return stop.load(); });
      while (!stop) {
        const auto index = file.take();
        if (!index) break;
        PartRun(source, file, *client, *index).run();
        file.give_back(*index);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!thrown) thrown = std::current_exception();
      stop = true;
    }
    const std::lock_guard lock(mutex);
    --running;
    changed.notify_all();
  };

  std::exception_ptr stopped;
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < count; ++i) workers.emplace_back(work);
    auto noted = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex);
    while (running > 0) {
      changed.wait_for(lock, kTick);
      lock.unlock();
      try {
        if (!stopped) on_tick();
        if (std::chrono::steady_clock::now() - noted > kNotePause) {
          file.save_note();
          noted = std::chrono::steady_clock::now();
        }
      } catch (...) {
        if (!stopped) stopped = std::current_exception();
        stop = true;
      }
      lock.lock();
    }
  }
  if (stopped || thrown) file.save_note();
  if (stopped) std::rethrow_exception(stopped);
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace hn::pull
