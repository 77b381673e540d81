// Every key of the configuration, once: the reader, the writer and the list of keys visit the same
// functions, so none of them can know a key that another does not.
//
// A visitor has text, path, flag, integer, number, bytes (a text such as "8GiB"), maybe (a number
// that may be left out), list, integers and choice, each with the key, the field, and for numbers
// the least and greatest value allowed.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "config/ranges.hpp"
#include "config/run_config.hpp"

namespace hn::host {

template <class Enum, std::size_t N>
using EnumNames = std::array<std::pair<std::string_view, Enum>, N>;

inline constexpr auto kNetKinds = core::kNetKindNames;
inline constexpr auto kNetConditions = core::kNetConditionNames;
inline constexpr EnumNames<core::Optimiser, 2> kOptimisers = {
    {{"adamw", core::Optimiser::kAdamW}, {"sgd", core::Optimiser::kSgd}}};
inline constexpr EnumNames<core::Schedule, 3> kSchedules = {
    {{"constant", core::Schedule::kConstant},
     {"linear", core::Schedule::kLinear},
     {"cosine", core::Schedule::kCosine}}};
inline constexpr EnumNames<core::Regulariser, 3> kRegularisers = {
    {{"mean", core::Regulariser::kMean},
     {"paper", core::Regulariser::kPaper},
     {"norm", core::Regulariser::kNorm}}};
inline constexpr EnumNames<core::LatentMode, 4> kLatentModes = {
    {{"inf", core::LatentMode::kInf},
     {"batch", core::LatentMode::kBatch},
     {"multi", core::LatentMode::kMulti},
     {"one", core::LatentMode::kOne}}};
inline constexpr EnumNames<core::NonFinite, 2> kNonFinite = {
    {{"stop", core::NonFinite::kStop}, {"skip", core::NonFinite::kSkip}}};

inline constexpr EnumNames<core::Unavailable, 3> kUnavailable = {
    {{"stop", core::Unavailable::kStop},
     {"repeat", core::Unavailable::kRepeat},
     {"skip", core::Unavailable::kSkip}}};
inline constexpr EnumNames<core::Isolation, 4> kIsolations = {
    {{"auto", core::Isolation::kAuto},
     {"none", core::Isolation::kNone},
     {"process", core::Isolation::kProcess},
     {"sandbox", core::Isolation::kSandbox}}};

inline constexpr EnumNames<core::Determinism, 3> kDeterminism = {
    {{"auto", core::Determinism::kAuto},
     {"yes", core::Determinism::kYes},
     {"no", core::Determinism::kNo}}};

inline constexpr EnumNames<bool, 2> kGuardPolicies = {{{"stop", true}, {"lower", false}}};

inline constexpr EnumNames<SearchMethod, 6> kSearchMethods = {
    {{"best-of-n", SearchMethod::kBestOfN},
     {"threshold", SearchMethod::kThreshold},
     {"random", SearchMethod::kRandom},
     {"zeroth-order", SearchMethod::kZerothOrder},
     {"reno", SearchMethod::kReno},
     {"langevin", SearchMethod::kLangevin}}};

inline constexpr double kInfinite = std::numeric_limits<double>::max();

template <class Visitor>
void visit_top(Visitor& v, RunConfig& c) {
  v.text("generator", c.generator);
  v.text("weights", c.weights);
  v.text("device", c.device);
  v.text("dtype", c.dtype);
  v.integer("seed", c.seed, 0, kMostSeed);
  v.integer("threads", c.threads, 0, kMostThreads);
  v.choice("deterministic", c.deterministic, kDeterminism);
  v.integer("prompt_cache_mib", c.prompt_cache_mib, 0, kMostSteps);
  v.choice("isolation", c.isolation, kIsolations);
}

// The options of one [[reward]] are read and written beside this.
template <class Visitor>
void visit_reward(Visitor& v, RewardConfig& c) {
  v.text("name", c.name);
  v.number("weight", c.weight, -kInfinite, kInfinite);
  v.flag("train", c.train);
  v.text("weights", c.weights);
  v.integer("every", c.every, 0, kMostSteps);
  v.integer("batch", c.batch, 0, kMostSamples);
  v.integer("resize", c.resize, 0, 16384);
  v.list("relative", c.relative);
  v.choice("isolation", c.isolation, kIsolations);
}

template <class Visitor>
void visit_guard(Visitor& v, core::GuardSpec& c) {
  v.text("reward", c.reward);
  v.maybe("bound", c.bound);
  v.maybe("drop", c.drop);
  v.choice("policy", c.stop, kGuardPolicies);
  v.number("factor", c.factor, 0, 1);
}

template <class Visitor>
void visit_net(Visitor& v, core::NetSpec& c) {
  v.choice("kind", c.kind, kNetKinds);
  v.integer("rank", c.rank, 1, 65536);
  v.number("alpha", c.alpha, 0, kInfinite);
  v.list("targets", c.targets);
  v.path("file", c.file);
  v.integer("frequencies", c.frequencies, 1, 65536);
  v.integer("width", c.width, 1, 65536);
  v.integer("depth", c.depth, 0, 64);
  v.choice("condition", c.condition, kNetConditions);
}

template <class Visitor>
void visit_train(Visitor& v, TrainConfig& c) {
  core::TrainSpec& s = c.spec;
  v.text("prompts", c.prompts);
  v.text("sample_prompts", c.sample_prompts);
  v.integer("steps", s.steps, 0, kMostSteps);
  v.integer("batch", s.batch, 1, kMostSamples);
  v.integer("micro_batch", s.micro_batch, 0, kMostSamples);
  v.bytes("memory_budget", s.memory_budget);
  v.integer("accumulation", s.accumulation, 1, kMostSamples);
  v.choice("optimiser", s.optimiser, kOptimisers);
  v.number("lr", s.lr, 0, kInfinite);
  v.number("beta1", s.beta1, 0, 1);
  v.number("beta2", s.beta2, 0, 1);
  v.number("eps", s.eps, 0, kInfinite);
  v.number("weight_decay", s.weight_decay, 0, kInfinite);
  v.number("momentum", s.momentum, 0, 1);
  v.integer("warmup", s.warmup, 0, kMostSteps);
  v.choice("schedule", s.schedule, kSchedules);
  v.number("decay_from", s.decay_from, 0, 1);
  v.number("decay_to", s.decay_to, 0, 1);
  v.number("clip", s.clip, 0, kInfinite);
  v.choice("reg", s.reg, kRegularisers);
  v.number("reg_weight", s.reg_weight, 0, kInfinite);
  v.maybe("kl_target", c.kl_target);
  v.number("outlier", s.outlier, 0, kInfinite);
  v.number("sample_outlier", s.sample_outlier, 0, kInfinite);
  v.integer("zeroth_order", s.zeroth_order, 0, kMostSamples);
  v.number("zeroth_order_sigma", s.zeroth_order_sigma, 0, kInfinite);
  v.integer("policy_epochs", s.policy_epochs, 1, kMostSteps);
  v.number("policy_clip", s.policy_clip, 0, 1);
  v.number("ema", s.ema, 0, 1);
  v.number("return_factor", s.return_factor, 0, 1);
  v.integer("max_returns", s.max_returns, 0, kMostSteps);
  v.choice("latents", s.latents, kLatentModes);
  v.integer("latent_count", s.latent_count, 1, kMostSteps);
  v.choice("non_finite", s.non_finite, kNonFinite);
  v.choice("unavailable", s.unavailable, kUnavailable);
  v.integer("max_repeats", s.max_repeats, 0, kMostSteps);
  v.integer("max_skips", s.max_skips, 0, kMostSteps);
  v.flag("reward_normalise", s.reward_normalise);
  v.integer("watch", s.watch, 0, kMostSteps);
  v.integer("checkpoint_every", c.checkpoint_every, 0, kMostSteps);
  v.integer("sample_every", c.sample_every, 0, kMostSteps);
}

template <class Visitor>
void visit_validation(Visitor& v, ValidationConfig& c) {
  v.text("prompts", c.prompts);
  v.integer("count", c.count, 0, kMostSteps);
  v.integer("seed", c.seed, 0, kMostSeed);
  v.integer("every", c.every, 0, kMostSteps);
  v.integer("patience", c.patience, 0, kMostSteps);
}

template <class Visitor>
void visit_eval(Visitor& v, EvalConfig& c) {
  v.text("prompts", c.prompts);
  v.integer("count", c.count, 0, kMostSteps);
  v.integers("seeds", c.seeds);
  v.integer("batch", c.batch, 1, kMostSamples);
  v.list("rewards", c.rewards);
}

template <class Visitor>
void visit_pictures(Visitor& v, PicturesConfig& c) {
  v.integer("max_pixels", c.max_pixels, 1, std::numeric_limits<std::int64_t>::max());
  v.flag("exif_orientation", c.exif_orientation);
}

template <class Visitor>
void visit_worker(Visitor& v, core::PluginPlace& c) {
  v.number("timeout", c.timeout_seconds, 0, kMostSteps);
  v.bytes("memory", c.memory_bytes);
  v.integer("cpu_seconds", c.cpu_seconds, 0, kMostSteps);
}

template <class Visitor>
void visit_search(Visitor& v, SearchConfig& c) {
  v.choice("method", c.method, kSearchMethods);
  v.integer("n", c.n, 1, kMostSamples);
  v.integer("batch", c.batch, 1, kMostSamples);
  v.number("sigma", c.sigma, 0, 1);
  v.integer("neighbours", c.neighbours, 1, kMostSamples);
  v.maybe("threshold", c.threshold);
  v.number("most", c.most, 1, kMostSamples);
  v.number("lr", c.lr, 0, kInfinite);
  v.number("momentum", c.momentum, 0, 1);
  v.flag("nesterov", c.nesterov);
  v.number("clip", c.clip, 0, kInfinite);
  v.number("reg_weight", c.reg_weight, 0, kInfinite);
  v.number("eta", c.eta, 0, 1);
  v.number("temperature", c.temperature, 1e-300, kInfinite);
}

template <class Visitor>
void visit_run(Visitor& v, RunSection& c) {
  v.text("dir", c.dir);
  v.flag("overwrite", c.overwrite);
  v.flag("tensorboard", c.tensorboard);
}

}  // namespace hn::host
