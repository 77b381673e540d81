// Hooks: of loading, of calls within calls, of a plugin's own thread; and that nothing of the
// embedder's is used after its call returned.
#include <thread>

#include "host/hooks.hpp"
#include "unit/capi_support.hpp"

namespace hn::host {
namespace {

using namespace testing;
using ::testing::Each;
using ::testing::HasSubstr;

// An embedder's context that tells when it is used although its call is over.
struct Embedder {
  std::atomic<bool> over{false}, cancel{false};
  std::atomic<int> inside{0}, heard{0}, late{0};
  std::vector<std::string> stages;  // of the call's own thread alone
  std::thread::id caller = std::this_thread::get_id();
  std::function<std::int32_t(const hnhost_step&)> step;

  void use() {
    ++inside;
    ++heard;
    if (over) ++late;
    if (std::this_thread::get_id() != caller)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // as a slow one
    if (over) ++late;
    --inside;
  }
  hnhost_hooks hooks() {
    auto hooks = sized<hnhost_hooks>();
    hooks.ctx = this;
    hooks.on_step = [](void* ctx, const hnhost_step* s) -> std::int32_t {
      auto& self = *static_cast<Embedder*>(ctx);
      self.use();
      return self.step ? self.step(*s) : 0;
    };
    hooks.on_progress = [](void* ctx, hn_str what, std::uint64_t, std::uint64_t) {
      auto& self = *static_cast<Embedder*>(ctx);
      self.use();
      if (std::this_thread::get_id() == self.caller) self.stages.emplace_back(view(what));
    };
    hooks.is_cancelled = [](void* ctx) -> std::int32_t {
      auto& self = *static_cast<Embedder*>(ctx);
      self.use();
      return self.cancel ? 1 : 0;
    };
    return hooks;
  }
};

class HookTest : public CApi {
 protected:
  hn_status train(std::uint64_t n, const hnhost_hooks& hooks) {
    return hnhost_train(session_, n, &hooks, error_.get());
  }
};

TEST_F(HookTest, LoadingIsToldAndCanBeCancelled) {
  Embedder embedder;
  hnhost_hooks hooks = embedder.hooks();
  ASSERT_EQ(open(kConfig, &hooks), HN_OK) << error_.text();
  EXPECT_EQ(embedder.stages, std::vector<std::string>{"loading fake"});
  hnhost_session_close(session_);
  const int heard = embedder.heard;
  embedder.cancel = true;
  EXPECT_EQ(open(kConfig, &hooks), HN_CANCELLED);
  EXPECT_EQ(session_, nullptr) << "NULL after a failure, whatever was there";
  EXPECT_GT(embedder.heard, heard);
  hooks.flags = 4;
  EXPECT_EQ(open(kConfig, &hooks), HN_UNSUPPORTED);
  EXPECT_THAT(error_.text(), HasSubstr("[hnhost_session_open] hooks: unknown flags 4"));
}

TEST_F(HookTest, AThreadOfAPluginIsNotHeardAfterTheCall) {
  ASSERT_EQ(open(std::string(kConfig) + "[generator_options]\nguidance = 9.0\n"), HN_OK)
      << error_.text();
  for (int round = 0; round < 20; ++round) {
    auto embedder = std::make_unique<Embedder>();
    const hnhost_hooks hooks = embedder->hooks();
    embedder->step = [&](const hnhost_step&) {
      while (embedder->heard < 5) std::this_thread::yield();  // the thread is at it
      return 0;
    };
    ASSERT_EQ(train(1, hooks), HN_OK) << error_.text();
    EXPECT_EQ(embedder->inside, 0) << "the call waited for the hook that the thread was in";
    embedder->over = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(embedder->late, 0);
  }  // the context is gone; the thread goes on
}

TEST_F(HookTest, SampleScoreDescribeAndSaveFromOnStep) {
  open_good();
  const Prompts prompts({"a"});
  Floats images({1, 3, 8, 8}), scores({1});
  Embedder outer, inner;
  const hnhost_hooks inner_hooks = inner.hooks();
  std::vector<hn_status> statuses;
  outer.step = [&](const hnhost_step& step) {
    auto sample = sized<hnhost_sample_args>();
    prompts.put(sample);
    sample.images = &images.tensor;
    sample.hooks = &inner_hooks;
    statuses.push_back(hnhost_sample(session_, &sample, error_.get()));
    auto score = sized<hnhost_score_args>();
    score.images = &images.tensor;
    score.scores = &scores.tensor;
    statuses.push_back(hnhost_score(session_, &score, error_.get()));
    hnhost_text* text = nullptr;
    statuses.push_back(hnhost_session_describe(session_, &text, error_.get()));
    hnhost_text_free(text);
    statuses.push_back(hnhost_adapter_save(session_, str((folder_ / "a").string()), error_.get()));
    const std::string file = folder_ / ("c" + std::to_string(step.step));
    statuses.push_back(hnhost_checkpoint_save(session_, str(file), error_.get()));
    return 0;
  };
  ASSERT_EQ(train(3, outer.hooks()), HN_OK) << error_.text();
  EXPECT_EQ(statuses.size(), 15u);
  EXPECT_THAT(statuses, Each(HN_OK)) << error_.text();
  EXPECT_THAT(images.data, Each(0.6f));
  EXPECT_EQ(inner.stages, std::vector<std::string>(3, "sampling")) << "their own hooks";
  EXPECT_EQ(outer.stages, std::vector<std::string>(3, "training")) << "and none of the outer call";
  EXPECT_TRUE(std::filesystem::exists(folder_ / "c3"));
}

TEST_F(HookTest, WhatWouldChangeTheTrainingIsRefusedFromOnStep) {
  open_good();
  const std::string adapter = folder_ / "a", checkpoint = folder_ / "c";
  Embedder embedder;
  embedder.step = [&](const hnhost_step&) {
    EXPECT_EQ(hnhost_train(session_, 1, nullptr, error_.get()), HN_INVALID_ARGUMENT);
    EXPECT_THAT(error_.text(), HasSubstr("[hnhost_train] the session is in hnhost_train"));
    EXPECT_EQ(hnhost_adapter_load(session_, str(adapter), error_.get()), HN_INVALID_ARGUMENT);
    EXPECT_EQ(hnhost_checkpoint_load(session_, str(checkpoint), error_.get()), HN_INVALID_ARGUMENT);
    EXPECT_THAT(error_.text(), HasSubstr("[hnhost_checkpoint_load] the session is in"));
    return 0;
  };
  EXPECT_EQ(train(2, embedder.hooks()), HN_OK) << error_.text();
}

TEST_F(HookTest, NothingOfTheSessionFromTheOtherHooks) {
  open_good();
  auto hooks = sized<hnhost_hooks>();
  struct Context {
    hnhost_session* session;
    hn_status status;
  } context{session_, HN_OK};
  hooks.ctx = &context;
  hooks.on_progress = [](void* ctx, hn_str, std::uint64_t, std::uint64_t) {
    auto& c = *static_cast<Context*>(ctx);
    hnhost_text* text = nullptr;
    c.status = hnhost_session_describe(c.session, &text, nullptr);
  };
  EXPECT_EQ(train(1, hooks), HN_OK) << error_.text();
  EXPECT_EQ(context.status, HN_INVALID_ARGUMENT);
}

TEST_F(HookTest, ClosedFromAHookTheSessionGoesWithTheCall) {
  open_good();
  Embedder embedder;
  embedder.step = [&](const hnhost_step&) {
    hnhost_session_close(std::exchange(session_, nullptr));
    EXPECT_THAT(log_, ::testing::Not(HasSubstr("fake core: closed")));
    return 0;
  };
  const hnhost_hooks hooks = embedder.hooks();
  hnhost_session* session = session_;
  EXPECT_EQ(hnhost_train(session, 100, &hooks, error_.get()), HN_CANCELLED);
  EXPECT_THAT(log_, HasSubstr("fake core: closed"));
}

TEST_F(HookTest, CancelledSamplingAndScoringWriteNothing) {
  open_good();
  Embedder embedder;
  embedder.cancel = true;
  const hnhost_hooks hooks = embedder.hooks();
  const Prompts prompts({"a"});
  Floats images({1, 3, 8, 8}), scores({1});
  auto sample = sized<hnhost_sample_args>();
  prompts.put(sample);
  sample.images = &images.tensor;
  sample.hooks = &hooks;
  EXPECT_EQ(hnhost_sample(session_, &sample, error_.get()), HN_CANCELLED);
  EXPECT_THAT(images.data, Each(-1.0f));
  auto score = sized<hnhost_score_args>();
  score.images = &images.tensor;
  score.scores = &scores.tensor;
  score.hooks = &hooks;
  EXPECT_EQ(hnhost_score(session_, &score, error_.get()), HN_CANCELLED);
  EXPECT_EQ(scores.data[0], -1.0f);
  EXPECT_EQ(embedder.stages, (std::vector<std::string>{"sampling", "scoring"}));
}

// Also where calls ended in another order than they began, by a caller that broke the rules.
TEST(HookSlots, ForgetTheCallThatEnds) {
  HookSlot slot;
  Embedder a, b;
  auto first = std::make_unique<HookScope>(slot, a.hooks());
  auto second = std::make_unique<HookScope>(slot, b.hooks());
  first.reset();
  slot.progress("x", 0, 0);
  EXPECT_EQ(a.heard, 0);
  EXPECT_EQ(b.heard, 1);
  second.reset();
  slot.progress("y", 0, 0);
  EXPECT_EQ(b.heard, 1);
  EXPECT_FALSE(slot.cancelled());
}

}  // namespace
}  // namespace hn::host
