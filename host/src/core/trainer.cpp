#include "core/trainer.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>

#include "core/finite.hpp"
#include "core/host_tensor.hpp"
#include "core/loss.hpp"
#include "core/shape_numbers.hpp"

namespace hn::core {
namespace {

bool is_unavailable(hn_status code) { return code == HN_UNAVAILABLE || code == HN_DEADLINE; }

std::string text_of(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", number);
  return text;
}

}  // namespace

Trainer::Trainer(const SessionSpec& spec, GeneratorModel& generator,
                 std::vector<std::unique_ptr<RewardModel>>& rewards, Adapter& adapter,
                 PromptCache& prompts, at::Device device)
    : spec_(spec),
      train_(spec.train),
      runtime_(generator.instance().runtime()),
      generator_(generator),
      prompts_(prompts),
      rewards_(rewards),
      noise_shape_(generator.noise_shape()),
      step_noises_(
          GeneratorModel::slots(generator.generate()).step_noise >= 0 ? generator.steps() - 1 : 0),
      adapter_(adapter),
      device_(device),
      draws_(spec.seed),
      chain_(generator, rewards, adapter, spec.train, prompts, device, micro_batch()),
      optimiser_(spec.train, adapter.values()),
      states_(spec),
      kept_(spec.train, adapter.values()),
      kl_(KlControl::target(spec, shape_numbers(noise_shape_))),
      watch_(spec.train.outlier),
      samples_(spec.train.sample_outlier) {}

std::int64_t Trainer::micro_batch() const {
  return train_.micro_batch > 0 ? std::min(train_.micro_batch, train_.batch) : train_.batch;
}

void Trainer::encode_ahead() {
  const auto option = [&](const char* key) -> std::string {
    const auto found = spec_.generator.options.find(key);
    const auto* text =
        found == spec_.generator.options.end() ? nullptr : std::get_if<std::string>(&found->second);
    return text == nullptr ? "" : *text;
  };
  if (option("text_encoder") != "free") return;
  std::map<std::string, const Prompt*> distinct;
  for (const Prompt& prompt : train_.prompts)
    distinct.emplace(key_of(prompt, kAllPromptFields), &prompt);
  std::uint64_t done = 0;
  for (const auto& [key, prompt] : distinct) {
    runtime_.services.stop_if_cancelled("train_step");
    const std::size_t before = prompts_.size();
    prompts_.get(generator_.instance(), std::span(prompt, 1));
    runtime_.services.progress("encode prompts", ++done, distinct.size());
    if (option("prompt_cache") == "off" && prompts_.size() <= before) return;  // it is full
  }
}

void Trainer::prepare() {
  if (prepared_) return;
  encode_ahead();
  check_prompts();
  prepared_ = true;
}

void Trainer::check_prompts() {
  off_.assign(rewards_.size(), 0);
  warnings_.clear();
  std::vector<Prompt> prompts;  // the first different ones, in the order of the list
  std::set<std::string> seen;
  for (const Prompt& prompt : train_.prompts) {
    if (prompts.size() >= kPromptsAhead) break;
    if (seen.insert(key_of(prompt, kAllPromptFields)).second) prompts.push_back(prompt);
  }
  for (std::size_t k = 0; k < rewards_.size(); ++k) {
    RewardModel& reward = *rewards_[k];
    if (reward.spec().every == 0 || !reward.needs_prompts()) continue;
    std::map<std::size_t, std::string> refused;
    constexpr std::size_t kAtOnce = 32;  // between looks at whether to stop
    for (std::size_t first = 0; first < prompts.size(); first += kAtOnce) {
      runtime_.services.stop_if_cancelled("train_step");
      const auto part =
          std::span(prompts).subspan(first, std::min(kAtOnce, prompts.size() - first));
      for (const auto& [i, why] : prompts_.refusals(reward.instance(), part))
        refused.emplace(first + i, why);
      runtime_.services.progress("reading prompts for " + reward.spec().name, first + part.size(),
                                 prompts.size());
    }
    if (refused.empty()) continue;
    const std::string count =
        std::to_string(refused.size()) + " of " + std::to_string(prompts.size());
    const std::string why = refused.begin()->second;
    if (reward.spec().train) {
      constexpr std::size_t kNamed = 10;
      std::string names;
      std::size_t named = 0;
      for (const auto& [i, text] : refused)
        if (named++ < kNamed) names += "\n  '" + prompts[i].text.substr(0, 200) + "'";
      if (named > kNamed) names += "\n  and " + std::to_string(named - kNamed) + " more";
      throw Error(HN_INVALID_ARGUMENT, "[train] reward " + reward.spec().name +
                                           " is trained on and cannot answer " + count +
                                           " training prompts:" + names + "\nthe first: " + why);
    }
    if (refused.size() < prompts.size()) continue;  // told at the step where it happens
    off_[k] = 1;
    warnings_.push_back("reward " + reward.spec().name + ": off, it answers none of the " +
                        std::to_string(prompts.size()) +
                        " training prompts, and no guard on it acts: " + why);
    // The first step's report says it; a resumed run has none.
    if (steps_done_ > 0) runtime_.services.log(HN_LOG_WARNING, warnings_.back());
  }
}

double Trainer::accumulate_gradients(ChainTotals& totals) {
  const std::int64_t samples = train_.batch * train_.accumulation;
  const std::int64_t micro = micro_batch();
  // Where scores are used more than once, the steps that share them have the same samples.
  const auto epochs = static_cast<std::uint64_t>(train_.policy_epochs);
  const std::uint64_t drawn = steps_done_ / epochs;
  const std::uint64_t first_of_step = drawn * static_cast<std::uint64_t>(samples);
  std::vector<RewardTurn> turns;
  for (std::size_t k = 0; k < states_.size(); ++k)
    turns.push_back(
        {states_.runs(k, steps_done_ + 1) && off_[k] == 0,
         states_.checks_prompts(k, steps_done_ + 1), states_.checks_gradient(k, steps_done_ + 1),
         states_.checks_mixing(k, steps_done_ + 1), states_.slope(k), spec_.rewards[k].batch});
  std::vector<Prompt> prompts;
  // Accumulation and micro batches are the same sum; the former keeps its own batches.
  for (std::int64_t done = 0; done < samples;) {
    const std::int64_t left_in_batch = train_.batch - done % train_.batch;
    const std::int64_t count = std::min(micro, left_in_batch);
    const std::uint64_t first = first_of_step + static_cast<std::uint64_t>(done);
    prompts.clear();
    for (std::int64_t i = 0; i < count; ++i)
      prompts.push_back(train_.prompts[draws_.prompt(first + static_cast<std::uint64_t>(i),
                                                     train_.prompts.size())]);
    ChainBatch batch;
    batch.x0 = at::empty(join_shape({count}, noise_shape_), at::kFloat);
    draws_.train_noise(train_, drawn, first, batch.x0);
    batch.x0 = batch.x0.to(device_);
    if (step_noises_ > 0) {
      batch.step_noise = at::empty(join_shape({step_noises_, count}, noise_shape_), at::kFloat);
      draws_.train_step_noise(train_, drawn, first, batch.step_noise);
      batch.step_noise = batch.step_noise.to(device_);
    }
    batch.prompts = prompts;
    batch.reg_weight = train_.reg_weight * kl_.factor();
    batch.noise_gradient_limit = samples_.limit();
    batch.noise_gradient_push = samples_.push();
    batch.rng_seed = spec_.seed;
    batch.first = first;
    batch.position = done % train_.batch;
    batch.sample = done;
    batch.use = static_cast<std::int64_t>(steps_done_ % epochs);
    chain_.run(batch, turns, 1.0 / static_cast<double>(samples), done > 0, totals);
    done += count;
  }
  const double norm = clip_gradients(adapter_.gradients(), train_.clip);
  require_finite_gradients(norm);
  return norm;
}

void Trainer::require_finite_gradients(double norm) const {
  if (std::isfinite(norm)) return;
  for (const Adapter::Matrix& matrix : adapter_.matrices())
    if (!at::isfinite(matrix.gradient).all().item<bool>())
      throw NotFinite("gradient of the adapter: not finite in " + matrix.name);
  throw NotFinite("gradient of the adapter: its norm is not finite");
}

void Trainer::fill_report(const ChainTotals& totals, StepReport& report) {
  const auto samples = static_cast<double>(train_.batch * train_.accumulation);
  report.loss = totals.regulariser / samples;
  for (std::size_t k = 0; k < rewards_.size(); ++k) {
    const RewardSpec& spec = rewards_[k]->spec();
    const std::vector<double>& scores = totals.rewards[k].scores;
    double score = states_.at(k).last;  // of an earlier step, where it did not run in this one
    if (!scores.empty()) {
      score =
          std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
      report.rewards[k] = score;
    }
    if (!spec.train || std::isnan(score)) continue;
    report.reward += spec.weight * spec.loss_scale * score;
    report.loss += states_.loss(k, score);
  }
  report.probes = totals.probes;
  report.kl = totals.half_square / samples;
  report.reg_weight = train_.reg_weight * kl_.factor();
  report.delta_rms = std::sqrt(2 * report.kl / shape_numbers(noise_shape_));
  states_.finish_step(totals.rewards, report);
  for (const std::string& warning : report.warnings)
    runtime_.services.log(HN_LOG_WARNING, "step " + std::to_string(report.step) + ": " + warning);
}

double Trainer::gradients_of_step(ChainTotals& totals) {
  std::int64_t repeats = 0;
  bool trimmed = false;
  for (;;) {
    totals = {};
    try {
      return accumulate_gradients(totals);
    } catch (const Error& e) {
      if (e.code() == HN_OUT_OF_MEMORY && !trimmed) {
        trimmed = true;
        runtime_.services.log(HN_LOG_WARNING,
                              std::string("[train_step] starting the step again: ") + e.what());
        runtime_.reclaim();
        continue;
      }
      if (!is_unavailable(e.code()) || train_.unavailable == Unavailable::kSkip) throw;
      if (train_.unavailable == Unavailable::kStop) throw Error(e.code(), step_name() + e.what());
      if (repeats >= train_.max_repeats)
        throw Error(e.code(), step_name() + e.what() + "; the step was repeated " +
                                  std::to_string(repeats) + " times before");
      ++repeats;
      runtime_.services.stop_if_cancelled("train_step");
      runtime_.services.log(HN_LOG_WARNING, step_name() + "repeated: " + e.what());
    }
  }
}

std::string Trainer::step_name() const {
  return "[train_step] step " + std::to_string(steps_done_ + 1) + ": ";
}

std::string Trainer::skipped_before() const {
  return "; " + std::to_string(skips_) + " steps in a row were skipped before";
}

void Trainer::skip(const Error& why, StepReport& report) {
  ++skips_;
  report.skipped = true;
  report.why = why.what();
  runtime_.services.log(HN_LOG_WARNING, step_name() + "skipped: " + why.what());
}

double Trainer::rate(std::uint64_t step) const {
  double factor = rate_factor_;
  // After a return the optimiser knows nothing, as at the start.
  if (returned_at_ > 0 && train_.warmup > 0)
    factor *= std::min(
        1.0, static_cast<double>(step - returned_at_) / static_cast<double>(train_.warmup));
  return learning_rate(train_, step) * factor;
}

void Trainer::update(const ChainTotals& totals, StepReport& report) {
  samples_.add(totals.noise_gradients);
  report.gradient_share = watch_.share(report.grad_norm);
  if (report.gradient_share < 1) {
    adapter_.gradients().mul_(report.gradient_share);
    runtime_.services.log(HN_LOG_INFO, step_name() + "the gradient's norm " +
                                           text_of(report.grad_norm) + " is beyond " +
                                           text_of(train_.outlier) + " times its running norm " +
                                           text_of(watch_.limit() / train_.outlier) +
                                           "; it counts by " + text_of(report.gradient_share));
  }
  watch_.add(report.grad_norm);
  at::Tensor values = adapter_.values();
  optimiser_.step(values, adapter_.gradients(), report.lr);
  kept_.update();
}

void Trainer::go_back(const std::string& why) {
  ++returns_;
  const std::string text = "going back to the kept state" +
                           (kept_.best() ? " of step " + std::to_string(kept_.best()->step)
                                         : std::string(", the running average")) +
                           ": " + why;
  kept_.go_back();
  optimiser_.begin_anew();
  kl_.forget();
  rate_factor_ *= train_.return_factor;
  returned_at_ = steps_done_;
  runtime_.services.log(HN_LOG_WARNING, "step " + std::to_string(steps_done_) + ": " + text);
}

std::string Trainer::stopped() const {
  if (!states_.stopped().empty()) return states_.stopped();
  if (returns_ <= train_.max_returns) return {};
  return "the training left its way " + std::to_string(returns_) +
         " times, the last time at step " + std::to_string(returned_at_) +
         "; it ended with the kept state. A lower train.lr, a higher train.reg_weight or a lower "
         "train.kl_target holds it better";
}

StepReport Trainer::step() {
  if (const std::string why = stopped(); !why.empty())
    throw Error(HN_INVALID_ARGUMENT, "[train_step] " + why);
  const auto start = std::chrono::steady_clock::now();
  StepReport report;
  report.step = steps_done_ + 1;
  report.lr = rate(report.step);
  report.rewards.assign(rewards_.size(), std::nan(""));
  runtime_.services.at_step(report.step);
  prepare();
  if (steps_done_ == 0) report.warnings = warnings_;
  try {
    ChainTotals totals;
    report.grad_norm = gradients_of_step(totals);
    update(totals, report);
    skips_ = 0;
    fill_report(totals, report);
    kl_.add(report.kl);
  } catch (const NotFinite& e) {
    if (train_.non_finite == NonFinite::kStop) throw NotFinite(step_name() + e.what());
    if (skips_ >= train_.max_skips) throw NotFinite(step_name() + e.what() + skipped_before());
    skip(e, report);
  } catch (const Error& e) {
    if (!is_unavailable(e.code()) || train_.unavailable != Unavailable::kSkip) throw;
    if (skips_ >= train_.max_skips)
      throw Error(e.code(), step_name() + e.what() + skipped_before());
    skip(e, report);
  }
  ++steps_done_;
  if (kl_.away()) {
    report.went_back = "0.5 |delta|^2 is " + text_of(report.kl) + ", more than " +
                       text_of(KlControl::kAway) + " times the target " + text_of(kl_.target()) +
                       " on average";
    go_back(report.went_back);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

void Trainer::restore(std::uint64_t steps_done, std::int64_t skips, std::int64_t updates) {
  steps_done_ = steps_done;
  skips_ = skips;
  optimiser_.set_updates(updates);
}

std::array<double, Trainer::kNumbers> Trainer::numbers() const {
  const auto kl = kl_.numbers();
  const auto watch = watch_.numbers();
  const auto samples = samples_.numbers();
  return {kl[0],
          kl[1],
          watch[0],
          watch[1],
          samples[0],
          samples[1],
          samples[2],
          samples[3],
          samples[4],
          rate_factor_,
          static_cast<double>(returns_),
          static_cast<double>(returned_at_)};
}

void Trainer::restore_numbers(std::span<const double, kNumbers> numbers) {
  kl_.restore(numbers.subspan<0, 2>());
  watch_.restore(numbers.subspan<2, 2>());
  samples_.restore(numbers.subspan<4, SampleWatch::kNumbers>());
  rate_factor_ = numbers[9];
  returns_ = static_cast<std::int64_t>(numbers[10]);
  returned_at_ = static_cast<std::uint64_t>(numbers[11]);
}

}  // namespace hn::core
