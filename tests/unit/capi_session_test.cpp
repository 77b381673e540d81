// Sessions through the C API, over the fake core.
#include <numeric>

#include "host/host.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::Each;
using testing::generator_text;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::replaced;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

struct Floats {
  std::vector<float> data;
  std::vector<std::int64_t> shape;
  DLTensor tensor{};

  explicit Floats(std::vector<std::int64_t> dims, float value = -1) : shape(std::move(dims)) {
    data.assign(static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(),
                                                         std::int64_t{1}, std::multiplies<>())),
                value);
    tensor.data = data.data();
    tensor.device = {kDLCPU, 0};
    tensor.dtype = {kDLFloat, 32, 1};
    tensor.ndim = static_cast<std::int32_t>(shape.size());
    tensor.shape = shape.data();
  }
};

class Sessions : public ::testing::Test {
 public:
  ~Sessions() override { hnhost_session_close(session_); }

 protected:
  Sessions() {
    // A generator whose binary is the same fake: only its id differs from the reward's.
    make_bundle(folder_ / "p/fake.hnp", reward_text());
    make_bundle(folder_ / "p/gen.hnp",
                replaced(generator_text(), "test.generator.gen", "test.reward.other"), "other_id");
    write_text(folder_ / "p/gen.hnp/prompts/train.txt", "one\ntwo\n");
    HostOptions options;
    options.plugin_path = (folder_ / "p").string();
    options.core_file = std::filesystem::path(HN_FAKES) / "libfake_core.so";
    options.core_libtorch = "none";
    options.log = [this](std::int32_t, std::string_view text) { log_ += std::string(text) + "\n"; };
    host_.reset(new hnhost{Host(std::move(options))});  // made in place: a host does not move
  }

  hn_status open(const std::string& text) {
    return hnhost_session_open(host_.get(), str(text), &session_, error_.get());
  }
  void open_good() {
    ASSERT_EQ(open("generator = \"gen\"\n[[reward]]\nname = \"fake\"\n"), HN_OK) << error_.text();
  }
  TempFolder folder_;
  std::string log_;
  std::unique_ptr<hnhost> host_;
  hnhost_session* session_ = nullptr;
  ErrorBuffer error_;
};

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
  const hn_str prompt = str("a");
  Floats images({1, 3, 8, 8});
  hnhost_sample_args args{};
  args.struct_size = sizeof(args);
  args.prompts = &prompt;
  args.n_prompts = 1;
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
  const hn_str prompts[2] = {str("a"), str("b")};
  Floats images({2, 3, 8, 8}), delta({2, 4, 2, 2}), noise({2, 4, 2, 2}, 4.0f);
  hnhost_sample_args args{};
  args.struct_size = sizeof(args);
  args.prompts = prompts;
  args.n_prompts = 2;
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
  Floats wrong({2, 4, 2, 3});
  args.noise = &wrong.tensor;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("[noise] expected float32 [2,4,2,2]"));
  args.n_prompts = 0;
  Floats none({0, 3, 8, 8}), no_delta({0, 4, 2, 2});
  args.noise = nullptr;
  args.images = &none.tensor;
  args.delta = &no_delta.tensor;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK) << error_.text();
}

TEST_F(Sessions, SeedsAreThoseOfTheConfiguration) {
  open_good();
  const hn_str prompt = str("a");
  Floats images({1, 3, 8, 8});
  hnhost_sample_args args{};
  args.struct_size = sizeof(args);
  args.prompts = &prompt;
  args.n_prompts = 1;
  args.images = &images.tensor;
  args.seed = std::uint64_t{1} << 63;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("[sample] seed: expected 0 to 9223372036854775807, got "
                                       "9223372036854775808"));
  EXPECT_THAT(images.data, Each(-1.0f)) << "nothing is written";
  args.seed = (std::uint64_t{1} << 63) - 1;
  EXPECT_EQ(hnhost_sample(session_, &args, error_.get()), HN_OK) << error_.text();
}

TEST_F(Sessions, Scores) {
  open_good();
  Floats images({2, 3, 8, 8}, 0.25f), scores({2}), grad({2, 3, 8, 8});
  hnhost_score_args args{};
  args.struct_size = sizeof(args);
  args.images = &images.tensor;
  args.scores = &scores.tensor;
  args.image_grad = &grad.tensor;
  ASSERT_EQ(hnhost_score(session_, &args, error_.get()), HN_OK) << error_.text();
  EXPECT_THAT(scores.data, Each(0.25f));
  EXPECT_THAT(grad.data, Each(1.0f / 192));
  args.reward = 1;
  EXPECT_EQ(hnhost_score(session_, &args, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("expected reward below 1, got 1"));
  args.reward = 0;
  const hn_str prompt = str("one");
  args.prompts = &prompt;
  args.n_prompts = 1;
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
  hnhost_session* other = nullptr;
  const std::string text = "generator = \"gen\"\n[[reward]]\nname = \"fake\"\n";
  ASSERT_EQ(hnhost_session_open(host_.get(), str(text), &other, error_.get()), HN_OK);
  ASSERT_EQ(hnhost_train(session_, 3, nullptr, error_.get()), HN_OK);
  Recorder recorder;
  const hnhost_hooks hooks = hooks_for(recorder);
  ASSERT_EQ(hnhost_train(other, 1, &hooks, error_.get()), HN_OK);
  EXPECT_EQ(recorder.steps[0].step, 1u);
  hnhost_session_close(other);
}

TEST_F(Sessions, AMissingCoreIsAnError) {
  HostOptions options;
  options.plugin_path = (folder_ / "p").string();
  options.core_file = folder_ / "libhnhost_core.so";
  options.core_libtorch = "none";
  hnhost host{Host(std::move(options))};
  hnhost_session* session = nullptr;
  EXPECT_EQ(hnhost_session_open(&host, str("generator = \"gen\""), &session, error_.get()),
            HN_NOT_FOUND);
  EXPECT_THAT(error_.text(), HasSubstr("libhnhost_core.so does not exist"));
  EXPECT_EQ(session, nullptr);
}

}  // namespace
}  // namespace hn::host
