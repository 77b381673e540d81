// One host from many threads, and sessions side by side: what the C API promises of threads, for
// the thread sanitizer above all.
#include <atomic>
#include <mutex>
#include <thread>

#include "host/host.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using testing::generator_text;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::replaced;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

constexpr int kThreads = 4;
constexpr const char* kConfig = "generator = \"gen\"\n[[reward]]\nname = \"fake\"\n";

class Threads : public ::testing::Test {
 protected:
  Threads() {
    make_bundle(folder_ / "p/fake.hnp", reward_text());
    make_bundle(folder_ / "p/gen.hnp",
                replaced(generator_text(), "test.generator.gen", "test.reward.other"), "other_id");
    write_text(folder_ / "p/gen.hnp/prompts/train.txt", "one\ntwo\n");
    HostOptions options;
    options.plugin_path = (folder_ / "p").string();
    options.core_file = std::filesystem::path(HN_FAKES) / "libfake_core.so";
    options.core_libtorch = "none";
    options.log = [this](std::int32_t, std::string_view) { ++logged_; };
    host_.reset(new hnhost{Host(std::move(options))});
  }
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
    ErrorBuffer error;
    EXPECT_EQ(hnhost_session_open(host_.get(), str(kConfig), &session, error.get()), HN_OK)
        << error.text();
    return session;
  }
  TempFolder folder_;
  std::atomic<int> logged_{0};
  std::unique_ptr<hnhost> host_;
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

}  // namespace
}  // namespace hn::host
