#include "selftest/checks.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "support/cat.hpp"

namespace hn::selftest {
namespace {

using host::cat;

constexpr std::int64_t kPictures = 6, kHeight = 64, kWidth = 80;
// Of the largest score (at least 1): what counts as no difference, and as too much of one.
constexpr double kSame = 1e-6, kBatch = 1e-3, kRange = 1e-3;

// Of a grammar that the judge of emoji scenes reads too; a plain sentence to every other reward.
const std::vector<std::string>& prompts() {
  static const std::vector<std::string> texts = {
      "a pink cat",   "two blue cups",       "an elephant above a balloon",
      "a yellow bus", "a carrot and a star", "a cake on a purple background"};
  return texts;
}

double scale_of(const std::vector<float>& scores) {
  double largest = 1;
  for (const float s : scores) largest = std::max(largest, std::abs(static_cast<double>(s)));
  return largest;
}

double spread_of(const std::vector<float>& scores) {
  const auto [low, high] = std::minmax_element(scores.begin(), scores.end());
  return static_cast<double>(*high) - *low;
}

core::Tensor picture_of(const core::Tensor& images, std::int64_t b) {
  core::Tensor one{images.shape, {}};
  one.shape[0] = 1;
  const auto size = static_cast<std::ptrdiff_t>(images.data.size()) / images.shape[0];
  one.data.assign(images.data.begin() + b * size, images.data.begin() + (b + 1) * size);
  return one;
}

// The checks share the first scores; a check that throws becomes a failed row.
class Run {
 public:
  explicit Run(const Subject& subject)
      : subject_(subject), images_(draw_pictures(kPictures, kHeight, kWidth)) {}

  std::vector<Check> all() {
    const bool usable = guarded("finite", [&] { finite(); });
    if (!usable) return std::move(checks_);
    guarded("detectors", [&] { detectors(); });
    guarded("pictures", [&] { pictures(); });
    guarded("prompts", [&] { read_prompts(); });
    guarded("range", [&] { range(); });
    guarded("batch", [&] { batch(); });
    if (guarded("gradient", [&] { gradient(); })) guarded("ascent", [&] { ascent(); });
    return std::move(checks_);
  }

 private:
  template <class Body>
  bool guarded(const char* name, Body body) {
    name_ = name;
    try {
      body();
    } catch (const std::exception& error) {
      add(Status::kFailed, error.what());
    }
    return checks_.back().status != Status::kFailed;
  }
  void add(Status status, std::string text) { checks_.push_back({name_, status, std::move(text)}); }
  void expect(bool good, std::string text) {
    add(good ? Status::kPassed : Status::kFailed, std::move(text));
  }

  std::vector<float> score(const core::Tensor& images, const std::vector<std::string>& texts) {
    std::vector<float> scores = subject_.score(images, texts, false).scores;
    if (scores.size() != static_cast<std::size_t>(images.shape[0]))
      throw Error(HN_INTERNAL, cat("expected ", images.shape[0], " scores, got ", scores.size()));
    return scores;
  }
  std::vector<std::string> same_prompt(std::size_t i) const {
    return std::vector<std::string>(kPictures, prompts()[i]);
  }

  void finite() {
    scores_ = score(images_, same_prompt(0));
    for (std::size_t b = 0; b < scores_.size(); ++b)
      if (!std::isfinite(scores_[b]))
        return expect(false, cat("the score of picture ", b, " is ", scores_[b]));
    expect(true, cat("scores from ", *std::min_element(scores_.begin(), scores_.end()), " to ",
                     *std::max_element(scores_.begin(), scores_.end())));
  }

  void detectors() {
    if (subject_.detectors.empty()) return add(Status::kSkipped, "the manifest names none");
    for (const host::Detector& each : subject_.detectors)
      for (const float s : scores_)
        if (std::abs(s - each.score) <= each.tolerance)
          return expect(false, cat("a score is ", s, ": ", each.means));
    expect(true, cat("none of ", subject_.detectors.size(), " was met"));
  }

  void pictures() {
    const bool differ = spread_of(scores_) > kSame * scale_of(scores_);
    if (!differ && !subject_.differentiable)
      return add(Status::kSkipped,
                 cat("all pictures score ", scores_[0], "; of a verdict that means nothing"));
    expect(differ, differ ? cat("they differ by ", spread_of(scores_))
                          : cat("the score is ", scores_[0], " for ", kPictures,
                                " different pictures: were the weights loaded?"));
  }

  void read_prompts() {
    if (subject_.facts.text_limit == 0) return add(Status::kSkipped, "reads no prompt");
    double largest = 0;
    for (std::size_t i = 1; i < prompts().size(); ++i) {
      const std::vector<float> other = score(images_, same_prompt(i));
      for (std::size_t b = 0; b < other.size(); ++b)
        largest = std::max(largest, std::abs(static_cast<double>(other[b]) - scores_[b]));
    }
    const bool differ = largest > kSame * scale_of(scores_);
    if (!differ && !subject_.differentiable)
      return add(Status::kSkipped, "all prompts score alike; of a verdict that means nothing");
    expect(differ, differ ? cat("they change the score by up to ", largest)
                          : cat("the score does not change with the prompt (", prompts().size(),
                                " were tried): is it read?"));
  }

  void range() {
    const host::RewardFacts& facts = subject_.facts;
    if (!facts.min && !facts.max) return add(Status::kSkipped, "the manifest has no bounds");
    for (const float s : scores_) {
      const double slack = kRange * scale_of(scores_);
      if ((facts.min && s < *facts.min - slack) || (facts.max && s > *facts.max + slack))
        return expect(
            false, cat("a score is ", s, ", outside of ", facts.min ? cat(*facts.min) : "-infinity",
                       " to ", facts.max ? cat(*facts.max) : "infinity"));
    }
    expect(true, "all scores lie in the manifest's bounds");
  }

  // A different prompt for each picture, together and one by one.
  void batch() {
    const std::vector<std::string> texts(prompts().begin(), prompts().begin() + kPictures);
    const std::vector<float> together = score(images_, texts);
    double largest = 0;
    std::int64_t worst = 0;
    for (std::int64_t b = 0; b < kPictures; ++b) {
      const auto at = static_cast<std::size_t>(b);
      const float alone = score(picture_of(images_, b), {texts[at]}).at(0);
      const double difference = std::abs(static_cast<double>(alone) - together[at]);
      // Written so that NaN counts.
      if (!(difference <= largest)) {
        largest = difference;
        worst = b;
      }
    }
    const bool good = largest <= kBatch * scale_of(together);
    expect(good,
           cat("picture ", worst, " alone and in a batch of ", kPictures, " differs by ", largest));
  }

  void gradient() {
    if (!subject_.differentiable) return add(Status::kSkipped, "score-only");
    grad_ = subject_.score(images_, same_prompt(0), true).image_grad;
    if (grad_.data.size() != images_.data.size())
      return expect(false,
                    cat("expected ", images_.data.size(), " numbers, got ", grad_.data.size()));
    for (std::int64_t b = 0; b < kPictures; ++b) {
      double squares = 0;
      for (const float g : picture_of(grad_, b).data) squares += static_cast<double>(g) * g;
      if (!std::isfinite(squares))
        return expect(false, cat("that of picture ", b, " is not finite"));
      if (squares == 0) return expect(false, cat("that of picture ", b, " is zero everywhere"));
      norms_[static_cast<std::size_t>(b)] = std::sqrt(squares);
    }
    expect(true, cat("length from ", *std::min_element(norms_.begin(), norms_.end()), " to ",
                     *std::max_element(norms_.begin(), norms_.end())));
  }

  // A step along each picture's gradient, and one against it; no pixel moves by more than 0.02.
  void ascent() {
    if (!subject_.differentiable) return add(Status::kSkipped, "score-only");
    core::Tensor up = images_, down = images_;
    std::array<double, kPictures> expected{};
    const std::size_t size = images_.data.size() / kPictures;
    for (std::size_t b = 0; b < kPictures; ++b) {
      double largest = 0;
      for (std::size_t i = 0; i < size; ++i)
        largest = std::max(largest, std::abs(static_cast<double>(grad_.data[b * size + i])));
      const double step = 0.02 / largest;
      expected[b] = 2 * step * norms_[b] * norms_[b];
      for (std::size_t i = b * size; i < (b + 1) * size; ++i) {
        const auto move = static_cast<float>(step * grad_.data[i]);
        up.data[i] += move;
        down.data[i] -= move;
      }
    }
    const std::vector<float> high = score(up, same_prompt(0)), low = score(down, same_prompt(0));
    std::size_t asked = 0;
    for (std::size_t b = 0; b < kPictures; ++b) {
      if (expected[b] < 1e-5 * scale_of(scores_)) continue;  // drowns in float32's rounding
      ++asked;
      if (!(high[b] > low[b]))
        return expect(false, cat("picture ", b, ": ", high[b], " along the gradient, ", low[b],
                                 " against it, where it promises a rise of ", expected[b]));
    }
    if (asked == 0) return add(Status::kSkipped, "the gradients are too small to be followed");
    expect(true, cat("the score rises along the gradient for all of ", asked, " pictures"));
  }

  const Subject& subject_;
  core::Tensor images_, grad_;
  std::vector<float> scores_;
  std::array<double, kPictures> norms_{};
  std::string name_;
  std::vector<Check> checks_;
};

}  // namespace

const char* status_name(Status status) {
  switch (status) {
    case Status::kPassed: return "passed";
    case Status::kFailed: return "failed";
    case Status::kSkipped: return "skipped";
  }
  return "";
}

core::Tensor draw_pictures(std::int64_t count, std::int64_t height, std::int64_t width) {
  core::Tensor images{{count, 3, height, width}, {}};
  images.data.reserve(static_cast<std::size_t>(count * 3 * height * width));
  for (std::int64_t b = 0; b < count; ++b) {
    std::uint64_t state = 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(b + 1);
    const auto uniform = [&state] {  // splitmix64
      std::uint64_t z = state += 0x9E3779B97F4A7C15ull;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
      return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
    };
    struct Blob {
      double y, x, radius;
      std::array<double, 3> colour;
    };
    std::array<double, 3> left{}, right{};
    for (double& v : left) v = uniform();
    for (double& v : right) v = uniform();
    std::array<Blob, 3> blobs{};
    for (Blob& blob : blobs) {
      blob.y = uniform();
      blob.x = uniform();
      blob.radius = 0.08 + 0.2 * uniform();
      for (double& v : blob.colour) v = uniform();
    }
    for (std::size_t c = 0; c < 3; ++c)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x) {
          const double v = (static_cast<double>(y) + 0.5) / static_cast<double>(height);
          const double u = (static_cast<double>(x) + 0.5) / static_cast<double>(width);
          double value = left[c] + (right[c] - left[c]) * u;
          for (const Blob& blob : blobs)
            if (std::hypot(v - blob.y, u - blob.x) < blob.radius) value = blob.colour[c];
          value = 0.85 * value + 0.15 * uniform();
          images.data.push_back(static_cast<float>(0.1 + 0.8 * value));
        }
  }
  return images;
}

std::vector<Check> run_checks(const Subject& subject) { return Run(subject).all(); }

}  // namespace hn::selftest
