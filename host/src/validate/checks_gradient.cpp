// Gradients against central differences.
//
// L(x) = sum of cotangent * output, in float64 from float32 outputs. Along a direction d,
// (L(x + h d) - L(x - h d)) / 2h is compared with <gradient, d>. Its error falls with h (curvature)
// and rises again (rounding of the outputs); where a function has kinks (ReLU, clamps) it falls
// slowly and unevenly. So a row of step sizes is tried, and the five neighbours that agree best are
// taken: their spread is the tolerance.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

constexpr int kSteps = 7, kNeighbours = 5;
constexpr double kFirstStep = 0.04;  // times the inputs' own scale; halved kSteps - 1 times
constexpr double kSettled = 1e-3;    // of the slope
constexpr double kRelative = 5e-3;   // of the gradient's size, beside what the step study allows

struct Study {
  double slope = 0;  // of the middle one of the neighbours
  double error = 0;  // their spread
  double step = 0;
};

// The inputs that one direction moves, with their unit of change.
struct Group {
  std::string name;
  std::vector<std::size_t> slots;
};

class Differences {
 public:
  Differences(Fn& fn, std::int64_t batch)
      : case_(fn, {.batch = batch}), start_(case_.inputs()), cotangents_(case_.cotangents(1)) {
    case_.forward(true);
    gradients_ = case_.backward(cotangents_);
    case_.release();
  }

  const AllValues& gradients() const { return gradients_; }
  // Root mean square of an input: a step of 0.04 means 4 %.
  double scale(std::size_t slot) const {
    const Values& v = *start_[slot];
    const double rms = v.empty() ? 0 : norm(v) / std::sqrt(static_cast<double>(v.size()));
    return rms > 0 ? std::min(rms, 1.0) : 0.1;
  }

  Study along(const std::vector<std::size_t>& slots, const std::vector<Values>& direction) {
    std::array<double, kSteps> slopes{};
    Study best;
    best.error = INFINITY;
    double h = kFirstStep;
    for (int step = 0; step < kSteps; ++step, h /= 2) {
      slopes[static_cast<std::size_t>(step)] =
          (loss(slots, direction, h) - loss(slots, direction, -h)) / (2 * h);
      const int first = step + 1 - kNeighbours;
      if (first < 0) continue;
      const auto [low, high] =
          std::minmax_element(slopes.begin() + first, slopes.begin() + first + kNeighbours);
      const int middle = first + kNeighbours / 2;
      if (*high - *low < best.error)
        best = {slopes[static_cast<std::size_t>(middle)], *high - *low, kFirstStep / (1 << middle)};
      // They agree more closely than the comparison asks for: smaller steps would tell no more.
      if (best.error <= kSettled * std::fabs(best.slope)) break;
    }
    for (std::size_t n = 0; n < slots.size(); ++n) case_.in(slots[n]).write(*start_[slots[n]]);
    return best;
  }

 private:
  double loss(const std::vector<std::size_t>& slots, const std::vector<Values>& direction,
              double h) {
    for (std::size_t n = 0; n < slots.size(); ++n) {
      Values moved = *start_[slots[n]];
      for (std::size_t j = 0; j < moved.size(); ++j)
        moved[j] = static_cast<float>(static_cast<double>(moved[j]) +
                                      h * static_cast<double>(direction[n][j]));
      case_.in(slots[n]).write(moved);
    }
    case_.forward(false);
    const auto outputs = case_.outputs();
    double sum = 0;
    for (std::size_t k = 0; k < outputs.size(); ++k)
      if (cotangents_[k]) sum += dot(outputs[k], *cotangents_[k]);
    return sum;
  }

  Case case_;
  AllValues start_, cotangents_, gradients_;
};

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", v);
  return text;
}

// False where the differences are too coarse to judge by, unless `last`: then that is the failure.
bool compare(Differences& differences, const Group& group, const std::vector<Values>& direction,
             const std::string& kind, bool last) {
  double analytic = 0, size = 0;
  for (std::size_t n = 0; n < group.slots.size(); ++n) {
    const Values& g = *differences.gradients()[group.slots[n]];
    expect_finite(g, "gradient of " + group.name);
    analytic += dot(g, direction[n]);
    const double rms =
        norm(direction[n]) /
        std::sqrt(static_cast<double>(std::max<std::size_t>(1, direction[n].size())));
    size += std::pow(norm(g) * rms, 2);
  }
  size = std::sqrt(size);  // what a slope along a random direction of this length comes to
  const Study study = differences.along(group.slots, direction);
  const std::string numbers =
      "central differences give " + number(study.slope) + " +- " + number(study.error) +
      " at step " + number(study.step) + ", the gradient " + number(analytic) + " (typical size " +
      number(size) + ")" + (size > 0 ? "" : "; it is zero everywhere: was the graph cut off?");
  const double scale = std::max({size, std::fabs(study.slope), std::fabs(analytic)});
  const double off = std::fabs(analytic - study.slope);
  expect(off <= 3 * study.error + kRelative * scale,
         "gradient of " + group.name + ", " + kind + ": " + numbers);
  // A study too coarse to tell a right gradient from a wrong one is no proof.
  const bool settled = study.error <= 0.1 * scale || scale == 0;
  expect(settled || !last,
         "gradient of " + group.name + ", " + kind + ": the differences do not settle: " + numbers);
  return settled;
}

bool differences_agree(Fn& fn, std::int64_t batch, bool last) {
  Differences differences(fn, batch);
  std::vector<Group> groups;
  Group parameters{"all parameters together", {}};
  std::vector<std::size_t> singles;
  for (std::size_t i = 0; i < fn.inputs().size(); ++i) {
    if (!differences.gradients()[i] || differences.gradients()[i]->empty()) continue;
    if (fn.inputs()[i].is(HN_SLOT_PARAM)) {
      parameters.slots.push_back(i);
    } else {
      groups.push_back({fn.inputs()[i].name, {i}});
    }
  }
  if (!parameters.slots.empty()) {
    groups.push_back(parameters);
    // A few of them alone: a wrong one must not hide behind the others.
    const std::size_t step = std::max<std::size_t>(1, parameters.slots.size() / 3);
    for (std::size_t n = 0; n < parameters.slots.size() && parameters.slots.size() > 1; n += step)
      groups.push_back({fn.inputs()[parameters.slots[n]].name, {parameters.slots[n]}});
  }
  std::uint64_t seed = 11;
  for (const Group& group : groups) {
    for (const bool along_gradient : {false, true}) {
      std::vector<Values> direction;
      double total = 0;
      for (const std::size_t i : group.slots) {
        const Values& g = *differences.gradients()[i];
        Values d = along_gradient ? g : Random(++seed).normals(g.size());
        const double length = norm(d);
        total += length;
        // Every slot moves by its own scale. Along the gradient every element pulls the same way,
        // so there the whole slot moves as far as one element does along a random direction.
        const double reach = along_gradient ? 1 : std::sqrt(static_cast<double>(d.size()));
        const double unit = length > 0 ? differences.scale(i) * reach / length : 0;
        for (float& v : d) v = static_cast<float>(unit * static_cast<double>(v));
        direction.push_back(std::move(d));
      }
      if (total == 0) continue;  // a gradient of zeros: the random direction has judged it
      if (!compare(differences, group, direction,
                   along_gradient ? "along itself" : "along a random direction", last))
        return false;
    }
  }
  return true;
}

// One sample stands for all of a function that does not mix them: that a batch's gradients are
// those of its samples is forward.batch_independent. One with corners may have them where that
// sample lies; two then decide.
void finite_differences(Context& c) {
  const bool mixes = (c.fn().flags() & HN_FN_MIXES_SAMPLES) != 0;
  if (mixes || !differences_agree(c.fn(), 1, false)) (void)differences_agree(c.fn(), 2, true);
}

constexpr Check kChecks[] = {
    {"gradient.finite_differences",
     "The gradients are those of the outputs, by central differences along several directions.",
     Scope::kFunction, &needs_gradient, &finite_differences, "backward.works"},
};

}  // namespace

std::span<const Check> gradient_checks() { return kChecks; }

}  // namespace hn::validate
