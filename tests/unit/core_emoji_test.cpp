// The core over the real generator and a real reward, at the sizes of the embedded model.
#include <dlfcn.h>

#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

Plugin open_bundle(const std::string& name) {
  const std::filesystem::path bundle = std::filesystem::path(HN_PLUGIN_DIR) / (name + ".hnp");
  void* library = dlopen((bundle / ("lib" + name + ".so")).c_str(), RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << dlerror();
  const auto* entry = static_cast<const hn_plugin_v1*>(dlsym(library, HN_PLUGIN_ENTRY_V1));
  EXPECT_NE(entry, nullptr);
  return {entry, std::string(view(entry->id)), bundle};
}

class CoreEmoji : public CoreTest {
 protected:
  static SessionSpec spec(NetKind kind = NetKind::kHypernet) {
    SessionSpec s;
    s.generator.plugin = open_bundle("sana_sprint");
    s.generator.name = "emoji-sprint";
    s.generator.options["weights"] =
        std::string(HN_SOURCE_DIR "/plugins/generators/sana_sprint/weights/emoji-sprint");
    RewardSpec redness;
    redness.plugin = open_bundle("redness");
    redness.name = "redness";
    s.rewards = {redness};
    s.net.kind = kind;
    s.net.rank = 4;
    s.net.alpha = 8;
    s.train.prompts = {"a red balloon", "two foxes",
                       "a guitar above a turtle on a yellow background"};
    s.train.batch = 3;
    s.train.reg_weight = 3;
    s.train.warmup = 0;
    s.threads = 1;
    return s;
  }
};

TEST_F(CoreEmoji, FiveStepsTrainAndResumeBitForBit) {
  for (const NetKind kind : {NetKind::kHypernet, NetKind::kFinetune}) {
    const auto whole = open_session(spec(kind), {});
    EXPECT_EQ(whole->shapes().noise, (std::vector<std::int64_t>{16, 8, 8}));
    EXPECT_EQ(whole->shapes().image, (std::vector<std::int64_t>{3, 64, 64}));
    for (int i = 0; i < 5; ++i) {
      const StepReport r = whole->train_step();
      EXPECT_TRUE(std::isfinite(r.loss) && r.grad_norm > 0);
      EXPECT_EQ(r.kl > 0, i > 0 && kind == NetKind::kHypernet);
      if (i == 1) whole->save_checkpoint(folder_ / "c");
    }
    const auto resumed = open_session(spec(kind), {});
    resumed->load_checkpoint(folder_ / "c");
    while (resumed->step() < 5) resumed->train_step();
    EXPECT_EQ(largest_difference(adapter_of(*whole, folder_), adapter_of(*resumed, folder_)), 0);
  }
}

// The reward of pictures at fixed noise, by networks that are no LoRA, in 30 steps of 8.
TEST_F(CoreEmoji, NetworksBesideTheGeneratorRaiseTheReward) {
  for (const NetKind kind : {NetKind::kLowFrequency, NetKind::kConstant}) {
    SessionSpec s = spec(kind);
    s.train.batch = 8;
    s.train.lr = kind == NetKind::kConstant ? 0.02 : 1e-3;
    s.threads = 0;
    const auto session = open_session(s, {});
    EXPECT_EQ(session->shapes().net_condition > 0, kind == NetKind::kLowFrequency)
        << "it has a pooled embedding";
    const auto redness = [&](bool adapted) {
      SampleRequest r;
      for (int i = 0; i < 12; ++i) r.prompts.push_back(s.train.prompts[i % 3]);
      r.seed = 5;
      r.adapted = adapted;
      ScoreRequest score;
      score.images = session->sample(r).images;
      double sum = 0;
      for (const float each : session->score(score).scores) sum += each;
      return sum / 12;
    };
    const double before = redness(true);
    EXPECT_EQ(before, redness(false));
    for (int i = 0; i < 30; ++i) session->train_step();
    const double after = redness(true);
    RecordProperty(name_of(kind), std::to_string(before) + " to " + std::to_string(after));
    EXPECT_GT(after, before + 0.02) << name_of(kind);
  }
}

TEST_F(CoreEmoji, AFreedTextEncoderReadsAllPromptsBeforeTheFirstStep) {
  const auto kept = open_session(spec(), {});
  SessionSpec s = spec();
  s.generator.options["text_encoder"] = std::string("free");
  s.generator.options["prompt_cache"] = (folder_ / "prompts").string();
  std::uint64_t encoded = 0;
  Services services;
  services.progress = [&](std::string_view what, std::uint64_t done, std::uint64_t) {
    if (what == "encode prompts") encoded = done;
  };
  const auto freed = open_session(s, services);
  const std::uint64_t before = freed->shapes().used_bytes;
  EXPECT_LT(before, kept->shapes().used_bytes);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(freed->train_step().loss, kept->train_step().loss);
  EXPECT_EQ(encoded, 3u);
  const auto files = std::distance(std::filesystem::directory_iterator(folder_ / "prompts"), {});
  EXPECT_EQ(files, 3) << "a second run finds them on disk";
}

TEST_F(CoreEmoji, AMemoryBudgetChangesNoBit) {
  for (const NetKind kind : {NetKind::kHypernet, NetKind::kFinetune}) {
    SessionSpec s = spec(kind);
    const auto plenty = open_session(s, {});
    s.train.memory_budget = 6 << 20;
    const auto tight = open_session(s, {});
    for (int i = 0; i < 3; ++i) {
      const StepReport a = plenty->train_step(), b = tight->train_step();
      EXPECT_EQ(a.loss, b.loss);
      EXPECT_EQ(a.grad_norm, b.grad_norm);
    }
    EXPECT_EQ(largest_difference(adapter_of(*plenty, folder_), adapter_of(*tight, folder_)), 0);
    s.train.memory_budget = 1000;
    try {
      open_session(s, {})->train_step();
      ADD_FAILURE() << "expected an error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_INVALID_ARGUMENT);
      EXPECT_NE(std::string(e.what()).find("[memory_budget] expected at least"), std::string::npos)
          << e.what();
    }
  }
}

// Along the gradient g the loss changes by |g|^2: one number that every derivative of the chain has
// a part in. Measured in float32: within 0.2 % for moves from 0.0002 to 0.06; 1 % allowed.
TEST_F(CoreEmoji, TheLossFollowsTheGradient) {
  SessionSpec s = spec();
  // White backgrounds sit on the clamp to [0,1], where the loss has a kink at every pixel.
  s.train.prompts = {"a red balloon on a green background", "two foxes on a blue background",
                     "a cup on a purple background"};
  s.train.clip = 0;
  const auto start = open_session(s, {});
  for (int i = 0; i < 3; ++i) start->train_step();
  start->save_adapter(folder_ / "start");
  const Numbers from = read_numbers(folder_ / "start" / "adapter_model.safetensors");

  s.train.optimiser = Optimiser::kSgd;
  s.train.momentum = 0;
  s.train.lr = 1;
  const auto mover = open_session(s, {});
  mover->load_adapter(folder_ / "start");
  const double norm = mover->train_step().grad_norm;
  mover->save_adapter(folder_ / "moved");
  const Numbers moved = read_numbers(folder_ / "moved" / "adapter_model.safetensors");

  s.train.lr = 0;
  const auto loss_at = [&](double t) {
    const SafetensorsFile shapes =
        SafetensorsFile::open(folder_ / "start" / "adapter_model.safetensors");
    Numbers at = from;
    std::vector<TensorToWrite> tensors;
    for (auto& [name, values] : at) {
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] += static_cast<float>(t * (static_cast<double>(moved.at(name)[i]) - values[i]));
      tensors.push_back(
          {name, TensorDtype::kF32, shapes.at(name).shape, values.data(), values.size() * 4});
    }
    std::filesystem::create_directories(folder_ / "at");
    std::filesystem::copy_file(folder_ / "start" / "adapter_config.json",
                               folder_ / "at" / "adapter_config.json",
                               std::filesystem::copy_options::overwrite_existing);
    write_safetensors(folder_ / "at" / "adapter_model.safetensors", tensors);
    const auto session = open_session(s, {});
    session->load_adapter(folder_ / "at");
    return session->train_step().loss;
  };
  const double h = 4e-3 / norm;  // a move of length 0.004
  const double slope = (loss_at(h) - loss_at(-h)) / (2 * h);
  EXPECT_NEAR(slope, -norm * norm, 0.01 * norm * norm);
}

TEST_F(CoreEmoji, AFreshNoiseNetworkChangesNothing) {
  const auto session = open_session(spec(), {});
  SampleRequest r;
  r.prompts = {"a red balloon", "two foxes"};
  r.want_delta = r.want_latents = true;
  const SampleResult adapted = session->sample(r);
  r.adapted = false;
  EXPECT_EQ(session->sample(r).images.data, adapted.images.data);
  EXPECT_EQ(adapted.delta.data, std::vector<float>(2048, 0.0f));
  EXPECT_EQ(adapted.latents.shape, (std::vector<std::int64_t>{2, 16, 8, 8}));
}

}  // namespace
}  // namespace hn::core::test
