// The adapter's gradients through the whole chain, against finite differences of the reported loss.
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

class CoreChain : public CoreTest {
 protected:
  // The loss of step 1 with this adapter.
  double loss_at(SessionSpec spec, const Numbers& adapter) {
    spec.train.lr = 0;
    const auto session = open_session(spec, {});
    set_adapter(*session, adapter, folder_, spec.net.rank);
    return session->train_step().loss;
  }
  // SGD without momentum moves by -lr * gradient.
  Numbers gradient_at(SessionSpec spec, const Numbers& adapter) {
    spec.train.optimiser = Optimiser::kSgd;
    spec.train.momentum = 0;
    spec.train.lr = 1;
    const auto session = open_session(spec, {});
    set_adapter(*session, adapter, folder_, spec.net.rank);
    session->train_step();
    Numbers after = adapter_of(*session, folder_);
    for (auto& [name, values] : after)
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = adapter.at(name)[i] - values[i];
    return after;
  }
  void check_gradient(const SessionSpec& spec) {
    const Numbers adapter = busy_adapter();
    const Numbers gradient = gradient_at(spec, adapter);
    double largest = 0;
    for (const auto& [name, values] : gradient)
      for (const float g : values) largest = std::max(largest, std::abs(static_cast<double>(g)));
    ASSERT_GT(largest, 1e-3);
    constexpr float kStep = 2e-2f;
    for (const auto& [name, values] : gradient)
      for (std::size_t i = 0; i < values.size(); ++i) {
        Numbers up = adapter, down = adapter;
        up[name][i] += kStep;
        down[name][i] -= kStep;
        const double width = static_cast<double>(up[name][i]) - down[name][i];
        const double slope = (loss_at(spec, up) - loss_at(spec, down)) / width;
        EXPECT_NEAR(slope, values[i], 2e-3 * largest) << name << " " << i;
      }
  }
};

TEST_F(CoreChain, GradientOfTheMeanRegulariser) { check_gradient(fake_spec()); }

TEST_F(CoreChain, GradientOfThePaperRegulariser) {
  SessionSpec spec = fake_spec();
  spec.train.reg = Regulariser::kPaper;
  spec.train.reg_weight = 0.3;
  check_gradient(spec);
}

TEST_F(CoreChain, GradientOfTheNormRegulariser) {
  SessionSpec spec = fake_spec();
  spec.train.reg = Regulariser::kNorm;
  spec.train.reg_weight = 0.3;
  check_gradient(spec);
}

TEST_F(CoreChain, GradientOfSeveralRewardsWithLossForms) {
  SessionSpec spec = fake_spec();
  spec.rewards = {quadratic("one", 1.5), quadratic("two", 3), quadratic("measured", 50),
                  quadratic("zero", 0)};
  spec.rewards[0].loss_scale = 2;
  spec.rewards[1].options["prompts"] = false;
  spec.rewards[2].train = false;
  check_gradient(spec);
}

TEST_F(CoreChain, GradientOfFineTuningHasNoRegulariser) {
  SessionSpec spec = fake_spec();
  spec.net.kind = NetKind::kFinetune;
  check_gradient(spec);
  spec.train.reg_weight = 1000;
  const Numbers heavy = gradient_at(spec, busy_adapter());
  spec.train.reg_weight = 0;
  EXPECT_EQ(largest_difference(heavy, gradient_at(spec, busy_adapter())), 0);
}

TEST_F(CoreChain, GradientWithManySteps) {
  SessionSpec spec = fake_spec();
  spec.generator.options["steps"] = std::int64_t{3};
  check_gradient(spec);
}

TEST_F(CoreChain, ARegulariserAloneNeedsNoReward) {
  SessionSpec spec = fake_spec();
  spec.rewards.clear();
  check_gradient(spec);
}

TEST_F(CoreChain, AccumulationIsOneLargeBatch) {
  SessionSpec spec = fake_spec();
  spec.train.batch = 12;
  const Numbers whole = gradient_at(spec, busy_adapter());
  spec.train.batch = 4;
  spec.train.accumulation = 3;
  EXPECT_LT(largest_difference(whole, gradient_at(spec, busy_adapter())), 1e-6);
}

TEST_F(CoreChain, MicroBatchesGiveTheSameGradient) {
  SessionSpec spec = fake_spec();
  spec.generator.options["steps"] = std::int64_t{3};
  spec.train.batch = 7;
  spec.train.accumulation = 2;
  for (const LatentMode mode : {LatentMode::kInf, LatentMode::kBatch, LatentMode::kMulti}) {
    spec.train.latents = mode;
    spec.train.micro_batch = 0;
    const Numbers whole = gradient_at(spec, busy_adapter());
    for (const std::int64_t micro : {1, 3, 100}) {
      spec.train.micro_batch = micro;
      EXPECT_LT(largest_difference(whole, gradient_at(spec, busy_adapter())), 1e-6) << micro;
    }
  }
}

TEST_F(CoreChain, AnOutOfMemoryStepStartsAgainFromCleanGradients) {
  SessionSpec spec = fake_spec();
  spec.train.micro_batch = 2;
  const Numbers expected = gradient_at(spec, busy_adapter());
  // The second micro batch accumulates, so its backward is not simply repeated.
  for (const char* fault :
       {"oom:noise_net.backward", "oom:generate.backward", "oom:score.forward", "oom:encode"}) {
    fake::state().fault = fault;
    fake::state().after = 1;
    fake::state().times = 1;
    EXPECT_EQ(largest_difference(expected, gradient_at(spec, busy_adapter())), 0) << fault;
    EXPECT_EQ(fake::state().times, 0);
  }
}

}  // namespace
}  // namespace hn::core::test
