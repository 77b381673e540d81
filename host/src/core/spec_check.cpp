#include "core/spec_check.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

namespace hn::core {
namespace {

class Problems {
 public:
  template <class T>
  void require(bool fits, const std::string& field, const char* range, const T& value) {
    if (fits) return;
    std::ostringstream text;
    text << "\n  " << field << ": expected " << range << ", got " << value;
    text_ += text.str();
  }
  void finish() const {
    if (!text_.empty()) throw Error(HN_INVALID_ARGUMENT, "[session] out of range:" + text_);
  }

 private:
  std::string text_;
};

void check_train(const TrainSpec& t, Problems& p) {
  const auto finite_from_0 = [](double v) { return std::isfinite(v) && v >= 0; };
  const auto share = [](double v) { return v >= 0 && v < 1; };
  p.require(t.steps >= 0, "train.steps", "0 or more", t.steps);
  p.require(t.batch >= 1, "train.batch", "1 or more", t.batch);
  p.require(t.accumulation >= 1, "train.accumulation", "1 or more", t.accumulation);
  p.require(t.micro_batch >= 0, "train.micro_batch", "0 (the batch) or more", t.micro_batch);
  p.require(finite_from_0(t.lr), "train.lr", "a finite number from 0", t.lr);
  p.require(share(t.beta1), "train.beta1", "at least 0 and below 1", t.beta1);
  p.require(share(t.beta2), "train.beta2", "at least 0 and below 1", t.beta2);
  p.require(std::isfinite(t.eps) && t.eps > 0, "train.eps", "above 0", t.eps);
  p.require(finite_from_0(t.weight_decay), "train.weight_decay", "0 or more", t.weight_decay);
  p.require(share(t.momentum), "train.momentum", "at least 0 and below 1", t.momentum);
  p.require(t.warmup >= 0, "train.warmup", "0 or more", t.warmup);
  p.require(t.decay_from >= 0 && t.decay_from <= 1, "train.decay_from", "0 to 1", t.decay_from);
  p.require(finite_from_0(t.decay_to), "train.decay_to", "0 or more", t.decay_to);
  p.require(finite_from_0(t.clip), "train.clip", "0 (none) or more", t.clip);
  p.require(t.outlier == 0 || (std::isfinite(t.outlier) && t.outlier >= 1), "train.outlier",
            "0 (off) or at least 1", t.outlier);
  p.require(std::isfinite(t.sample_outlier) && t.sample_outlier >= 0, "train.sample_outlier",
            "0 (off) or more", t.sample_outlier);
  p.require(t.zeroth_order >= 0, "train.zeroth_order", "0 (off) or more", t.zeroth_order);
  p.require(std::isfinite(t.zeroth_order_sigma) && t.zeroth_order_sigma > 0,
            "train.zeroth_order_sigma", "above 0", t.zeroth_order_sigma);
  p.require(t.policy_epochs >= 1, "train.policy_epochs", "1 or more", t.policy_epochs);
  p.require(t.policy_clip > 0 && t.policy_clip <= 1, "train.policy_clip", "above 0, to 1",
            t.policy_clip);
  p.require(share(t.ema), "train.ema", "at least 0 and below 1", t.ema);
  p.require(t.kl_target == kAutoKlTarget || finite_from_0(t.kl_target), "train.kl_target",
            "0 (none) or more", t.kl_target);
  p.require(t.return_factor > 0 && t.return_factor <= 1, "train.return_factor", "above 0, to 1",
            t.return_factor);
  p.require(t.max_returns >= 0, "train.max_returns", "0 or more", t.max_returns);
  p.require(std::isfinite(t.reg_weight), "train.reg_weight", "a finite number", t.reg_weight);
  p.require(t.latent_count >= 1, "train.latent_count", "1 or more", t.latent_count);
  p.require(t.max_repeats >= 0, "train.max_repeats", "0 or more", t.max_repeats);
  p.require(t.max_skips >= 0, "train.max_skips", "0 or more", t.max_skips);
  const auto has_zero = [](const std::string& text) {
    return std::find(text.begin(), text.end(), '\0') != text.end();
  };
  for (std::size_t i = 0; i < t.prompts.size(); ++i)
    if (has_zero(t.prompts[i].text) || has_zero(t.prompts[i].negative) ||
        has_zero(t.prompts[i].json))
      p.require(false, "train.prompts", "texts without zero bytes",
                "line " + std::to_string(i + 1));
}

void check_guard(const GuardSpec& guard, const std::vector<RewardSpec>& rewards, Problems& p) {
  const std::string field = "guard " + guard.reward;
  const auto watched = [&](const RewardSpec& reward) {
    return reward.name == guard.reward && reward.every > 0;
  };
  p.require(std::any_of(rewards.begin(), rewards.end(), watched), field,
            "a reward that runs in training (every above 0)", guard.reward);
  p.require(guard.bound.has_value() != guard.drop.has_value(), field, "either bound or drop",
            guard.bound ? "both" : "neither");
  p.require(std::isfinite(guard.bound.value_or(0)), field + ".bound", "a finite number",
            guard.bound.value_or(0));
  p.require(std::isfinite(guard.drop.value_or(0)) && guard.drop.value_or(0) >= 0, field + ".drop",
            "a finite number from 0", guard.drop.value_or(0));
  p.require(guard.factor >= 0 && guard.factor < 1, field + ".factor", "at least 0 and below 1",
            guard.factor);
}

}  // namespace

void check_spec(const SessionSpec& spec) {
  Problems p;
  check_train(spec.train, p);
  const NetSpec& net = spec.net;
  if (is_lora(net.kind)) {
    p.require(net.rank >= 1, "net.rank", "1 or more", net.rank);
    p.require(std::isfinite(net.alpha) && net.alpha > 0, "net.alpha", "above 0", net.alpha);
  }
  if (net.kind == NetKind::kLowFrequency) {
    p.require(net.frequencies >= 1, "net.frequencies", "1 or more", net.frequencies);
    p.require(net.width >= 1 && net.width <= 65536, "net.width", "1 to 65536", net.width);
    p.require(net.depth >= 0 && net.depth <= 64, "net.depth", "0 to 64", net.depth);
  }
  p.require(spec.threads >= 0, "threads", "0 (all cores) or more", spec.threads);
  std::set<std::string> names;
  for (const RewardSpec& reward : spec.rewards) {
    const std::string field = "reward " + reward.name;
    p.require(names.insert(reward.name).second, "rewards", "different names", reward.name);
    p.require(std::isfinite(reward.weight), field + ".weight", "a finite number", reward.weight);
    p.require(std::isfinite(reward.loss_scale) && std::isfinite(reward.loss_target),
              field + ".loss", "finite numbers", reward.loss_scale);
    p.require(reward.every >= 0, field + ".every", "0 (never) or more", reward.every);
    p.require(!reward.train || reward.every >= 1, field + ".every", "1 or more where it is trained",
              reward.every);
    p.require(reward.batch >= 0, field + ".batch", "0 (all) or more", reward.batch);
    p.require(reward.resize >= 0, field + ".resize", "0 (as they come) or more", reward.resize);
  }
  p.require(spec.train.watch >= 0, "train.watch", "0 (never) or more", spec.train.watch);
  for (const GuardSpec& guard : spec.train.guards) check_guard(guard, spec.rewards, p);
  p.finish();
}

}  // namespace hn::core
