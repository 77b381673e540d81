// Each method of host/src/search on a quadratic: value = -|x - target|^2 / 2, whose answers are
// known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <hn/cpp/error.hpp>

#include "core/random.hpp"
#include "search/methods.hpp"

namespace hn::search {
namespace {

using host::SearchConfig;
using host::SearchMethod;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Quadratic final : public Objective {
 public:
  explicit Quadratic(std::size_t size = 16, float target = 0.5f) : size_(size), target_(target) {}

  std::size_t size() const override { return size_; }
  void normals(std::uint64_t number, std::span<float> out) const override {
    core::fill_normal(out, 3, core::Stream::kSearchNoise, number);
  }
  void transform(std::span<float> noises) override {
    for (float& value : noises) value += shift;
  }
  std::vector<double> values(std::span<const float> noises) override {
    std::vector<double> values;
    for (std::size_t b = 0; b * size_ < noises.size(); ++b)
      values.push_back(value(noises.subspan(b * size_, size_)));
    forwards += values.size();
    most_at_once = std::max(most_at_once, values.size());
    return values;
  }
  std::vector<double> gradients(std::span<const float> noises, std::span<float> grads) override {
    for (std::size_t i = 0; i < noises.size(); ++i) grads[i] = slope * (target_ - noises[i]);
    backwards += noises.size() / size_;
    return values(noises);
  }
  double value(std::span<const float> x) const {
    double sum = 0;
    for (const float each : x) sum += (each - target_) * (each - target_);
    return -slope * sum / 2;
  }

  float shift = 0, slope = 1;
  std::size_t forwards = 0, backwards = 0, most_at_once = 0;

 private:
  std::size_t size_;
  float target_;
};

SearchConfig options(SearchMethod method, std::int64_t n = 50) {
  SearchConfig c;
  c.method = method;
  c.n = n;
  return c;
}

std::vector<float> draw(const Quadratic& q, std::uint64_t number) {
  std::vector<float> x(q.size());
  q.normals(number, x);
  return x;
}

const SearchMethod kAll[] = {SearchMethod::kBestOfN, SearchMethod::kThreshold,
                             SearchMethod::kRandom,  SearchMethod::kZerothOrder,
                             SearchMethod::kReno,    SearchMethod::kLangevin};

TEST(Search, EveryMethodLooksAtNNoisesAndKeepsTheBest) {
  for (const SearchMethod method : kAll) {
    SCOPED_TRACE(method_name(method));
    Quadratic q;
    SearchConfig c = options(method, 20);
    if (method == SearchMethod::kThreshold) c.threshold = 1;  // never reached
    c.temperature = 1;
    const Found found = search(q, c, c.n);
    EXPECT_EQ(found.values.size(), 20u);
    EXPECT_EQ(q.forwards, 20u);
    EXPECT_EQ(q.backwards, needs_gradient(method) ? 19u : 0u);
    EXPECT_DOUBLE_EQ(found.values[0], q.value(draw(q, 0))) << "the start is the first";
    EXPECT_DOUBLE_EQ(found.value(), *std::max_element(found.values.begin(), found.values.end()));
    EXPECT_DOUBLE_EQ(found.value(), q.value(found.noise));
    EXPECT_GT(found.value(), found.values[0]);
  }
}

TEST(Search, OneNoiseIsTheStart) {
  for (const SearchMethod method : kAll) {
    Quadratic q;
    SearchConfig c = options(method, 1);
    if (method == SearchMethod::kThreshold) c.threshold = 1;
    const Found found = search(q, c, 1);
    EXPECT_EQ(found.noise, draw(q, 0)) << method_name(method);
    EXPECT_EQ(q.forwards, 1u);
    EXPECT_EQ(q.backwards, 0u);
  }
}

TEST(Search, BatchesChangeNothing) {
  for (const SearchMethod method : kAll) {
    SCOPED_TRACE(method_name(method));
    SearchConfig c = options(method, 23);
    if (method == SearchMethod::kThreshold) c.threshold = -4;
    Quadratic one, many;
    c.batch = 1;
    const Found alone = search(one, c, c.n);
    c.batch = 10;
    const Found together = search(many, c, c.n);
    EXPECT_EQ(alone.values, together.values);
    EXPECT_EQ(alone.noise, together.noise);
    EXPECT_EQ(alone.best, together.best);
    EXPECT_LE(many.most_at_once, 10u);
  }
}

TEST(Search, ANoiseNetworkMovesTheDrawsAndNothingElse) {
  Quadratic q;
  q.shift = 0.25f;
  const Found found = best_of_n(q, 3, 16);
  std::vector<float> start = draw(q, 0);
  for (float& value : start) value += 0.25f;
  EXPECT_DOUBLE_EQ(found.values[0], q.value(start));
  const Found around = random_search(q, options(SearchMethod::kRandom, 2));
  std::vector<float> moved(q.size());
  neighbour(q, start, 0.3, 1, moved);
  EXPECT_DOUBLE_EQ(around.values[1], q.value(moved)) << "neighbours are not moved a second time";
}

TEST(Search, OfEqualsTheFirst) {
  Quadratic q;
  q.slope = 0;
  EXPECT_EQ(best_of_n(q, 5, 2).best, 0u);
  EXPECT_EQ(best_of_n(q, 5, 2).noise, draw(q, 0));
}

TEST(Search, ThresholdStopsAtTheFirstThatReachesIt) {
  Quadratic all;
  const Found every = best_of_n(all, 40, 8);
  const double bound = every.values[11];  // some value of the middle
  std::size_t first = 0;
  while (every.values[first] < bound) ++first;
  Quadratic q;
  const Found found = best_of_n(q, 40, 8, bound);
  EXPECT_EQ(found.values.size(), first + 1);
  EXPECT_GE(found.value(), bound);
  EXPECT_EQ(found.best, first);
}

TEST(Search, ThresholdSpendsWhatOthersLeft) {
  SearchConfig c = options(SearchMethod::kThreshold, 10);
  c.most = 3;
  EXPECT_EQ(threshold_allowance(c, 0, 0), 10);
  EXPECT_EQ(threshold_allowance(c, 1, 1), 19) << "the first left nine";
  EXPECT_EQ(threshold_allowance(c, 4, 4), 30) << "most * n";
  EXPECT_EQ(threshold_allowance(c, 2, 20), 10) << "nothing is left over, its own is sure";
}

TEST(Search, NeighboursKeepTheVariance) {
  const Quadratic q(1 << 16);
  const std::vector<float> x = draw(q, 0);
  std::vector<float> near(q.size());
  for (const double sigma : {0.0, 0.3, 1.0}) {
    neighbour(q, x, sigma, 1, near);
    double square = 0, product = 0;
    for (std::size_t i = 0; i < near.size(); ++i) {
      square += near[i] * near[i];
      product += near[i] * x[i];
    }
    const auto n = static_cast<double>(near.size());
    EXPECT_NEAR(square / n, 1, 0.02) << sigma;
    EXPECT_NEAR(product / n, std::sqrt(1 - sigma * sigma), 0.02) << sigma;
  }
}

TEST(Search, ZerothOrderClimbsWhereRandomStays) {
  SearchConfig c = options(SearchMethod::kZerothOrder, 400);
  c.neighbours = 8;
  Quadratic walk, stay;
  const Found climbed = zeroth_order(walk, c);
  const Found random = random_search(stay, c);
  EXPECT_GT(climbed.value(), random.value() + 1);
  // Every round begins at the best before it.
  double best = climbed.values[0];
  for (const double value : climbed.values) best = std::max(best, value);
  EXPECT_DOUBLE_EQ(climbed.value(), best);
}

TEST(Search, RenoIsSgdWithNesterovByHand) {
  Quadratic q(2, 0.5f);
  SearchConfig c = options(SearchMethod::kReno, 3);
  c.clip = 0;
  c.reg_weight = 0;
  c.lr = 0.1;
  const Found found = reno(q, c);
  std::vector<float> x = draw(q, 0);
  std::vector<double> expected = {q.value(x)};
  float velocity[2] = {0, 0};
  for (int step = 0; step < 2; ++step) {
    for (int i = 0; i < 2; ++i) {
      const float g = 0.5f - x[static_cast<std::size_t>(i)];
      velocity[i] = 0.9f * velocity[i] + g;
      x[static_cast<std::size_t>(i)] += 0.1f * (g + 0.9f * velocity[i]);
    }
    expected.push_back(q.value(x));
  }
  ASSERT_EQ(found.values.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(found.values[i], expected[i], 1e-6) << i;
  c.nesterov = false;
  Quadratic plain(2, 0.5f);
  EXPECT_LT(reno(plain, c).values[1], found.values[1]) << "a plain first step is shorter";
}

TEST(Search, RenoClipsTheNormOfTheGradient) {
  Quadratic q;
  q.slope = 1000;
  SearchConfig c = options(SearchMethod::kReno, 2);
  c.reg_weight = 0;
  c.momentum = 0;
  c.nesterov = false;
  const Found found = reno(q, c);
  double moved = 0;
  const std::vector<float> start = draw(q, 0);
  for (std::size_t i = 0; i < start.size(); ++i)
    moved += (found.noise[i] - start[i]) * (found.noise[i] - start[i]);
  EXPECT_EQ(found.best, 1u);
  EXPECT_NEAR(std::sqrt(moved), 5 * 0.1, 1e-4) << "lr times clip";
}

// Without a reward the term draws the norm to sqrt(d - 1), where a standard normal's is likeliest.
TEST(Search, RenosTermHasItsBestNormAtSqrtOfDLessOne) {
  class Flat final : public Objective {
   public:
    std::size_t size() const override { return 64; }
    void normals(std::uint64_t, std::span<float> out) const override {
      std::fill(out.begin(), out.end(), 2.0f);
    }
    void transform(std::span<float>) override {}
    std::vector<double> values(std::span<const float> x) override {
      double sum = 0;
      for (const float value : x) sum += value * value;
      norms.push_back(std::sqrt(sum));
      return {static_cast<double>(norms.size())};  // so that the last is the best
    }
    std::vector<double> gradients(std::span<const float> x, std::span<float> g) override {
      std::fill(g.begin(), g.end(), 0.0f);
      return values(x);
    }
    std::vector<double> norms;
  } flat;
  SearchConfig c = options(SearchMethod::kReno, 200);
  c.clip = 0;
  c.reg_weight = 0.1;
  c.lr = 0.5;
  (void)reno(flat, c);
  EXPECT_NEAR(flat.norms.front(), 16, 1e-5);
  EXPECT_NEAR(flat.norms.back(), std::sqrt(63.0), 1e-3);
}

// Of N(0, I) exp(-slope |x - t|^2 / 2 / temperature) mean and variance are known.
TEST(Search, LangevinSamplesItsTarget) {
  Quadratic q(1 << 14, 0.5f);
  SearchConfig c = options(SearchMethod::kLangevin, 300);
  c.eta = 0.05;
  c.temperature = 1;
  class Watched final : public Objective {
   public:
    explicit Watched(Quadratic& q) : q_(q) {}
    std::size_t size() const override { return q_.size(); }
    void normals(std::uint64_t n, std::span<float> out) const override { q_.normals(n, out); }
    void transform(std::span<float>) override {}
    std::vector<double> values(std::span<const float> x) override {
      last.assign(x.begin(), x.end());
      return q_.values(x);
    }
    std::vector<double> gradients(std::span<const float> x, std::span<float> g) override {
      return q_.gradients(x, g);
    }
    std::vector<float> last;

   private:
    Quadratic& q_;
  } watched(q);
  (void)langevin(watched, c);
  double mean = 0, square = 0;
  for (const float value : watched.last) mean += value;
  mean /= static_cast<double>(watched.last.size());
  for (const float value : watched.last) square += (value - mean) * (value - mean);
  square /= static_cast<double>(watched.last.size());
  // Precision 1 + 1, mean t / 2; the step's own error is of the order of eta.
  EXPECT_NEAR(mean, 0.25, 0.02);
  EXPECT_NEAR(square, 0.5, 0.03);
  q.slope = 0;
  (void)langevin(watched, c);
  square = 0;
  for (const float value : watched.last) square += value * value;
  EXPECT_NEAR(square / static_cast<double>(watched.last.size()), 1, 0.03)
      << "without a reward it stays standard normal";
}

TEST(Search, OptionsThatDoNotFitAreNamed) {
  SearchConfig c = options(SearchMethod::kThreshold);
  const auto text = [&] {
    try {
      check_options(c);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), HN_INVALID_ARGUMENT);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(text(), HasSubstr("[search] threshold: expected the reward at which"));
  c.threshold = 0.5;
  EXPECT_EQ(text(), "");
  c.method = SearchMethod::kReno;
  EXPECT_THAT(text(), HasSubstr("got \"reno\""));
}

}  // namespace
}  // namespace hn::search
