#include <algorithm>

#include "config/run_config.hpp"
#include "pull/snapshot.hpp"
#include "registry/registry.hpp"

namespace hn::host {
namespace {

// A plugin's options: the model's, over them the user's.
core::Options merged(const Choice& choice, const core::Options& user, const std::string& weights) {
  core::Options options = choice.model != nullptr ? choice.model->options : core::Options();
  for (const auto& [key, value] : user) options[key] = value;
  if (!weights.empty()) {
    options["weights"] = weights;
  } else if (choice.model != nullptr && !choice.model->weights_required) {
    options["weights"] = choice.model->weights.string();
  } else if (choice.model !=
             nullptr) {  // a measured reward, which resolve_config found in the cache
    if (const auto pulled = pull::pulled_weights(choice.model->names())) {
      options["weights"] = pulled->weights.string();
      for (const auto& [option, path] : pulled->options) options.try_emplace(option, path.string());
    }
  }
  add_defaults(*choice.plugin, options);
  return options;
}

core::PluginPlace place_of(core::Isolation isolation, const RunConfig& config) {
  core::PluginPlace place = config.worker;
  place.isolation = isolation;
  place.threads = config.threads;
  return place;
}

core::RewardSpec reward_spec(const RewardConfig& reward, const RunConfig& config,
                             const Registry& registry) {
  const Choice choice = registry.reward(reward.name);
  const RewardFacts& facts = choice.reward();
  core::RewardSpec spec;
  spec.plugin = {nullptr, choice.plugin->id, choice.plugin->bundle};
  spec.plugin.place = place_of(reward.isolation, config);
  spec.name = reward.curve();
  spec.registered = reward.name;
  spec.options = merged(choice, reward.options, reward.weights);
  // A reward that cannot follow the generator to its device stays on the CPU.
  const std::string kind = config.device.substr(0, config.device.find(':'));
  const auto& devices = choice.plugin->devices;
  const bool follows = std::find(devices.begin(), devices.end(), kind) != devices.end();
  spec.options.try_emplace("device", follows ? config.device : std::string("cpu"));
  spec.weight = reward.weight;
  spec.loss_target = facts.loss_target;
  spec.loss_scale = facts.loss_scale;
  spec.train = reward.train;
  spec.higher_is_better = facts.higher_is_better;
  spec.every = reward.every;
  spec.batch = reward.batch;
  spec.resize = reward.resize;
  if (!reward.relative.empty()) {
    spec.relative = {reward.relative[0], reward.relative[1]};
    return spec;  // the alarms are of a score, not of a difference
  }
  for (const Detector& detector : choice.plugin->detectors)
    if (detector.model.empty() || (choice.model != nullptr && detector.model == choice.model->name))
      spec.alarms.push_back({detector.score, detector.tolerance, detector.means});
  return spec;
}

void fill_generator(const RunConfig& c, const Registry& registry, core::SessionSpec& spec) {
  const Choice generator = registry.generator(c.generator);
  spec.generator.plugin = {nullptr, generator.plugin->id, generator.plugin->bundle};
  spec.generator.plugin.place = place_of(c.isolation, c);
  spec.generator.name = c.generator;
  spec.generator.options = merged(generator, c.generator_options, c.weights);
  spec.generator.options["device"] = c.device;
  spec.generator.options["dtype"] = c.dtype;
}

}  // namespace

core::SessionSpec session_spec(const RunConfig& c, const Registry& registry, ConfigUse use) {
  core::SessionSpec spec;
  if (use == ConfigUse::kRun) fill_generator(c, registry, spec);
  for (const RewardConfig& reward : c.rewards)
    spec.rewards.push_back(reward_spec(reward, c, registry));
  for (const std::string& name : c.eval.rewards) {
    const auto same = [&](const core::RewardSpec& other) { return other.name == name; };
    if (std::any_of(spec.rewards.begin(), spec.rewards.end(), same)) continue;
    RewardConfig measured;
    measured.name = name;
    measured.train = false;
    measured.every = 0;
    measured.weight = registry.reward(name).reward().default_weight;
    spec.rewards.push_back(reward_spec(measured, c, registry));
  }
  spec.net = c.net;
  spec.train = c.train.spec;
  spec.train.guards = c.guards;
  spec.train.kl_target = c.train.kl_target.value_or(core::kAutoKlTarget);
  spec.device = c.device;
  spec.seed = c.seed;
  spec.threads = static_cast<int>(c.threads);
  spec.deterministic = c.deterministic;
  spec.prompt_cache_bytes = c.prompt_cache_mib << 20;
  return spec;
}

}  // namespace hn::host
