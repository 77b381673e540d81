// Training on scores alone: the estimate against the gradient that the same reward gives otherwise.
#include <ATen/ATen.h>

#include "core/noise_policy.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::HasSubstr;

class CoreZerothOrder : public CoreTest {
 protected:
  // By plain gradient descent at rate 1, so that one step's change is the gradient.
  static SessionSpec one_step(bool differentiable) {
    SessionSpec spec = fake_spec();
    spec.rewards[0].options["differentiable"] = differentiable;
    spec.train.optimiser = Optimiser::kSgd;
    spec.train.momentum = 0;
    spec.train.lr = 1;
    spec.train.accumulation = 400;
    if (!differentiable) spec.train.zeroth_order = 8;
    return spec;
  }
  Numbers change(const SessionSpec& spec) {
    const auto session = open_session(spec, {});
    Numbers before = adapter_of(*session, folder_);
    session->train_step();
    Numbers after = adapter_of(*session, folder_);
    for (auto& [name, values] : after)
      for (std::size_t i = 0; i < values.size(); ++i) values[i] -= before.at(name)[i];
    return after;
  }
  static double relative_error(const Numbers& estimate, const Numbers& exact) {
    double error = 0, size = 0;
    for (const auto& [name, values] : exact)
      for (std::size_t i = 0; i < values.size(); ++i) {
        error += std::pow(estimate.at(name)[i] - values[i], 2);
        size += std::pow(values[i], 2);
      }
    return std::sqrt(error / size);
  }
};

TEST_F(CoreZerothOrder, TheEstimateIsTheGradient) {
  // The reward is quadratic, so that smoothing leaves its gradient alone.
  const Numbers exact = change(one_step(true));
  EXPECT_LT(relative_error(change(one_step(false)), exact), 0.05);
  SessionSpec few = one_step(false);
  few.train.zeroth_order = 1;
  EXPECT_LT(relative_error(change(few), exact), 0.3) << "one pair a sample, without bias too";
  SessionSpec wide = one_step(false);
  wide.train.zeroth_order_sigma = 3;
  EXPECT_LT(relative_error(change(wide), exact), 0.05);
}

TEST_F(CoreZerothOrder, LowFrequencyDirectionsGiveTheSameGradient) {
  const auto low = [&](bool differentiable) {
    SessionSpec spec = one_step(differentiable);
    spec.net.kind = NetKind::kLowFrequency;
    spec.net.frequencies = 1;
    spec.net.width = 4;
    spec.net.depth = 1;
    spec.net.condition = NetCondition::kNone;
    spec.train.accumulation = 6000;
    if (!differentiable) spec.train.zeroth_order = 2;
    const auto session = open_session(spec, {});
    session->train_step();
    session->save_adapter(folder_ / "low");
    return read_numbers(folder_ / "low" / "noise_net.safetensors");
  };
  // The last layer begins as 0 and is the only one with a gradient, so its value is the change.
  const Numbers exact = low(true), estimate = low(false);
  const auto last = [](const Numbers& numbers) {
    Numbers part;
    for (const auto& [name, values] : numbers)
      if (name.find("layer.1.") != std::string::npos) part.emplace(name, values);
    return part;
  };
  ASSERT_EQ(last(exact).size(), 2u);
  EXPECT_LT(relative_error(last(estimate), last(exact)), 0.1);
}

TEST_F(CoreZerothOrder, TrainsCountsItsPicturesAndResumesBitForBit) {
  SessionSpec spec = fake_spec();
  spec.rewards[0].options["differentiable"] = false;
  spec.train.zeroth_order = 3;
  spec.train.lr = 2e-2;
  spec.train.reg_weight = 0.01;
  spec.train.batch = 16;
  const auto whole = open_session(spec, {});
  double first = 0, last = 0, middle = 0;
  for (int i = 0; i < 150; ++i) {
    const StepReport report = whole->train_step();
    EXPECT_EQ(report.probes, 2u * 3 * 16);
    (i < 20 ? first : i >= 130 ? last : middle) += report.reward / 20;
    if (i == 6) whole->save_checkpoint(folder_ / "checkpoint.safetensors");
  }
  EXPECT_GT(last, first / 2) << "the quadratic's shortfall (a negative number) at least halves";
  const auto resumed = open_session(spec, {});
  resumed->load_checkpoint(folder_ / "checkpoint.safetensors");
  while (resumed->step() < 150) resumed->train_step();
  EXPECT_EQ(largest_difference(adapter_of(*whole, folder_), adapter_of(*resumed, folder_)), 0);
}

// L of noise_policy.hpp, written out.
double policy_loss(const at::Tensor& mu, const at::Tensor& mean, const at::Tensor& directions,
                   const at::Tensor& values, double sigma, double clip) {
  double loss = 0;
  const std::int64_t pairs = directions.size(0);
  for (std::int64_t i = 0; i < mu.size(0); ++i)
    for (std::int64_t j = 0; j < 2 * pairs; ++j) {
      const at::Tensor draw =
          mean[i] + (j < pairs ? sigma : -sigma) * directions[j % pairs][i].to(at::kDouble);
      const auto distance = [&](const at::Tensor& to) {
        return (draw - to[i]).square().sum().item<double>();
      };
      const double rho = std::exp((distance(mean) - distance(mu)) / (2 * sigma * sigma));
      const double a = (values[j][i] - values.select(1, i).mean()).item<double>();
      loss += std::max(rho * a, std::clamp(rho, 1 - clip, 1 + clip) * a) /
              (2 * static_cast<double>(pairs));
    }
  return loss;
}

TEST_F(CoreZerothOrder, ThePolicysGradientIsItsLosses) {
  at::manual_seed(3);
  const double sigma = 0.4, clip = 0.2, share = 0.5;
  const std::int64_t pairs = 3, samples = 2;
  const at::Tensor directions = at::randn({pairs, samples, 2, 2, 2});
  const at::Tensor values = at::randn({2 * pairs, samples}, at::kDouble);
  const at::Tensor mean = at::randn({samples, 2, 2, 2});
  NoisePolicy policy(samples + 1, pairs, sigma, clip, {2, 2, 2});
  EXPECT_FALSE(policy.has(1, samples));
  policy.keep(1, mean, values);
  EXPECT_TRUE(policy.has(1, samples));
  EXPECT_FALSE(policy.has(0, samples + 1));
  int clipped = 0;
  for (const double far : {0.0, 0.02, 0.2}) {  // at far 0.2 draws are clipped
    const at::Tensor mu = mean + far * at::randn_like(mean);
    const at::Tensor gradient = at::zeros_like(mu);
    policy.add_gradient(1, mu, directions, share, gradient);
    const auto loss = [&](const at::Tensor& at) {
      return policy_loss(at, mean.to(at::kDouble), directions, values, sigma, clip);
    };
    const at::Tensor wide = mu.to(at::kDouble);
    for (std::int64_t n = 0; n < mu.numel(); ++n) {
      const double step = 1e-6;
      const at::Tensor up = wide.clone(), down = wide.clone();
      up.view(-1)[n] += step;
      down.view(-1)[n] -= step;
      const double slope = share * (loss(up) - loss(down)) / (2 * step);
      EXPECT_NEAR(gradient.view(-1)[n].item<double>(), slope, 1e-5 * std::max(1.0, std::abs(slope)))
          << "at " << far;
    }
    const at::Tensor all = at::zeros_like(mu);
    NoisePolicy free(samples, pairs, sigma, 1e9, {2, 2, 2});
    free.keep(0, mean, values);
    free.add_gradient(0, mu, directions, share, all);
    clipped += !at::equal(all, gradient);
  }
  EXPECT_EQ(clipped, 1);
}

TEST_F(CoreZerothOrder, APolicyBeginsAsThePairsAndUsesThemAgain) {
  SessionSpec plain = one_step(false), policy = one_step(false);
  plain.train.accumulation = policy.train.accumulation = 4;
  policy.train.policy_epochs = 3;
  EXPECT_EQ(largest_difference(change(plain), change(policy)), 0);

  SessionSpec spec = fake_spec();
  spec.rewards[0].options["differentiable"] = false;
  spec.train.zeroth_order = 3;
  spec.train.policy_epochs = 3;
  spec.train.lr = 2e-2;
  spec.train.reg_weight = 0.01;
  spec.train.batch = 16;
  spec.train.micro_batch = 5;
  const auto whole = open_session(spec, {});
  double first = 0, last = 0, middle = 0;
  for (int i = 0; i < 150; ++i) {
    const StepReport report = whole->train_step();
    EXPECT_EQ(report.probes, i % 3 == 0 ? 2u * 3 * 16 : 0u);
    (i < 21 ? first : i >= 129 ? last : middle) += report.reward / 21;
    if (i == 6) whole->save_checkpoint(folder_ / "checkpoint.safetensors");  // one of three is done
  }
  EXPECT_GT(last, first / 2) << "the quadratic's shortfall (a negative number) at least halves";
  const auto resumed = open_session(spec, {});
  resumed->load_checkpoint(folder_ / "checkpoint.safetensors");
  EXPECT_EQ(resumed->train_step().probes, 0u);
  while (resumed->step() < 150) resumed->train_step();
  EXPECT_EQ(largest_difference(adapter_of(*whole, folder_), adapter_of(*resumed, folder_)), 0);
}

TEST_F(CoreZerothOrder, AddsToTheGradientsOfOthers) {
  SessionSpec both = one_step(true);
  both.rewards = {quadratic("a", 1), quadratic("b", 1)};
  const Numbers exact = change(both);
  both.rewards[1].options["differentiable"] = false;
  both.train.zeroth_order = 8;
  EXPECT_LT(relative_error(change(both), exact), 0.05);
}

TEST_F(CoreZerothOrder, IsRefusedByNameWhereItCannotBe) {
  SessionSpec spec = one_step(false);
  spec.net.kind = NetKind::kFinetune;
  EXPECT_FAILS(HN_UNSUPPORTED,
               HasSubstr("[reward quad] is score-only: it gives no gradient, and "
                         "train.zeroth_order finds one by the noise"),
               open_session(spec, {}));
  spec.net.kind = NetKind::kHypernet;
  spec.train.zeroth_order = 0;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("(train.zeroth_order = 8)"), open_session(spec, {}));
  spec.train.zeroth_order = -1;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("train.zeroth_order: expected 0 (off) or more"),
               open_session(spec, {}));
  spec.train.zeroth_order = 1;
  spec.train.policy_epochs = 0;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("train.policy_epochs: expected 1 or more"),
               open_session(spec, {}));
  spec.train.policy_epochs = 2;
  spec.train.policy_clip = 0;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("train.policy_clip: expected above 0, to 1"),
               open_session(spec, {}));
  spec.train.policy_clip = 0.2;
  spec.rewards[0].every = 2;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("train.policy_epochs: expected 1 where reward quad does not run at each"),
               open_session(spec, {}));
  spec.rewards[0].every = 1;
  spec.rewards[0].options["differentiable"] = true;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("train.policy_epochs: expected 1 where no score-only reward"),
               open_session(spec, {}));
  spec.rewards[0].options["differentiable"] = false;
  spec.train.policy_epochs = 1;
  spec.train.zeroth_order_sigma = 0;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("train.zeroth_order_sigma: expected above 0"),
               open_session(spec, {}));
}

}  // namespace
}  // namespace hn::core::test
