#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "core/sealed_file.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CoreCheckpoint : public CoreTest {
 protected:
  std::filesystem::path file() const { return folder_ / "checkpoint.safetensors"; }
  Numbers run_to(Session& session, std::uint64_t step) {
    while (session.step() < step) session.train_step();
    return adapter_of(session, folder_);
  }
  // Rewrites the file with one change, and with the sum that it then has.
  void rewrite(const std::function<void(std::vector<TensorToWrite>&,
                                        std::map<std::string, std::string>&)>& change) {
    const SafetensorsFile old = SafetensorsFile::open(file());
    std::vector<TensorToWrite> tensors;
    for (const TensorView& t : old.tensors())
      if (t.name != kSealName) tensors.push_back({t.name, t.dtype, t.shape, t.data, t.nbytes});
    auto metadata = old.metadata();
    change(tensors, metadata);
    write_sealed(file(), tensors, metadata);
  }
};

TEST_F(CoreCheckpoint, ResumedIsUninterruptedBitForBit) {
  for (const Optimiser optimiser : {Optimiser::kAdamW, Optimiser::kSgd})
    for (const NetKind kind : {NetKind::kHypernet, NetKind::kFinetune}) {
      SessionSpec spec = fake_spec();
      spec.train.optimiser = optimiser;
      spec.train.schedule = Schedule::kLinear;
      spec.train.clip = 0.5;
      spec.train.weight_decay = 0.01;
      spec.net.kind = kind;
      const Numbers whole = run_to(*open_session(spec, {}), 20);
      {
        const auto first = open_session(spec, {});
        run_to(*first, 7);
        SampleRequest other;
        other.prompts = {"something else"};
        (void)first->sample(other);
        first->save_checkpoint(file());
      }
      const auto second = open_session(spec, {});
      second->load_checkpoint(file());
      EXPECT_EQ(second->step(), 7u);
      EXPECT_EQ(largest_difference(whole, run_to(*second, 20)), 0);
    }
}

TEST_F(CoreCheckpoint, SkipsAreCountedOnAfterAResume) {
  SessionSpec spec = fake_spec();
  spec.train.non_finite = NonFinite::kSkip;
  spec.train.max_skips = 2;
  fake::state().fault = "nan:score";
  fake::state().times = 1000;
  {
    const auto session = open_session(spec, {});
    session->train_step();
    session->train_step();
    session->save_checkpoint(file());
  }
  const auto session = open_session(spec, {});
  session->load_checkpoint(file());
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("2 steps in a row"), session->train_step());
}

TEST_F(CoreCheckpoint, KillNineAtAnyMomentLeavesALoadableFile) {
  const SessionSpec spec = fake_spec();
  const auto reference = open_session(spec, {});
  std::uint64_t last = 0;
  for (int round = 0; round < 8; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        const auto session = open_session(spec, {});
        if (std::filesystem::exists(file())) session->load_checkpoint(file());
        for (;;) {
          session->train_step();
          session->save_checkpoint(file());
        }
      } catch (...) {
        _exit(3);
      }
    }
    for (int wait = 0; wait < 5000 && !std::filesystem::exists(file()); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::microseconds(20000 + 3137 * round));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";

    const auto session = open_session(spec, {});
    session->load_checkpoint(file());
    EXPECT_GE(session->step(), last);
    last = session->step();
    if (round < 3) {
      EXPECT_EQ(largest_difference(run_to(*reference, last), adapter_of(*session, folder_)), 0)
          << last;
    }
  }
  EXPECT_GT(last, 0u);
}

TEST_F(CoreCheckpoint, AnotherConfigurationIsRefusedFieldByField) {
  {
    const auto session = open_session(fake_spec(), {});
    session->train_step();
    session->save_checkpoint(file());
  }
  SessionSpec other = fake_spec();
  other.seed = 9;
  other.net.rank = 3;
  other.train.optimiser = Optimiser::kSgd;
  other.train.batch = 5;
  other.rewards[0].weight = 3;
  other.train.prompts.pop_back();
  other.generator.options["steps"] = std::int64_t{2};
  const auto session = open_session(other, {});
  const Numbers before = adapter_of(*session, folder_);
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               AllOf(HasSubstr("seed: the checkpoint has 7, the session 9"),
                     HasSubstr("net.rank: the checkpoint has 2"),
                     HasSubstr("train.optimiser: the checkpoint has adamw, the session sgd"),
                     HasSubstr("train.batch"), HasSubstr("reward.quad.weight"),
                     HasSubstr("train.prompts"), HasSubstr("generator.options.steps"),
                     HasSubstr("adapter.net.0.to_q.lora_A.weight: expected (3,8), got (2,8)"),
                     HasSubstr("missing: optimiser.momentum_buffer"),
                     HasSubstr("unexpected: optimiser.exp_avg")),
               session->load_checkpoint(file()));
  EXPECT_EQ(session->step(), 0u);
  EXPECT_EQ(largest_difference(before, adapter_of(*session, folder_)), 0);
}

TEST_F(CoreCheckpoint, WhereAndHowFastItRunsMayDiffer) {
  {
    const auto session = open_session(fake_spec(), {});
    session->train_step();
    session->save_checkpoint(file());
  }
  SessionSpec other = fake_spec();
  other.threads = 2;
  other.train.micro_batch = 2;
  other.train.steps = 50;  // constant schedule: longer is the same run
  other.prompt_cache_bytes = 0;
  other.train.non_finite = NonFinite::kSkip;
  other.rewards.push_back(quadratic("measured"));
  other.rewards.back().train = false;
  other.rewards.back().every = 0;
  const auto session = open_session(other, {});
  session->load_checkpoint(file());
  EXPECT_EQ(session->step(), 1u);
  other.train.schedule = Schedule::kCosine;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("train.schedule"),
               open_session(other, {})->load_checkpoint(file()));
}

TEST_F(CoreCheckpoint, FilesThatLieAreRefusedAndNothingChanges) {
  const auto session = open_session(fake_spec(), {});
  session->train_step();
  const Numbers before = adapter_of(*session, folder_);
  const auto refused = [&](hn_status code, const auto& matcher) {
    EXPECT_FAILS(code, matcher, session->load_checkpoint(file()));
    EXPECT_EQ(session->step(), 1u);
    EXPECT_EQ(largest_difference(before, adapter_of(*session, folder_)), 0);
    session->save_checkpoint(file());
  };
  refused(HN_NOT_FOUND, HasSubstr("checkpoint.safetensors"));

  std::filesystem::resize_file(file(), std::filesystem::file_size(file()) - 3);
  refused(HN_DATA_LOSS, HasSubstr("checkpoint.safetensors"));

  std::ofstream(file()) << "not a checkpoint";
  refused(HN_DATA_LOSS, HasSubstr("checkpoint.safetensors"));

  rewrite([](auto&, auto& metadata) { metadata.clear(); });
  refused(HN_INVALID_ARGUMENT, HasSubstr("is not a checkpoint of version 4"));

  rewrite([](auto&, auto& metadata) { metadata["hn.checkpoint"] = "1"; });
  refused(HN_INVALID_ARGUMENT, AllOf(HasSubstr("is a checkpoint of version 1, expected 4"),
                                     HasSubstr("another release")));

  std::vector<TensorToWrite> unsealed;
  const SafetensorsFile whole = SafetensorsFile::open(file());
  for (const TensorView& t : whole.tensors())
    if (t.name != kSealName) unsealed.push_back({t.name, t.dtype, t.shape, t.data, t.nbytes});
  write_safetensors(file(), unsealed, whole.metadata());
  refused(HN_DATA_LOSS, HasSubstr("expected its own SHA-256 at its end, got none"));

  rewrite([](auto&, auto& metadata) { metadata["hn.spec"] = "{"; });
  refused(HN_DATA_LOSS, HasSubstr("hn.spec"));

  rewrite([](auto& tensors, auto&) { tensors.pop_back(); });
  refused(HN_INVALID_ARGUMENT, HasSubstr("missing: "));

  rewrite([](auto& tensors, auto&) {
    tensors.push_back({"extra", TensorDtype::kF32, {0}, nullptr, 0});
  });
  refused(HN_INVALID_ARGUMENT, HasSubstr("unexpected: extra"));

  const std::int64_t minus = -1, many = 99;
  const auto set = [](const char* name, const std::int64_t& value) {
    return [name, &value](auto& tensors, auto&) {
      for (auto& t : tensors)
        if (t.name == name) t.data = &value;
    };
  };
  rewrite(set("steps_done", minus));
  refused(HN_INVALID_ARGUMENT, HasSubstr("steps_done: expected 0 or more"));
  rewrite(set("updates", many));
  refused(HN_INVALID_ARGUMENT, HasSubstr("more than the steps"));

  const std::vector<float> nan(16, std::nanf("")), negative(16, -1.0f);
  const auto poison = [](const char* name, const std::vector<float>& values) {
    return [name, &values](auto& tensors, auto&) {
      for (auto& t : tensors)
        if (t.name == name) t.data = values.data();
    };
  };
  rewrite(poison("adapter.net.0.to_q.lora_B.weight", nan));
  refused(HN_INVALID_ARGUMENT,
          HasSubstr("adapter.net.0.to_q.lora_B.weight: holds values that are not finite"));
  rewrite(poison("optimiser.exp_avg_sq.net.0.to_q.lora_A.weight", negative));
  refused(HN_INVALID_ARGUMENT, HasSubstr("exp_avg_sq: negative"));
}

// Every byte of the file, one bit each: nothing of it is used.
TEST_F(CoreCheckpoint, NoFlippedBitIsLoaded) {
  const auto session = open_session(fake_spec(), {});
  session->train_step();
  session->notes["rows"] = "12";
  session->save_checkpoint(file());
  std::string bytes;
  {
    std::ifstream in(file(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const std::filesystem::path damaged = folder_ / "damaged.safetensors";
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string one = bytes;
    one[at] = static_cast<char>(one[at] ^ (1 << (at % 8)));
    std::ofstream(damaged, std::ios::binary) << one;
    const Failure failure = failure_of([&] { session->load_checkpoint(damaged); });
    ASSERT_NE(failure.code, HN_OK) << "byte " << at;
    ASSERT_THAT(failure.text, HasSubstr("damaged.safetensors")) << "byte " << at;
  }
  // A padding byte that JSON reads over.
  const std::size_t padding = bytes.find("  ", 8);
  if (padding != std::string::npos) {
    bytes[padding] = '\n';
    std::ofstream(damaged, std::ios::binary) << bytes;
    EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("another SHA-256"), session->load_checkpoint(damaged));
  }
}

TEST_F(CoreCheckpoint, NotesTravelWithIt) {
  {
    const auto session = open_session(fake_spec(), {});
    session->notes["rows"] = "12";
    session->save_checkpoint(file());
  }
  const auto session = open_session(fake_spec(), {});
  session->notes["other"] = "x";
  session->load_checkpoint(file());
  EXPECT_EQ(session->notes, (Notes{{"rows", "12"}}));
}

TEST_F(CoreCheckpoint, AFolderThatIsNotThereIsSaid) {
  const auto session = open_session(fake_spec(), {});
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("none"),
               session->save_checkpoint(folder_ / "none" / "c.safetensors"));
}

}  // namespace
}  // namespace hn::core::test
