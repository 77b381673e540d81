// Sessions through the C API, over the fake core.
#include "unit/capi_support.hpp"

namespace hn::host {
namespace {

using namespace testing;
using ::testing::Each;
using ::testing::HasSubstr;

class Sessions : public CApi {};

TEST_F(Sessions, OpensPluginsCoreAndPrompts) {
  open_good();
  EXPECT_THAT(log_, HasSubstr("fake core: 2 prompts"));
  hnhost_text* text = nullptr;
  ASSERT_EQ(hnhost_session_describe(session_, &text, error_.get()), HN_OK);
  const std::string json = hnhost_text_view(text).data;
  EXPECT_THAT(json, HasSubstr("\"trainable\": 10"));
  EXPECT_THAT(json, HasSubstr("test.reward.fake"));
  hnhost_text_free(text);
}

TEST_F(Sessions, OutliveTheirHostWhenItIsClosedFirst) {
  open_good();
  hnhost_close(host_.release());
  const Prompts prompts({"a"});
  Floats images({1, 3, 8, 8});
  auto args = sized<hnhost_sample_args>();
  prompts.put(args);
  args.images = &images.tensor;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK) << error_.text();
  hnhost_session_close(session_);
  session_ = nullptr;
  EXPECT_THAT(log_, HasSubstr("fake core: closed"));
}

TEST_F(Sessions, BadConfigurations) {
  EXPECT_EQ(open("generator = \"gem\""), HN_NOT_FOUND);
  EXPECT_THAT(error_.text(), HasSubstr("did you mean 'gen'"));
  EXPECT_EQ(session_, nullptr);
  EXPECT_EQ(open("generator = \"gen\"\n[train]\nprompts = \"/no/file.txt\""), HN_NOT_FOUND);
  EXPECT_THAT(error_.text(), HasSubstr("/no/file.txt"));
}

struct Recorder {
  std::vector<hnhost_step> steps;
  std::vector<double> rewards;
  std::uint64_t stop_after = 1000;
  bool cancel = false;
  int progressed = 0;
};
hnhost_hooks hooks_for(Recorder& recorder) {
  hnhost_hooks hooks{};
  hooks.struct_size = sizeof(hooks);
  hooks.ctx = &recorder;
  hooks.on_step = [](void* ctx, const hnhost_step* step) {
    auto* r = static_cast<Recorder*>(ctx);
    r->steps.push_back(*step);
    r->rewards.assign(step->rewards, step->rewards + step->n_rewards);
    return static_cast<std::int32_t>(step->step >= r->stop_after);
  };
  hooks.on_progress = [](void* ctx, hn_str, std::uint64_t, std::uint64_t) {
    ++static_cast<Recorder*>(ctx)->progressed;
  };
  hooks.is_cancelled = [](void* ctx) {
    return static_cast<std::int32_t>(static_cast<Recorder*>(ctx)->cancel);
  };
  return hooks;
}

TEST_F(Sessions, TrainsWithHooks) {
  open_good();
  Recorder recorder;
  const hnhost_hooks hooks = hooks_for(recorder);
  ASSERT_EQ(hnhost_train(session_, 4, &hooks, error_.get()), HN_OK) << error_.text();
  ASSERT_EQ(recorder.steps.size(), 4u);
  EXPECT_EQ(recorder.steps[0].steps, 4u);
  EXPECT_EQ(recorder.steps[0].samples_per_second, 32);
  EXPECT_EQ(recorder.steps[1].seconds_left, 1.0);
  EXPECT_EQ(recorder.steps[2].flags, 1u);
  EXPECT_THAT(log_, HasSubstr("step skipped: reward fake: nan"));
  EXPECT_EQ(recorder.rewards, std::vector<double>{2.0});
  EXPECT_EQ(recorder.progressed, 4);
  // The hooks belong to their call alone.
  ASSERT_EQ(hnhost_train(session_, 1, nullptr, error_.get()), HN_OK);
  EXPECT_EQ(recorder.steps.size(), 4u);
}

TEST_F(Sessions, StopsWhenAsked) {
  open_good();
  Recorder recorder;
  recorder.stop_after = 2;
  hnhost_hooks hooks = hooks_for(recorder);
  EXPECT_EQ(hnhost_train(session_, 9, &hooks, error_.get()), HN_CANCELLED);
  EXPECT_EQ(recorder.steps.size(), 2u);
  recorder.cancel = true;
  EXPECT_EQ(hnhost_train(session_, 9, &hooks, error_.get()), HN_CANCELLED);
  EXPECT_EQ(recorder.steps.size(), 2u);
  hooks.flags = 1;
  EXPECT_EQ(hnhost_train(session_, 1, &hooks, error_.get()), HN_UNSUPPORTED);
}

TEST_F(Sessions, NothingToTrain) {
  ASSERT_EQ(open("generator = \"gen\""), HN_OK) << error_.text();
  EXPECT_EQ(hnhost_train(session_, 1, nullptr, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("no [[reward]]"));
  hnhost_session_close(session_);
  ASSERT_EQ(open("generator = \"gen\"\n[net]\nkind = \"none\"\n[[reward]]\nname = \"fake\"\n"),
            HN_OK);
  EXPECT_EQ(hnhost_train(session_, 1, nullptr, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("nothing to train"));
}

TEST_F(Sessions, Samples) {
  open_good();
  const Prompts prompts({"a", "b"});
  Floats images({2, 3, 8, 8}), delta({2, 4, 2, 2}), noise({2, 4, 2, 2}, 4.0f);
  auto args = sized<hnhost_sample_args>();
  prompts.put(args);
  args.noise = &noise.tensor;
  args.images = &images.tensor;
  args.delta = &delta.tensor;
  ASSERT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK) << error_.text();
  EXPECT_THAT(images.data, Each(0.6f));
  EXPECT_THAT(delta.data, Each(1.0f));
  args.flags = HNHOST_SAMPLE_UNADAPTED;
  ASSERT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK);
  EXPECT_THAT(images.data, Each(0.5f));
  args.flags = 128;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_UNSUPPORTED);
  args.flags = 0;
  args.strength = 0.5;  // without its flag it is not read
  ASSERT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK);
  EXPECT_THAT(delta.data, Each(1.0f));
  args.flags = HNHOST_SAMPLE_STRENGTH;
  ASSERT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK);
  EXPECT_THAT(delta.data, Each(0.5f));
  args.struct_size = 80;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("88 bytes or more with flags 2, got 80"));
  args.struct_size = sizeof(args);
  args.strength = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("strength: expected a finite number"));
  args.flags = 0;
  Floats wrong({2, 4, 2, 3});
  args.noise = &wrong.tensor;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(),
              HasSubstr("[hnhost_sample] noise: expected float32 [2,4,2,2] on the CPU, got "
                        "float32 [2,4,2,3]"));
  args.n_prompts = 0;
  Floats none({0, 3, 8, 8}), no_delta({0, 4, 2, 2});
  args.noise = nullptr;
  args.images = &none.tensor;
  args.delta = &no_delta.tensor;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK) << error_.text();
}

TEST_F(Sessions, SeedsAreThoseOfTheConfiguration) {
  open_good();
  const Prompts prompts({"a"});
  Floats images({1, 3, 8, 8});
  auto args = sized<hnhost_sample_args>();
  prompts.put(args);
  args.images = &images.tensor;
  args.seed = std::uint64_t{1} << 63;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(),
              HasSubstr("[hnhost_sample] seed: expected 0 to 9223372036854775807, got "
                        "9223372036854775808"));
  EXPECT_THAT(images.data, Each(-1.0f)) << "nothing is written";
  args.seed = (std::uint64_t{1} << 63) - 1;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK) << error_.text();
}

TEST_F(Sessions, Scores) {
  open_good();
  Floats images({2, 3, 8, 8}, 0.25f), scores({2}), grad({2, 3, 8, 8}), columns({2, 2});
  images.data[0] = 0.75f;
  auto args = sized<hnhost_score_args>();
  args.images = &images.tensor;
  args.scores = &scores.tensor;
  args.image_grad = &grad.tensor;
  ASSERT_EQ(hnhost_score(session_, &args, error_.get()), HN_OK) << error_.text();
  EXPECT_FLOAT_EQ(scores.data[0], 0.25f + 0.5f / 192);
  EXPECT_FLOAT_EQ(scores.data[1], 0.25f);
  EXPECT_THAT(grad.data, Each(1.0f / 192));
  args.columns = &columns.tensor;
  ASSERT_EQ(hnhost_score(session_, &args, error_.get()), HN_OK) << error_.text();
  EXPECT_EQ(columns.data, (std::vector<float>{0.25f, 0.25f, 0.75f, 0.25f})) << "least, most";
  args.reward = 1;
  EXPECT_EQ(hnhost_score(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("reward: expected an index below 1, got 1"));
  args.reward = 0;
  const Prompts one({"one"});
  one.put(args);
  EXPECT_EQ(hnhost_score(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("expected 2 prompts or none, got 1"));
}

TEST_F(Sessions, AdaptersAndCheckpoints) {
  open_good();
  const std::string adapter = folder_ / "adapter", file = folder_ / "checkpoint";
  EXPECT_EQ(hnhost_adapter_load(session_, str(adapter), error_.get()), HN_NOT_FOUND);
  EXPECT_EQ(hnhost_adapter_save(session_, str(adapter), error_.get()), HN_OK);
  EXPECT_EQ(hnhost_adapter_load(session_, str(adapter), error_.get()), HN_OK);
  ASSERT_EQ(hnhost_train(session_, 2, nullptr, error_.get()), HN_OK);
  ASSERT_EQ(hnhost_checkpoint_save(session_, str(file), error_.get()), HN_OK);
  ASSERT_EQ(hnhost_train(session_, 2, nullptr, error_.get()), HN_OK);
  ASSERT_EQ(hnhost_checkpoint_load(session_, str(file), error_.get()), HN_OK);
  Recorder recorder;
  const hnhost_hooks hooks = hooks_for(recorder);
  ASSERT_EQ(hnhost_train(session_, 1, &hooks, error_.get()), HN_OK);
  EXPECT_EQ(recorder.steps[0].step, 3u);
  EXPECT_EQ(hnhost_checkpoint_load(session_, str(""), error_.get()), HN_INVALID_ARGUMENT);
}

TEST_F(Sessions, SeveralInOneProcess) {
  open_good();
  hnhost_session* first = std::exchange(session_, nullptr);
  open_good();
  hnhost_session* other = std::exchange(session_, first);
  ASSERT_EQ(hnhost_train(session_, 3, nullptr, error_.get()), HN_OK);
  Recorder recorder;
  const hnhost_hooks hooks = hooks_for(recorder);
  ASSERT_EQ(hnhost_train(other, 1, &hooks, error_.get()), HN_OK);
  EXPECT_EQ(recorder.steps[0].step, 1u);
  hnhost_session_close(other);
}

TEST_F(Sessions, AMissingCoreIsAnError) {
  HostOptions without = options();
  without.core_file = folder_ / "libhnhost_core.so";
  host_.reset(new hnhost{Host(std::move(without))});
  EXPECT_EQ(open("generator = \"gen\""), HN_NOT_FOUND);
  EXPECT_THAT(error_.text(), HasSubstr("libhnhost_core.so does not exist"));
  EXPECT_EQ(session_, nullptr);
}

TEST_F(Sessions, OfRewardsAloneScoreWithoutAGenerator) {
  std::filesystem::remove_all(folder_ / "p/gen.hnp");
  host_.reset(new hnhost{Host(options())});
  // A whole run's configuration serves: its rewards are measured.
  ASSERT_EQ(open(std::string(kConfig) + "[[guard]]\nreward = \"fake\"\nbound = 1.0\n", nullptr,
                 HNHOST_SESSION_REWARDS),
            HN_OK)
      << error_.text();
  Floats images({1, 3, 5, 7}, 0.5f), scores({1}), grad({1, 3, 5, 7});
  auto args = sized<hnhost_score_args>();
  args.images = &images.tensor;
  args.scores = &scores.tensor;
  args.image_grad = &grad.tensor;
  ASSERT_EQ(hnhost_score(session_, &args, error_.get()), HN_OK) << error_.text();
  EXPECT_FLOAT_EQ(scores.data[0], 0.5f);
  hnhost_text* text = nullptr;
  ASSERT_EQ(hnhost_session_describe(session_, &text, error_.get()), HN_OK);
  const std::string json = hnhost_text_view(text).data;
  hnhost_text_free(text);
  for (const char* there : {"\"columns\"", "\"least\"", "\"reads_prompts\": true",
                            "\"differentiable\": true", "\"device\": \"cpu\""})
    EXPECT_THAT(json, HasSubstr(there));
  EXPECT_THAT(json, ::testing::Not(HasSubstr("\"noise\"")));

  EXPECT_EQ(hnhost_train(session_, 1, nullptr, error_.get()), HN_UNSUPPORTED);
  EXPECT_THAT(error_.text(), HasSubstr("[hnhost_train] the session was opened with rewards alone"));
  const Prompts prompts({"a"});
  auto sample = sized<hnhost_sample_args>();
  prompts.put(sample);
  sample.images = &images.tensor;
  EXPECT_EQ(hnhost_sample(session_, &sample, error_.get()), HN_UNSUPPORTED);
  EXPECT_THAT(error_.text(),
              HasSubstr("[hnhost_sample] the session was opened with rewards alone"));
}

TEST_F(Sessions, OfRewardsAloneNeedSome) {
  EXPECT_EQ(open("", nullptr, HNHOST_SESSION_REWARDS), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("expected at least one reward, got none"));
  EXPECT_EQ(
      open("device = \"tpu\"\n[[reward]]\nname = \"fake\"\n", nullptr, HNHOST_SESSION_REWARDS),
      HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("got 'tpu'"));
}

TEST_F(Sessions, AnUnknownRewardNamesTheFoldersThatWereSearched) {
  HostOptions typo = options();
  typo.plugin_paths.push_back((folder_ / "typo").string());
  setenv("HN_PLUGIN_PATH", "/no/such/folder", 1);
  host_.reset(new hnhost{Host(std::move(typo))});
  unsetenv("HN_PLUGIN_PATH");
  EXPECT_EQ(open("generator = \"gen\"\n[[reward]]\nname = \"nobody\"\n"), HN_NOT_FOUND);
  EXPECT_THAT(error_.text(),
              ::testing::AllOf(
                  HasSubstr("no reward 'nobody'"),
                  HasSubstr("; searched: " + (folder_ / "p").string() + ", "),
                  HasSubstr((folder_ / "typo").string() +
                            ": cannot be searched: No such file or directory (the program's list)"),
                  HasSubstr("/no/such/folder: cannot be searched: No such file or directory "
                            "(HN_PLUGIN_PATH)")));
}

TEST_F(Sessions, WhatAPromptSaysReachesTheCore) {
  open_good();
  Prompts prompts({"a cat", ""});
  prompts.prompts[1].negative = str("dogs");
  Floats reference({3, 2, 2}, 0.5f);
  const hn_named_tensor named = {str("image"), &reference.tensor};
  prompts.prompts[1].tensors = &named;
  prompts.prompts[1].n_tensors = 1;
  prompts.prompts[1].json = str(R"({"include": [{"class": "cat"}]})");
  Floats images({2, 3, 8, 8});
  auto sample = sized<hnhost_sample_args>();
  prompts.put(sample);
  sample.images = &images.tensor;
  ASSERT_EQ(hnhost_sample(session_, &sample, error_.get()), HN_OK) << error_.text();
  EXPECT_THAT(log_, HasSubstr("prompt 'a cat' not '' json '' with 0\nprompt '' not 'dogs' json "
                              "'{\"include\": [{\"class\": \"cat\"}]}' with 1"));
}

}  // namespace
}  // namespace hn::host
