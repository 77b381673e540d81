// One host from many threads, and sessions side by side: what the C API promises of threads, for
// the thread sanitizer above all.
#include <thread>

#include "unit/capi_support.hpp"

namespace hn::host {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr int kThreads = 4;

class Threads : public CApi {
 protected:
  // The body in every thread at once, the thread's number as its argument.
  template <class Body>
  static void together(Body&& body) {
    std::atomic<int> waiting{kThreads};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&, i] {
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        body(i);
      });
    for (std::thread& thread : threads) thread.join();
  }
  hnhost_session* open() {
    hnhost_session* session = nullptr;
    auto args = sized<hnhost_session_args>();
    args.config = str(kConfig);
    ErrorBuffer error;
    EXPECT_EQ(hnhost_session_open(host_.get(), &args, &session, error.get()), HN_OK)
        << error.text();
    return session;
  }
};

TEST_F(Threads, EachOpensTrainsAndClosesASessionOfItsOwn) {
  together([&](int i) {
    hnhost_session* session = open();  // the first of them opens the core and the plugins
    ASSERT_NE(session, nullptr);
    std::uint64_t last = 0;
    hnhost_hooks hooks{};
    hooks.struct_size = sizeof(hooks);
    hooks.ctx = &last;
    hooks.on_step = [](void* ctx, const hnhost_step* step) {
      *static_cast<std::uint64_t*>(ctx) = step->step;
      return 0;
    };
    ErrorBuffer error;
    EXPECT_EQ(hnhost_train(session, 50u + static_cast<unsigned>(i), &hooks, error.get()), HN_OK)
        << error.text();
    EXPECT_EQ(last, 50u + static_cast<unsigned>(i));
    hnhost_session_close(session);
  });
  EXPECT_GE(logged_, 2 * kThreads) << "every session told that it opened and closed";
}

TEST_F(Threads, ListingResolvingAndErrorsAtTheSameTime) {
  together([&](int i) {
    for (int round = 0; round < 20; ++round) {
      ErrorBuffer error;
      hnhost_text* text = nullptr;
      ASSERT_EQ(hnhost_list(host_.get(), str("rewards"), &text, error.get()), HN_OK);
      EXPECT_THAT(hnhost_text_view(text).data, HasSubstr("fake"));
      hnhost_text_free(text);
      ASSERT_EQ(hnhost_resolve(host_.get(), str(kConfig), &text, error.get()), HN_OK);
      hnhost_text_free(text);
      ErrorBuffer own;
      const std::string name = "nobody" + std::to_string(i);
      EXPECT_EQ(hnhost_inspect(host_.get(), str(name), &text, own.get()), HN_NOT_FOUND);
      EXPECT_THAT(own.text(), HasSubstr(name)) << "each thread reads its own error";
    }
  });
}

// is_cancelled is polled by the training thread while another thread sets what it reads.
TEST_F(Threads, OneThreadCancelsWhatAnotherTrains) {
  hnhost_session* session = open();
  ASSERT_NE(session, nullptr);
  std::atomic<bool> stop{false};
  hnhost_hooks hooks{};
  hooks.struct_size = sizeof(hooks);
  hooks.ctx = &stop;
  hooks.is_cancelled = [](void* ctx) {
    return static_cast<std::int32_t>(static_cast<std::atomic<bool>*>(ctx)->load());
  };
  std::atomic<hn_status> outcome{HN_OK};
  std::thread trains([&] {
    ErrorBuffer error;
    outcome = hnhost_train(session, 1u << 30, &hooks, error.get());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  stop = true;
  trains.join();
  EXPECT_EQ(outcome, HN_CANCELLED);
  // Another thread goes on with the session, and a third closes it.
  std::thread([&] {
    ErrorBuffer error;
    EXPECT_EQ(hnhost_train(session, 1, nullptr, error.get()), HN_OK) << error.text();
  }).join();
  std::thread([&] { hnhost_session_close(session); }).join();
}

TEST_F(Threads, ASessionThatIsInUseSaysSo) {
  hnhost_session* session = open();
  ASSERT_NE(session, nullptr);
  struct Meeting {
    std::atomic<bool> inside{false}, go_on{false};
  } meeting;
  hnhost_hooks hooks{};
  hooks.struct_size = sizeof(hooks);
  hooks.ctx = &meeting;
  hooks.on_progress = [](void* ctx, hn_str, std::uint64_t, std::uint64_t) {
    auto& m = *static_cast<Meeting*>(ctx);
    m.inside = true;
    while (!m.go_on) std::this_thread::yield();
  };
  std::thread trains([&] {
    ErrorBuffer error;
    EXPECT_EQ(hnhost_train(session, 1, &hooks, error.get()), HN_OK) << error.text();
  });
  while (!meeting.inside) std::this_thread::yield();
  ErrorBuffer error;
  hnhost_text* text = nullptr;
  EXPECT_EQ(hnhost_session_describe(session, &text, error.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error.text(), HasSubstr("[hnhost_session_describe] the session is in hnhost_train"));
  EXPECT_EQ(hnhost_train(session, 1, nullptr, error.get()), HN_INVALID_ARGUMENT);
  meeting.go_on = true;
  trains.join();
  EXPECT_EQ(hnhost_train(session, 1, nullptr, error.get()), HN_OK) << error.text();
  hnhost_session_close(session);
}

TEST_F(Threads, CancelComesFromAnyThreadAndIsNotLost) {
  hnhost_session* session = open();
  ASSERT_NE(session, nullptr);
  std::atomic<hn_status> outcome{HN_OK};
  std::thread trains([&] {
    ErrorBuffer error;
    outcome = hnhost_train(session, 1u << 30, nullptr, error.get());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  hnhost_session_cancel(session);
  trains.join();
  EXPECT_EQ(outcome, HN_CANCELLED);
  ErrorBuffer error;
  EXPECT_EQ(hnhost_train(session, 1, nullptr, error.get()), HN_OK) << "that call took it";
  hnhost_session_cancel(session);
  EXPECT_EQ(hnhost_train(session, 1, nullptr, error.get()), HN_CANCELLED) << "the next one gets it";
  EXPECT_EQ(hnhost_train(session, 1, nullptr, error.get()), HN_OK);
  hnhost_session_cancel(nullptr);
  hnhost_session_close(session);
}

}  // namespace
}  // namespace hn::host
