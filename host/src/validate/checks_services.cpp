// What a plugin asks of its host, and when: cancellation, progress, the log; and two instances at
// work at once.
#include <atomic>
#include <barrier>
#include <chrono>
#include <thread>

#include "validate/check.hpp"
#include "validate/services.hpp"

namespace hn::validate {
namespace {

void work(const Instance& instance, Context& c) {
  for (const std::string& name : functions_of(c.subject())) {
    Fn fn(instance, name, c.subject().options);
    Case one(fn, {});
    one.forward(fn.differentiable());
    if (fn.differentiable()) one.backward(one.cotangents(1));
  }
}

void between_calls(Context& c) {
  constexpr std::chrono::milliseconds kWait(60);
  auto instance = std::make_unique<Instance>(c.entry(), c.subject().options);
  work(*instance, c);
  const ServiceCalls before = service_calls();
  std::this_thread::sleep_for(kWait);
  ServiceCalls after = service_calls();
  expect(after.is_cancelled == before.is_cancelled,
         "is_cancelled was asked while no call was running");
  expect(after.progress == before.progress, "progress was told while no call was running");
  instance.reset();
  const ServiceCalls destroyed = service_calls();
  std::this_thread::sleep_for(kWait);
  after = service_calls();
  expect(after.log == destroyed.log, "log was called after destroy had returned");
}

// Asked for while the user wants to stop: the result, or HN_CANCELLED.
class Cancelled {
 public:
  Cancelled() { answer_cancelled(true); }
  ~Cancelled() { answer_cancelled(false); }
  Cancelled(const Cancelled&) = delete;
  Cancelled& operator=(const Cancelled&) = delete;
};

void cancelled(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(false);
  const auto want = one.outputs();
  {
    const Cancelled now;
    ErrorBuffer error;
    const hn_status status = one.try_forward(one.call(fn.differentiable()), error);
    if (status != HN_OK) {
      expect_refused(status, error, "forward while is_cancelled answers yes", {HN_CANCELLED});
      expect(!one.has_saved(), "forward was cancelled, but *saved is not NULL");
    }
  }
  one.forward(false);
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(one.outputs()[k], want[k], kSameMaths,
                 "output " + fn.outputs()[k].name + ", after a call that was cancelled");
}

void side_by_side(Context& c) {
  const std::string name = c.first_function();
  std::vector<Values> want;
  {
    Fn fn(c.instance(), name, c.subject().options);
    Case one(fn, {});
    one.forward(false);
    want = one.outputs();
  }
  constexpr int kThreads = 2, kCalls = 2;
  std::barrier together(kThreads);
  std::vector<std::exception_ptr> problems(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      bool waits = true;
      try {
        const Instance instance(c.entry(), c.subject().options);
        Fn fn(instance, name, c.subject().options);
        Case one(fn, {});
        waits = false;
        together.arrive_and_wait();
        for (int i = 0; i < kCalls; ++i) {
          one.forward(false);
          for (std::size_t k = 0; k < want.size(); ++k)
            expect_close(one.outputs()[k], want[k], kSameMaths,
                         "output " + fn.outputs()[k].name + ", beside another instance at work");
        }
      } catch (...) {
        problems[static_cast<std::size_t>(t)] = std::current_exception();  // reported below
        if (waits) together.arrive_and_drop();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& problem : problems)
    if (problem) std::rethrow_exception(problem);
}

constexpr Check kChecks[] = {
    {"host.calls", "The host is asked within calls alone, and its log until destroy returns.",
     Scope::kPlugin, nullptr, &between_calls, "forward.works"},
    {"host.cancelled",
     "A call that is to stop ends with its result or HN_CANCELLED, and the function works on.",
     Scope::kFunction, nullptr, &cancelled, "forward.works"},
    {"threads.instances", "Two instances may be at work at once, each in a thread.", Scope::kPlugin,
     nullptr, &side_by_side, "forward.works"},
};

}  // namespace

std::span<const Check> service_checks() { return kChecks; }

}  // namespace hn::validate
