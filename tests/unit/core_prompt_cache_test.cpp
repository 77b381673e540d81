#include "core/prompt_cache.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::HasSubstr;

class CorePromptCache : public CoreTest {
 protected:
  HostServices services_{Services{}};
  Runtime runtime_{services_, {kDLCPU, 0, 0}, {}};
  Instance generator_{runtime_, {fake::generator_plugin(), "g", ""}, "linear", {}};

  // The fake's handles say 1,000 bytes; the cache adds its own entry and the text.
  static constexpr std::uint64_t kThree = 3 * 1300;
};
using Prompts = std::vector<Prompt>;

TEST_F(CorePromptCache, EncodesEachPromptOnce) {
  PromptCache cache(1 << 20, 8);
  const Prompts prompts = {"a", "b", "a"};
  const auto first = cache.get(generator_, prompts);
  EXPECT_EQ(first.handles().size(), 3u);
  EXPECT_EQ(first.handles()[0], first.handles()[2]);
  EXPECT_NE(first.handles()[0], first.handles()[1]);
  const auto second = cache.get(generator_, prompts);
  EXPECT_EQ(second.handles()[1], first.handles()[1]);
  EXPECT_EQ(fake::state().encoded, 2);
  EXPECT_EQ(fake::state().encode_calls, 1);
}

TEST_F(CorePromptCache, BatchesAreCut) {
  PromptCache cache(1 << 20, 2);
  const auto pins = cache.get(generator_, Prompts{"a", "b", "c", "d", "e"});
  EXPECT_EQ(fake::state().encode_calls, 3);
  PromptCache single(1 << 20, 1);
  const auto more = single.get(generator_, Prompts{"a", "b"});
  EXPECT_EQ(fake::state().encode_calls, 5);
}

TEST_F(CorePromptCache, StaysBelowItsBudgetOldestFirst) {
  PromptCache cache(kThree, 1);
  for (const char* p : {"a", "b", "c"}) (void)cache.get(generator_, Prompts{p});
  (void)cache.get(generator_, Prompts{"a"});  // now b is the oldest
  (void)cache.get(generator_, Prompts{"d"});
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_LE(cache.bytes(), kThree);
  EXPECT_EQ(fake::state().conds, 3);
  const int before = fake::state().encoded;
  (void)cache.get(generator_, Prompts{"a", "c", "d"});
  EXPECT_EQ(fake::state().encoded, before);
  (void)cache.get(generator_, Prompts{"b"});
  EXPECT_EQ(fake::state().encoded, before + 1);
}

TEST_F(CorePromptCache, HandlesInUseOutliveTheBudget) {
  PromptCache cache(1, 4);
  {
    const auto pins = cache.get(generator_, Prompts{"a", "b", "c"});
    EXPECT_EQ(fake::state().conds, 3);
    cache.clear();
    EXPECT_EQ(fake::state().conds, 3);
  }
  EXPECT_EQ(fake::state().conds, 0);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST_F(CorePromptCache, PinsMoveWithoutReleasing) {
  PromptCache cache(1, 4);
  PromptCache::Pins kept;
  {
    auto pins = cache.get(generator_, Prompts{"a"});
    kept = std::move(pins);
  }
  EXPECT_EQ(fake::state().conds, 1);
}

TEST_F(CorePromptCache, EachPluginHasItsOwnHandles) {
  Instance reward(runtime_, {fake::reward_plugin(), "r", ""}, "quad", {});
  PromptCache cache(1 << 20, 4);
  const auto a = cache.get(generator_, Prompts{"a"});
  const auto b = cache.get(reward, Prompts{"a"});
  EXPECT_NE(a.handles()[0], b.handles()[0]);
  EXPECT_EQ(cache.size(), 2u);
}

TEST_F(CorePromptCache, PromptsAreKeptApartByWhatThePluginReads) {
  Instance reads(runtime_, {fake::reward_plugin(), "r", ""}, "quad", {{"reads", std::int64_t{7}}});
  PromptCache cache(1 << 20, 8);
  Prompt negative("a"), json("a"), image("a"), other("a");
  negative.negative = "b";
  json.json = "{\"n\":1}";
  const auto tensor = [](float first) {
    return std::make_shared<const std::vector<PromptTensor>>(
        std::vector<PromptTensor>{{"image", {{3, 1, 1}, {first, 0.5f, 1}}}});
  };
  image.tensors = tensor(0.25f);
  other.tensors = tensor(0.75f);
  const Prompts all = {"a", negative, json, image, other, image};
  const auto pins = cache.get(reads, all);
  EXPECT_EQ(cache.size(), 5u);
  EXPECT_EQ(pins.handles()[3], pins.handles()[5]);
  EXPECT_THAT(fake::state().read,
              ::testing::ElementsAre("a||", "a|b|", "a||{\"n\":1}", "a|||image(3,1,1) 0.250000",
                                     "a|||image(3,1,1) 0.750000"));
  // One that reads the text alone gets the text alone, and one handle for all of them.
  const auto texts = cache.get(generator_, all);
  EXPECT_EQ(cache.size(), 6u);
  EXPECT_EQ(texts.handles()[0], texts.handles()[4]);
  EXPECT_EQ(fake::state().read.back(), "a||");
}

TEST_F(CorePromptCache, APluginWithoutPromptsGetsNone) {
  Instance reward(runtime_, {fake::reward_plugin(), "r", ""}, "quad", {{"prompts", false}});
  PromptCache cache(1 << 20, 4);
  EXPECT_TRUE(cache.get(reward, Prompts{"a"}).handles().empty());
}

TEST_F(CorePromptCache, ARefusedPromptIsNamedAndNothingIsKept) {
  PromptCache cache(1 << 20, 1);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("linear: prompt 'refused'"),
               (void)cache.get(generator_, Prompts{"fine", "refused"}));
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(fake::state().conds, 1);
}

TEST_F(CorePromptCache, ARefusedPromptIsNamedOutOfABatchToo) {
  PromptCache cache(1 << 20, 8);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("linear: prompt 'refused'"),
               (void)cache.get(generator_, Prompts{"fine", "refused", "also fine"}));
  EXPECT_EQ(fake::state().encode_calls, 3);  // all, the first, the second
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(CorePromptCache, RefusalsAreToldOneByOneAndTheRestIsKept) {
  for (const std::size_t batch : {1u, 8u}) {
    PromptCache cache(1 << 20, batch);
    EXPECT_TRUE(cache.refusals(generator_, Prompts{"fine"}).empty());
    const auto reasons = cache.refusals(generator_, Prompts{"a", "refused", "b", "refused"});
    ASSERT_EQ(reasons.size(), 2u);
    EXPECT_THAT(reasons.at(1), HasSubstr("prompt 'refused': [encode] this prompt is refused"));
    EXPECT_EQ(reasons.count(3), 1u);
    EXPECT_EQ(cache.size(), 3u);
  }
  PromptCache cache(1 << 20, 1);
  fake::state().fault = "error:encode";
  fake::state().times = 1;
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("broken"), (void)cache.refusals(generator_, Prompts{"a"}));
}

TEST_F(CorePromptCache, OutOfMemoryTrimsAndTriesOnce) {
  runtime_.reclaim = [&] { generator_.trim(); };
  PromptCache cache(1 << 20, 1);
  fake::state().fault = "oom:encode";
  fake::state().times = 1;
  EXPECT_EQ(cache.get(generator_, Prompts{"a"}).handles().size(), 1u);
  EXPECT_EQ(fake::state().trims, 1);
  fake::state().times = 2;
  EXPECT_FAILS(HN_OUT_OF_MEMORY, HasSubstr("no room"), (void)cache.get(generator_, Prompts{"b"}));
}

}  // namespace
}  // namespace hn::core::test
