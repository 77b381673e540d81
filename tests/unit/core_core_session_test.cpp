// Opening, refusing to open, and the Lipschitz bound.
#include <ATen/Parallel.h>

#include <thread>

#include "core/thread_count.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CoreSession : public CoreTest {};

TEST_F(CoreSession, ScoreOnlyRewardsAreRefusedForTrainingByName) {
  SessionSpec spec = fake_spec();
  spec.rewards.push_back(quadratic("judge"));
  spec.rewards[1].options["differentiable"] = false;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("[reward judge] is score-only"), open_session(spec, {}));
  spec.rewards[1].train = false;
  EXPECT_EQ(open_session(spec, {})->train_step().rewards.size(), 2u);
}

TEST_F(CoreSession, EveryValueOutOfRangeIsToldAtOnce) {
  SessionSpec spec = fake_spec();
  spec.net.rank = 0;
  spec.net.alpha = -1;
  spec.train.batch = 0;
  spec.train.accumulation = 0;
  spec.train.lr = std::nan("");
  spec.train.beta2 = 1;
  spec.train.decay_from = 2;
  spec.train.clip = -1;
  spec.train.latent_count = 0;
  spec.threads = -2;
  spec.rewards.push_back(quadratic());
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               AllOf(HasSubstr("net.rank: expected 1 or more, got 0"), HasSubstr("net.alpha"),
                     HasSubstr("train.batch"), HasSubstr("train.accumulation"),
                     HasSubstr("train.lr: expected a finite number from 0, got nan"),
                     HasSubstr("train.beta2"), HasSubstr("train.decay_from"),
                     HasSubstr("train.clip"), HasSubstr("train.latent_count"), HasSubstr("threads"),
                     HasSubstr("different names, got quad")),
               open_session(spec, {}));
}

TEST_F(CoreSession, DevicesThatAreNotThere) {
  SessionSpec spec = fake_spec();
  spec.device = "gpu";
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("device: expected cpu, cuda or cuda:N, got 'gpu'"),
               open_session(spec, {}));
  spec.device = "mps";
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("'mps'"), open_session(spec, {}));
}

TEST_F(CoreSession, AFailedOpenLeavesNothingBehind) {
  SessionSpec spec = fake_spec();
  spec.generator.options["fail"] = true;
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("linear: create: [fake] no weights"),
               open_session(spec, {}));
  spec = fake_spec();
  spec.rewards.push_back(quadratic("missing"));
  spec.rewards[1].plugin.entry = nullptr;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("missing: the plugin was not loaded"),
               open_session(spec, {}));
  spec.rewards[1].plugin.entry = fake::generator_plugin();
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("missing: open score"), open_session(spec, {}));
}

// A failure at any point, at any moment: the session closes, and every plugin got back all of it.
TEST_F(CoreSession, ClosesAfterAFailureAnywhere) {
  const std::vector<std::string> points = {
      "encode",         "noise_net.forward", "generate.forward",  "score.forward",
      "score.backward", "generate.backward", "noise_net.backward"};
  for (const std::string& point : points)
    for (const char* kind : {"error:", "oom:"})
      for (int after = 0; after < 6; ++after) {
        SessionSpec spec = fake_spec();
        spec.train.micro_batch = 2;
        spec.rewards.push_back(quadratic("second"));
        spec.prompt_cache_bytes = after % 2 == 0 ? 0 : 1u << 20;
        fake::State& s = fake::state();
        s.fault = kind + point;
        s.after = after;
        s.times = 1000;
        auto session = open_session(spec, {});
        const auto failed = [&](auto&& work) { return failure_of(work).code != HN_OK; };
        bool any = false;
        for (int step = 0; step < 4 && !any; ++step)
          any = failed([&] { (void)session->train_step(); });
        EXPECT_TRUE(any) << s.fault << " after " << after;
        SampleRequest request;
        request.prompts = {"new one", "another"};
        if (point == "encode") {
          EXPECT_TRUE(failed([&] { (void)session->sample(request); }));
          EXPECT_TRUE(failed([&] { (void)session->lipschitz({"new one", "another"}, 1, 1); }));
        }
        session.reset();
        EXPECT_EQ(s.saved + s.functions + s.conds + s.instances, 0) << s.fault << " " << after;
        s.times = 0;
      }
}

// After a lost device only destroy may follow: functions and handles are left to the plugin.
TEST_F(CoreSession, ClosesAfterADeviceWasLostWhileEncoding) {
  fake::State& s = fake::state();
  s.fault = "lost:encode";
  s.after = 2;
  s.times = 1000;
  {
    const auto session = open_session(fake_spec(), {});
    EXPECT_FAILS(HN_DEVICE_LOST, HasSubstr("gone"), session->train_step());
    EXPECT_FAILS(HN_DEVICE_LOST, HasSubstr("open a new session"), session->train_step());
  }
  EXPECT_EQ(s.instances, 0);
  s.functions = s.conds = 0;  // the fake keeps no list of them
}

TEST_F(CoreSession, CancelledWhileOpening) {
  EXPECT_FAILS(HN_CANCELLED, HasSubstr("[open]"),
               open_session(fake_spec(), {{}, [] { return true; }, {}}));
}

TEST_F(CoreSession, AnyThreadMayCall) {
  const auto session = open_session(fake_spec(), {});
  const double here = session->train_step().loss;
  double there = 0;
  std::thread([&] { there = session->train_step().loss; }).join();
  EXPECT_EQ(session->step(), 2u);
  EXPECT_NE(here, there);
}

// LibTorch's number of threads is the process's: it is a session's while a call of it runs.
TEST_F(CoreSession, TheNumberOfThreadsIsPutBack) {
  const int own = at::get_num_threads();
  at::set_num_threads(3);
  SessionSpec spec = fake_spec();
  spec.threads = 2;
  int during = 0;
  Services services;
  services.progress = [&](std::string_view, std::uint64_t, std::uint64_t) {
    during = at::get_num_threads();
  };
  const auto session = open_session(spec, services);
  EXPECT_EQ(during, 2);
  EXPECT_EQ(at::get_num_threads(), 3) << "opened";
  session->train_step();
  EXPECT_EQ(at::get_num_threads(), 3) << "trained";
  fake::state().fault = "error:score.forward";
  fake::state().after = 0;
  fake::state().times = 1;
  EXPECT_NE(failure_of([&] { (void)session->train_step(); }).code, HN_OK);
  EXPECT_EQ(at::get_num_threads(), 3) << "failed";
  {
    // Sessions at once: the last one to leave puts back what was there before the first.
    auto first = std::make_unique<ThreadCount>(1);
    const ThreadCount second(2);
    first.reset();
    EXPECT_EQ(at::get_num_threads(), 3);
  }
  EXPECT_EQ(at::get_num_threads(), 3);
  at::set_num_threads(own);
}

TEST_F(CoreSession, AStreamIsOneOfTheSessionsDevice) {
  SessionSpec spec = fake_spec();
  spec.stream = {kDLCPU, 0, 0};
  EXPECT_EQ(open_session(spec, {})->shapes().device.device_type, kDLCPU);
  spec.stream = {kDLCUDA, 1, 1};
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[session] stream: expected one of the CPU, where the session runs, got "
                         "one of cuda:1"),
               open_session(spec, {}));
  spec.stream = {kDLCPU, 0, 7};
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("expected handle 0 on the CPU"),
               open_session(spec, {}));
}

TEST_F(CoreSession, DeterminismIsAskedOfEveryPluginOnTheCpu) {
  SessionSpec spec = fake_spec();
  open_session(spec, {})->train_step();
  EXPECT_EQ(fake::state().calls["deterministic"], 4)
      << "noise_net, generate, score, and score of one sample alone";
  spec.deterministic = Determinism::kNo;
  open_session(spec, {})->train_step();
  EXPECT_EQ(fake::state().calls["deterministic"], 4);
}

TEST_F(CoreSession, ARefusedDeterminismIsAWarningOrAnErrorAsTheUserWants) {
  SessionSpec spec = fake_spec();
  const double expected = open_session(spec, {})->train_step().loss;
  fake::state().refuse_determinism = true;
  std::vector<std::string> warnings;
  Services services;
  services.log = [&](std::int32_t level, std::string_view text) {
    if (level == HN_LOG_WARNING) warnings.emplace_back(text);
  };
  {
    const auto session = open_session(spec, services);
    EXPECT_EQ(session->train_step().loss, expected);
    EXPECT_EQ(warnings.size(), 3u) << "one a function";
    EXPECT_THAT(warnings.front(), HasSubstr("linear: noise_net: [fake] cannot promise"));
    session->train_step();
    EXPECT_EQ(warnings.size(), 3u) << "and not again";
  }
  spec.deterministic = Determinism::kYes;
  const auto strict = open_session(spec, services);
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("linear: noise_net: [fake] cannot promise"),
               strict->train_step());
  EXPECT_EQ(strict->step(), 0u);
}

TEST_F(CoreSession, APromptFieldThatNobodyReadsIsRefused) {
  SessionSpec spec = fake_spec();
  spec.train.prompts[1].negative = "cats";
  EXPECT_FAILS(HN_UNSUPPORTED,
               AllOf(HasSubstr("two dogs"), HasSubstr("negative"), HasSubstr("no plugin")),
               open_session(spec, {}));
  spec.rewards[0].options["reads"] = std::int64_t{HN_PROMPT_NEGATIVE};
  const auto session = open_session(spec, {});
  session->train_step();
  EXPECT_THAT(fake::state().read, ::testing::Contains("two dogs|cats|"));
  SampleRequest request;
  request.prompts = {"a"};
  request.prompts[0].tensors = std::make_shared<const std::vector<PromptTensor>>(
      std::vector<PromptTensor>{{"mask", {{1, 1, 1}, {1}}}});
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("the tensor 'mask'"), session->sample(request));
  request.prompts[0] = "a";
  request.prompts[0].json = "{}";  // facts that nobody reads are just that
  (void)session->sample(request);
}

TEST_F(CoreSession, ARewardThatMixesItsSamplesIsNeverSplit) {
  SessionSpec spec = fake_spec();
  spec.rewards[0].options["mixes"] = true;
  spec.train.micro_batch = 2;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, AllOf(HasSubstr("micro_batch"), HasSubstr("quad")),
               open_session(spec, {}));
  spec.train.micro_batch = 0;
  const auto session = open_session(spec, {});
  session->train_step();
  ScoreRequest request;
  request.images = {{3, 3, 2, 2}, std::vector<float>(36, 0.5f)};
  request.prompts = {"a", "b", "c"};
  request.batch = 1;
  const int before = fake::state().calls["score.forward"];
  (void)session->score(request);
  EXPECT_EQ(fake::state().calls["score.forward"], before + 1);
}

TEST_F(CoreSession, ThePromptCacheKeepsItsBudget) {
  SessionSpec spec = fake_spec();
  spec.prompt_cache_bytes = 3000;
  const auto session = open_session(spec, {});
  for (int i = 0; i < 5; ++i) {
    session->train_step();
    EXPECT_LE(fake::state().conds, 3);
  }
}

// noise_net is s B A (x + c): J = s B A for every noise and prompt, so the bound is its largest
// singular value.
TEST_F(CoreSession, LipschitzIsTheLargestSingularValue) {
  const auto session = open_session(fake_spec(), {});
  EXPECT_EQ(session->lipschitz({"a"}, 1, 3), std::vector<double>{0}) << "B = 0";
  const Numbers n = busy_adapter();
  set_adapter(*session, n, folder_);
  double j[8][8] = {};
  for (int o = 0; o < 8; ++o)
    for (int i = 0; i < 8; ++i)
      for (int r = 0; r < 2; ++r) j[o][i] += 2.0 * n.at(kB)[o * 2 + r] * n.at(kA)[r * 8 + i];
  std::vector<double> v(8, 1.0);
  double largest = 0;
  for (int step = 0; step < 200; ++step) {
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
  const std::vector<double> got = session->lipschitz(std::vector<Prompt>(20, Prompt("a")), 1, 30);
  ASSERT_EQ(got.size(), 20u);
  for (const double l : got) EXPECT_NEAR(l, largest, 1e-3 * largest);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("iterations"), session->lipschitz({"a"}, 1, 0));
  SessionSpec finetune = fake_spec();
  finetune.net.kind = NetKind::kFinetune;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("no noise network"),
               open_session(finetune, {})->lipschitz({"a"}, 1, 3));
}

// The same J: f = J (x + c), and I + J has rank 2 beside the identity, so that by Sylvester
// det(I + s B A) = det(I_2 + s A B).
TEST_F(CoreSession, TheDivergenceIsThatOfAnAffineMap) {
  const auto session = open_session(fake_spec(), {});
  set_adapter(*session, busy_adapter(), folder_);
  const Numbers n = busy_adapter();
  double m[2][2] = {{0, 0}, {0, 0}};
  for (int r = 0; r < 2; ++r)
    for (int s = 0; s < 2; ++s)
      for (int i = 0; i < 8; ++i) m[r][s] += 2.0 * n.at(kA)[r * 8 + i] * n.at(kB)[i * 2 + s];
  const double trace = m[0][0] + m[1][1];
  const double det = (1 + m[0][0]) * (1 + m[1][1]) - m[0][1] * m[1][0];
  SampleRequest drawn;
  drawn.prompts = {"a", "b", "c"};
  drawn.seed = 4;
  drawn.want_delta = drawn.want_noise = true;
  const SampleResult sampled = session->sample(drawn);
  KlRequest request;
  request.prompts = drawn.prompts;
  request.seed = 4;
  const std::vector<KlTerms> whole = session->kl_terms(request);
  ASSERT_EQ(whole.size(), 3u);
  for (std::size_t b = 0; b < 3; ++b) {
    double squares = 0, inner = 0;
    for (std::size_t i = b * 8; i < b * 8 + 8; ++i) {
      squares += static_cast<double>(sampled.delta.data[i]) * sampled.delta.data[i];
      inner += static_cast<double>(sampled.delta.data[i]) * sampled.noise.data[i];
    }
    EXPECT_NEAR(whole[b].half_square, squares / 2, 1e-5 * squares);
    EXPECT_NEAR(whole[b].inner, inner, 1e-5 * std::abs(inner) + 1e-6);
    EXPECT_NEAR(whole[b].trace, trace, 1e-5 * std::abs(trace));
    EXPECT_NEAR(whole[b].log_det, std::log(std::abs(det)), 1e-5);
    EXPECT_EQ(whole[b].turned, det < 0);
  }
  request.probes = -1;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("probes"), session->kl_terms(request));
  request.probes = 8;
  request.order = 0;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("order"), session->kl_terms(request));
}

// A small J, where the series converges: the estimate comes to the determinant.
TEST_F(CoreSession, ProbesEstimateTheDivergence) {
  const auto session = open_session(fake_spec(), {});
  Numbers small = busy_adapter();
  for (auto& [name, values] : small)
    for (float& v : values) v *= 0.2F;
  set_adapter(*session, small, folder_);
  KlRequest request;
  request.prompts = {"a"};
  const KlTerms exact = session->kl_terms(request).at(0);
  request.probes = 4000;
  request.order = 12;
  const KlTerms estimate = session->kl_terms(request).at(0);
  ASSERT_GT(std::abs(exact.trace), 1e-3);
  EXPECT_NEAR(estimate.trace, exact.trace, 0.1 * std::abs(exact.trace) + 0.01);
  EXPECT_NEAR(estimate.log_det, exact.log_det, 0.1 * std::abs(exact.trace) + 0.01);
  EXPECT_LT(estimate.remainder, 1e-3);
  EXPECT_EQ(estimate.half_square, exact.half_square);
}

}  // namespace
}  // namespace hn::core::test
