#include "config/training_prompts.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace hn::host {
namespace {

using Prompts = std::vector<core::Prompt>;

// Prompts of one text are one prompt here, whatever pictures come with them.
std::string key_of(const core::Prompt& prompt) {
  return prompt.text + '\0' + prompt.negative + '\0' + prompt.json;
}

std::set<std::string> keys_of(const Prompts& prompts) {
  std::set<std::string> keys;
  for (const core::Prompt& prompt : prompts) keys.insert(key_of(prompt));
  return keys;
}

// Different ones, in order, without those that are known by `without`.
Prompts different(const Prompts& prompts, std::set<std::string> without) {
  Prompts out;
  for (const core::Prompt& prompt : prompts)
    if (without.insert(key_of(prompt)).second) out.push_back(prompt);
  return out;
}

Prompts spread(const Prompts& prompts, std::size_t count) {
  Prompts out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(prompts[(2 * i + 1) * prompts.size() / (2 * count)]);
  return out;
}

void cut(Prompts& prompts, std::size_t count) {
  if (prompts.size() > count) prompts.resize(count);
}

}  // namespace

TrainingPrompts training_prompts(const RunConfig& config, const Registry& registry) {
  TrainingPrompts out;
  out.train = load_prompts(config, registry, config.train.prompts);
  const ValidationConfig& validation = config.validation;
  if (!validation.on() || config.net.kind == core::NetKind::kNone) return out;
  const auto count = static_cast<std::size_t>(validation.count);
  const std::set<std::string> reported =
      keys_of(load_prompts(config, registry, config.eval.prompts));
  if (validation.prompts != kSplit) {
    out.validation = load_prompts(config, registry, validation.prompts);
    cut(out.validation, count);
    std::set<std::string> others = keys_of(out.train);
    others.insert(reported.begin(), reported.end());
    const std::set<std::string> own = keys_of(out.validation);
    out.apart = std::none_of(own.begin(), own.end(),
                             [&](const std::string& key) { return others.contains(key); });
    return out;
  }
  constexpr std::size_t kShare = 5, kLeast = 4;
  const Prompts candidates = different(out.train, reported);
  const std::size_t taken = std::min(count, candidates.size() / kShare);
  if (taken < kLeast) {
    out.validation = different(out.train, {});
    cut(out.validation, count);
    return out;
  }
  out.validation = spread(candidates, taken);
  const std::set<std::string> held = keys_of(out.validation);
  std::erase_if(out.train,
                [&](const core::Prompt& prompt) { return held.contains(key_of(prompt)); });
  out.apart = true;
  return out;
}

}  // namespace hn::host
