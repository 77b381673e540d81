#include "core/noise_net.hpp"
#include "unit/core_noise_net_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CoreNoiseNet : public CoreTest {
 protected:
  static SampleRequest drawn(std::vector<Prompt> prompts = {"a red cat", "two dogs", "a kite"}) {
    SampleRequest r;
    r.prompts = std::move(prompts);
    r.want_delta = true;
    return r;
  }
  // Some steps away from the start.
  static std::unique_ptr<Session> trained(const SessionSpec& spec, int steps = 12) {
    auto session = open_session(spec, {});
    for (int i = 0; i < steps; ++i) session->train_step();
    return session;
  }
  static double rms(const std::vector<float>& values) {
    double sum = 0;
    for (const float v : values) sum += static_cast<double>(v) * v;
    return std::sqrt(sum / static_cast<double>(values.size()));
  }
};

TEST_F(CoreNoiseNet, AFreshOneChangesNothing) {
  for (const auto& [kind, embedding] : all_nets()) {
    const auto session = open_session(net_spec(kind, embedding), {});
    SampleRequest r = drawn();
    const SampleResult with = session->sample(r);
    EXPECT_EQ(with.delta.data, std::vector<float>(24, 0.0f));
    r.adapted = false;
    EXPECT_EQ(session->sample(r).images.data, with.images.data);
  }
}

TEST_F(CoreNoiseNet, TrainsAGeneratorThatHasNoneOfItsOwn) {
  for (const auto& [kind, embedding] : all_nets()) {
    SessionSpec spec = net_spec(kind, embedding);
    spec.train.batch = 64;
    spec.train.lr = 5e-3;
    const auto session = trained(spec, 200);
    // Over all that it is trained on: a constant cannot please each of them.
    SampleRequest r = drawn();
    r.prompts.clear();
    while (r.prompts.size() < 400)
      r.prompts.push_back(spec.train.prompts[r.prompts.size() % spec.train.prompts.size()]);
    const auto score = [&](bool adapted) {
      r.adapted = adapted;
      ScoreRequest s;
      s.images = session->sample(r).images;
      s.prompts = r.prompts;
      double sum = 0;
      for (const float each : session->score(s).scores) sum += each;
      return sum / 400;
    };
    EXPECT_GT(score(true), score(false)) << name_of(kind) << " " << embedding;
  }
}

TEST_F(CoreNoiseNet, ResumedIsUninterruptedBitForBit) {
  for (const auto& [kind, embedding] : all_nets()) {
    const SessionSpec spec = net_spec(kind, embedding);
    const Numbers whole = net_of(*trained(spec, 15), folder_);
    trained(spec, 6)->save_checkpoint(folder_ / "c");
    const auto second = open_session(spec, {});
    second->load_checkpoint(folder_ / "c");
    while (second->step() < 15) second->train_step();
    EXPECT_EQ(largest_difference(whole, net_of(*second, folder_)), 0);
  }
}

TEST_F(CoreNoiseNet, MicroBatchesAreTheSameSum) {
  for (const auto& [kind, embedding] : all_nets()) {
    SessionSpec spec = net_spec(kind, embedding);
    const auto whole = trained(spec, 3);
    spec.train.micro_batch = 1;
    const auto parts = trained(spec, 3);
    EXPECT_LT(largest_difference(net_of(*whole, folder_), net_of(*parts, folder_)), 1e-5);
  }
}

// Along the gradient g the loss changes by |g|^2: every derivative of the chain has a part in it.
TEST_F(CoreNoiseNet, TheLossFollowsTheGradient) {
  for (const auto& [kind, embedding] : all_nets()) {
    SessionSpec spec = net_spec(kind, embedding);
    spec.train.lr = 0.05;
    trained(spec)->save_adapter(folder_ / "start");
    spec.train.optimiser = Optimiser::kSgd;
    spec.train.momentum = 0;
    const auto loss_after = [&](double rate, double* norm) {
      spec.train.lr = rate;
      const auto session = open_session(spec, {});
      session->load_adapter(folder_ / "start");
      const StepReport report = session->train_step();
      if (norm != nullptr) *norm = report.grad_norm;
      session->save_adapter(folder_ / "moved");
      const auto again = open_session(spec, {});  // its first step has the same draws
      again->load_adapter(folder_ / "moved");
      return again->train_step().loss;
    };
    double norm = 0;
    (void)loss_after(0, &norm);
    ASSERT_GT(norm, 1e-3);
    const double rate = 2e-3 / norm;
    const double slope = (loss_after(rate, nullptr) - loss_after(0, nullptr)) / rate;
    EXPECT_NEAR(slope, -norm * norm, 0.03 * norm * norm) << name_of(kind) << " " << embedding;
  }
}

TEST_F(CoreNoiseNet, TheConditionDecidesWhetherPromptsMatter) {
  const auto deltas_differ = [&](const SessionSpec& spec) {
    const auto session = trained(spec);
    SampleRequest r = drawn({"a red cat", "two dogs"});
    Tensor same{{2, 2, 2, 2}, {}};
    for (int i = 0; i < 16; ++i) same.data.push_back(std::sin(static_cast<float>(i % 8)));
    r.noise = same;
    const std::vector<float> d = session->sample(r).delta.data;
    EXPECT_GT(rms(d), 1e-3);
    float most = 0;
    for (std::size_t i = 0; i < 8; ++i) most = std::max(most, std::abs(d[i] - d[8 + i]));
    return most > 1e-5f;
  };
  SessionSpec spec = net_spec(NetKind::kLowFrequency, 5);
  EXPECT_TRUE(deltas_differ(spec));
  spec.net.condition = NetCondition::kPooled;
  EXPECT_TRUE(deltas_differ(spec));
  spec.net.condition = NetCondition::kNone;
  EXPECT_FALSE(deltas_differ(spec));
  EXPECT_FALSE(deltas_differ(net_spec(NetKind::kLowFrequency)));
  EXPECT_FALSE(deltas_differ(net_spec(NetKind::kConstant, 5)));
}

TEST_F(CoreNoiseNet, ShapesSayWhatItIs) {
  const auto pooled = open_session(net_spec(NetKind::kLowFrequency, 5), {});
  EXPECT_EQ(pooled->shapes().trainable, (8u + 5) * 6 + 6 + 6 * 6 + 6 + 6 * 8 + 8);
  EXPECT_EQ(pooled->shapes().net_condition, 5);
  EXPECT_GT(pooled->shapes().net_flops.value_or(0), 2u * (13 * 6 + 6 * 6 + 6 * 8));
  const auto bare = open_session(net_spec(NetKind::kLowFrequency), {});
  EXPECT_EQ(bare->shapes().net_condition, 0);
  EXPECT_LT(*bare->shapes().net_flops, *pooled->shapes().net_flops);
  const auto constant = open_session(net_spec(NetKind::kConstant, 5), {});
  EXPECT_EQ(constant->shapes().trainable, 8u);
  EXPECT_EQ(constant->shapes().net_flops.value_or(1), 0u);
  EXPECT_EQ(open_session(fake_spec(), {})->shapes().net_flops, std::nullopt) << "the plugin's";
}

TEST_F(CoreNoiseNet, WhatDoesNotFitTheGenerator) {
  SessionSpec spec = net_spec(NetKind::kLowFrequency);
  spec.net.condition = NetCondition::kPooled;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               AllOf(HasSubstr("[net] condition: expected \"auto\" or \"none\""),
                     HasSubstr("linear has no pooled prompt embedding"), HasSubstr("\"pooled\"")),
               open_session(spec, {}));
  spec = net_spec(NetKind::kLowFrequency);
  spec.net.frequencies = 3;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[net] frequencies: expected 1 to 2, as the noise of linear has 2 x 2 "
                         "points, got 3"),
               open_session(spec, {}));
  spec.net.frequencies = 0;
  spec.net.width = 0;
  spec.net.depth = 65;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               AllOf(HasSubstr("net.frequencies: expected 1 or more, got 0"),
                     HasSubstr("net.width: expected 1 to 65536, got 0"),
                     HasSubstr("net.depth: expected 0 to 64, got 65")),
               open_session(spec, {}));
  EXPECT_FAILS(HN_UNSUPPORTED,
               HasSubstr("linear: embedding_size: expected at most 16777216, got 16777217"),
               open_session(net_spec(NetKind::kLowFrequency, (1 << 24) + 1), {}));
}

TEST_F(CoreNoiseNet, AnEmbeddingThatFailsOrIsNotFiniteIsNamed) {
  const auto session = open_session(net_spec(NetKind::kLowFrequency, 5), {});
  fake::State& s = fake::state();
  s.times = 1;
  s.fault = "error:embedding";
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("linear: embedding: [embedding] broken"),
               session->sample(drawn()));
  s.times = 1;
  s.after = 1;
  s.fault = "nan:embedding";
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("linear: embedding is not finite: nan at sample 1"),
               session->sample(drawn()));
  s.fault.clear();
  const int before = s.calls["embedding"];
  session->sample(drawn({"a kite", "a cup", "a kite", "a kite"}));
  EXPECT_EQ(s.calls["embedding"] - before, 2) << "each different prompt once";
}

TEST_F(CoreNoiseNet, AnotherNetworkIsRefusedByTheCheckpoint) {
  SessionSpec spec = net_spec(NetKind::kLowFrequency, 5);
  trained(spec, 1)->save_checkpoint(folder_ / "c");
  spec.net.condition = NetCondition::kPooled;  // what "auto" meant
  open_session(spec, {})->load_checkpoint(folder_ / "c");
  spec.net.condition = NetCondition::kNone;
  spec.net.frequencies = 1;
  spec.net.width = 7;
  spec.net.depth = 1;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               AllOf(HasSubstr("net.condition: the checkpoint has pooled, the session none"),
                     HasSubstr("net.frequencies: the checkpoint has 2, the session 1"),
                     HasSubstr("net.width: the checkpoint has 6, the session 7"),
                     HasSubstr("net.depth: the checkpoint has 2, the session 1")),
               open_session(spec, {})->load_checkpoint(folder_ / "c"));
  spec = net_spec(NetKind::kConstant, 5);
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               AllOf(HasSubstr("net.kind: the checkpoint has low-frequency, the session constant"),
                     HasSubstr("net.width: the checkpoint has 6, the session nothing")),
               open_session(spec, {})->load_checkpoint(folder_ / "c"));
}

// With no hidden layer delta = P V c(x0): J is that product, for every noise. Its columns are read
// off deltas of unit noises.
TEST_F(CoreNoiseNet, LipschitzIsTheLargestSingularValue) {
  SessionSpec spec = net_spec(NetKind::kLowFrequency);
  spec.net.depth = 0;
  const auto session = trained(spec);
  SampleRequest r = drawn(std::vector<Prompt>(9, Prompt("a")));
  Tensor units{{9, 2, 2, 2}, std::vector<float>(72, 0.0f)};
  for (std::size_t i = 0; i < 8; ++i) units.data[i * 8 + i] = 1;
  r.noise = units;
  const std::vector<float> d = session->sample(r).delta.data;
  double j[8][8];  // [out][in], without the bias, which the last row is
  for (int i = 0; i < 8; ++i)
    for (int o = 0; o < 8; ++o) j[o][i] = static_cast<double>(d[i * 8 + o]) - d[64 + o];
  std::vector<double> v(8, 1.0);
  double largest = 0;
  for (int step = 0; step < 500; ++step) {
    std::vector<double> u(8, 0.0), w(8, 0.0);
    for (int o = 0; o < 8; ++o)
      for (int i = 0; i < 8; ++i) u[o] += j[o][i] * v[i];
    for (int o = 0; o < 8; ++o)
      for (int i = 0; i < 8; ++i) w[i] += j[o][i] * u[o];
    double norm = 0;
    for (const double x : w) norm += x * x;
    norm = std::sqrt(norm);
    largest = std::sqrt(norm);
    for (int i = 0; i < 8; ++i) v[i] = w[i] / norm;
  }
  ASSERT_GT(largest, 1e-3);
  for (const double each : session->lipschitz({"a", "b"}, 1, 200))
    EXPECT_NEAR(each, largest, 0.01 * largest);
  EXPECT_EQ(trained(net_spec(NetKind::kConstant))->lipschitz({"a"}, 1, 3), std::vector<double>{0});
  EXPECT_EQ(open_session(net_spec(NetKind::kLowFrequency), {})->lipschitz({"a"}, 1, 3),
            std::vector<double>{0});
}

TEST_F(CoreNoiseNet, ItsMemoryCounts) {
  SessionSpec spec = net_spec(NetKind::kLowFrequency);
  spec.train.memory_budget = 1;
  // 4 samples: inputs of 8, 6 and 6 numbers, and 2 sums of 6.
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[memory_budget] expected at least about " + std::to_string(4 * 32 * 4)),
               open_session(spec, {})->train_step());
  spec.train.memory_budget = 1 << 20;
  EXPECT_GT(open_session(spec, {})->train_step().grad_norm, 0);
}

}  // namespace
}  // namespace hn::core::test
