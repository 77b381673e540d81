#include <nlohmann/json.hpp>

#include "core/checkpoint.hpp"

namespace hn::core {
namespace {

std::string text_of(const OptionValue& value) {
  return std::visit([](const auto& v) { return nlohmann::json(v).dump(); }, value);
}

std::string number(double value) { return nlohmann::json(value).dump(); }

// FNV-1a; a mark of the list, not a defence.
std::string digest(const std::vector<Prompt>& prompts) {
  std::uint64_t hash = 14695981039346656037u;
  const auto add = [&](char c) { hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u; };
  for (const Prompt& prompt : prompts) {
    for (const char c : key_of(prompt, kAllPromptFields)) add(c);
    add('\n');
  }
  return std::to_string(prompts.size()) + " prompts, digest " + std::to_string(hash);
}

void add_options(std::map<std::string, std::string>& fields, const std::string& prefix,
                 const Options& options) {
  for (const auto& [key, value] : options) {
    if (key == "device") continue;
    const auto* path = std::get_if<std::string>(&value);
    if (key == "weights" && path != nullptr) {
      std::filesystem::path folder(*path);
      if (!folder.has_filename()) folder = folder.parent_path();
      fields[prefix + key] = folder.filename().string();
    } else {
      fields[prefix + key] = text_of(value);
    }
  }
}

void add_net(std::map<std::string, std::string>& fields, const NetSpec& net) {
  fields["net.kind"] = name_of(net.kind);
  if (is_lora(net.kind)) {
    fields["net.rank"] = std::to_string(net.rank);
    fields["net.alpha"] = number(net.alpha);
    fields["net.targets"] = text_of(net.targets);
  }
  if (net.kind == NetKind::kLowFrequency) {
    fields["net.frequencies"] = std::to_string(net.frequencies);
    fields["net.width"] = std::to_string(net.width);
    fields["net.depth"] = std::to_string(net.depth);
    fields["net.condition"] = name_of(net.condition);
  }
}

}  // namespace

std::map<std::string, std::string> fingerprint(const SessionSpec& spec) {
  const TrainSpec& t = spec.train;
  const bool adamw = t.optimiser == Optimiser::kAdamW;
  std::map<std::string, std::string> f;
  f["seed"] = std::to_string(spec.seed);
  f["generator.plugin"] = spec.generator.plugin.id;
  f["generator.name"] = spec.generator.name;
  add_options(f, "generator.options.", spec.generator.options);
  for (std::size_t k = 0; k < spec.rewards.size(); ++k) {
    const RewardSpec& r = spec.rewards[k];
    if (r.every == 0) continue;
    const std::string prefix = "reward." + r.name + ".";
    f[prefix + "plugin"] = r.plugin.id;
    f[prefix + "train"] = r.train ? "true" : "false";
    f[prefix + "every"] = std::to_string(r.every);
    f[prefix + "batch"] = std::to_string(r.batch);
    f[prefix + "resize"] = std::to_string(r.resize);
    f[prefix + "weight"] = number(r.weight);
    f[prefix + "loss_scale"] = number(r.loss_scale);
    if (r.relative) f[prefix + "relative"] = r.relative->good + " against " + r.relative->bad;
    add_options(f, prefix + "options.", r.options);
  }
  if (t.reward_normalise) f["train.reward_normalise"] = "true";
  for (const GuardSpec& guard : t.guards)
    f["guard." + guard.reward] = (guard.bound  ? "bound " + number(*guard.bound)
                                  : guard.drop ? "drop " + number(*guard.drop)
                                               : "nothing") +
                                 (guard.stop ? ", stop" : ", factor " + number(guard.factor));
  add_net(f, spec.net);
  f["train.prompts"] = digest(t.prompts);
  f["train.batch"] = std::to_string(t.batch);
  f["train.accumulation"] = std::to_string(t.accumulation);
  f["train.optimiser"] = adamw ? "adamw" : "sgd";
  f["train.lr"] = number(t.lr);
  f["train.weight_decay"] = number(t.weight_decay);
  if (adamw) {
    f["train.beta1"] = number(t.beta1);
    f["train.beta2"] = number(t.beta2);
    f["train.eps"] = number(t.eps);
  } else {
    f["train.momentum"] = number(t.momentum);
  }
  f["train.warmup"] = std::to_string(t.warmup);
  f["train.schedule"] = t.schedule == Schedule::kConstant ? "constant"
                        : t.schedule == Schedule::kLinear ? "linear"
                                                          : "cosine";
  if (t.schedule != Schedule::kConstant) {
    f["train.steps"] = std::to_string(t.steps);
    f["train.decay_from"] = number(t.decay_from);
    f["train.decay_to"] = number(t.decay_to);
  }
  f["train.clip"] = number(t.clip);
  f["train.outlier"] = number(t.outlier);
  f["train.sample_outlier"] = number(t.sample_outlier);
  f["train.zeroth_order"] = std::to_string(t.zeroth_order);
  if (t.zeroth_order > 0) f["train.zeroth_order_sigma"] = number(t.zeroth_order_sigma);
  if (t.policy_epochs > 1) {
    f["train.policy_epochs"] = std::to_string(t.policy_epochs);
    f["train.policy_clip"] = number(t.policy_clip);
  }
  f["train.ema"] = number(t.ema);
  f["train.return_factor"] = number(t.return_factor);
  if (is_noise_net(spec.net.kind)) {
    f["train.reg"] = t.reg == Regulariser::kMean    ? "mean"
                     : t.reg == Regulariser::kPaper ? "paper"
                                                    : "norm";
    f["train.reg_weight"] = number(t.reg_weight);
    f["train.kl_target"] = number(t.kl_target);
  }
  f["train.latents"] = t.latents == LatentMode::kInf     ? "inf"
                       : t.latents == LatentMode::kBatch ? "batch"
                       : t.latents == LatentMode::kMulti ? "multi"
                                                         : "one";
  if (t.latents == LatentMode::kMulti) f["train.latent_count"] = std::to_string(t.latent_count);
  return f;
}

}  // namespace hn::core
