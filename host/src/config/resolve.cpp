#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "config/prompts.hpp"
#include "config/run_config.hpp"
#include "config/training_prompts.hpp"
#include "core/relative_reward.hpp"
#include "loader/scan.hpp"
#include "pull/snapshot.hpp"
#include "registry/registry.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"
#include "support/nearest.hpp"

namespace hn::host {
namespace {

constexpr std::string_view kOfModel = "model:", kGeneral = "general:";

// Lists that the host brings for models without their own: host/data/prompts.
std::filesystem::path general_list(std::string_view name) {
  return share_folder() / "prompts" / cat(name, ".txt");
}

[[noreturn]] void refuse(const std::string& text) { throw Error(HN_INVALID_ARGUMENT, text); }

// "cpu", "cuda" or "cuda:N".
void check_device(const std::string& where, const std::string& device) {
  const std::string number = device.starts_with("cuda:") ? device.substr(5) : "";
  // LibTorch counts devices in 8 bits and reads "cuda:01" as no device.
  const bool cuda = !number.empty() && number.size() <= 3 &&
                    number.find_first_not_of("0123456789") == std::string::npos &&
                    (number == "0" || number[0] != '0') && std::stoi(number) < 128;
  if (device != "cpu" && device != "cuda" && !cuda)
    refuse(cat(where, " expected device \"cpu\", \"cuda\" or \"cuda:N\", got '", device, "'"));
}

void check_can_use(const std::string& where, const Manifest& m, const std::string& device) {
  const std::string kind = device.substr(0, device.find(':'));
  if (std::find(m.devices.begin(), m.devices.end(), kind) == m.devices.end())
    refuse(cat(where, " runs on ", absl::StrJoin(m.devices, ", "), ", not on ", device));
}

// A given path made absolute and looked for; without one the model must bring its own, or they are
// in Hugging Face's cache, with what the plugin's options want beside them.
void resolve_weights(const std::string& where, const std::string& name, const Choice& choice,
                     std::string& weights, core::Options& options) {
  if (weights.empty()) {
    if (choice.model == nullptr || !choice.model->weights_required) return;
    const std::vector<std::string> names = choice.model->names();
    if (const auto pulled = pull::pulled_weights(names)) {
      weights = pulled->weights.string();
      for (const auto& [option, path] : pulled->options) options.try_emplace(option, path.string());
      return;
    }
    const auto known = pull::can_be_pulled(names);
    refuse(cat(where, " needs weights: ", known ? cat("`hnhost pull ", *known, "`, or ") : "",
               "name their folder (weights = \"DIR\", --weights ",
               choice.plugin->kind == PluginKind::kReward ? cat(name, "=") : "", "DIR)"));
  }
  weights = tidy(weights).string();
  std::error_code ignored;
  if (!std::filesystem::exists(weights, ignored))
    throw Error(HN_NOT_FOUND, cat(where, " weights: ", weights, " does not exist"));
}

void refuse_own_keys(const std::string& where, const core::Options& options,
                     std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (options.contains(key))
      refuse(cat(where, " option ", key, ": has a key of its own, outside the options"));
}

std::vector<std::string> prompt_names(const ModelSpec& model) {
  std::vector<std::string> names;
  for (const auto& [name, file] : model.prompts) names.push_back(name);
  return names;
}

// The first of the model's lists that exists, as "model:NAME"; else the fallback.
std::string model_prompts(const ModelSpec& model, const char* name, const std::string& fallback) {
  return model.prompts.contains(name) ? cat(kOfModel, name) : fallback;
}

void resolve_prompts(const ModelSpec& model, const char* key, const std::string& fallback,
                     std::string& prompts) {
  if (prompts.empty()) {
    prompts = fallback;
    if (prompts.starts_with(kGeneral)) return;  // looked for when it is read
  }
  if (prompts.starts_with(kGeneral)) {
    std::error_code ignored;
    const auto file = general_list(prompts.substr(kGeneral.size()));
    if (!std::filesystem::is_regular_file(file, ignored))
      throw Error(HN_NOT_FOUND, cat("[", key,
                                    "] prompts: expected general:train, general:heldout "
                                    "or general:demo, got '",
                                    prompts, "' (there is no ", file.string(), ")"));
    return;
  }
  if (!prompts.starts_with(kOfModel)) {
    prompts = tidy(prompts).string();
    return;
  }
  const std::string name = prompts.substr(kOfModel.size());
  if (!model.prompts.contains(name))
    throw Error(HN_NOT_FOUND, cat("[", key, "] prompts: ", model.name, " has no prompt list '",
                                  name, "'", suggestion(name, prompt_names(model))));
}

const ModelSpec& generator_model(const Choice& choice, const std::string& name) {
  if (choice.model != nullptr) return *choice.model;
  std::vector<std::string> models;
  for (const ModelSpec& model : choice.plugin->models) models.push_back(model.name);
  refuse(cat("[generator] '", name, "' has no default model; name one of ",
             absl::StrJoin(models, ", ")));
}

void resolve_generator(RunConfig& c, const Choice& choice) {
  const std::string where = cat("[generator ", c.generator, "]");
  const ModelSpec& model = generator_model(choice, c.generator);
  resolve_weights(where, c.generator, choice, c.weights, c.generator_options);
  check_device(where, c.device);
  check_can_use(where, *choice.plugin, c.device);
  if (c.dtype.empty()) {
    const auto own = model.options.find("dtype");
    c.dtype = own == model.options.end() ? "float32" : std::get<std::string>(own->second);
  }
  const std::vector<std::string>& dtypes = choice.plugin->dtypes;
  if (std::find(dtypes.begin(), dtypes.end(), c.dtype) == dtypes.end())
    refuse(cat(where, " expected dtype ", absl::StrJoin(dtypes, " or "), ", got '", c.dtype, "'"));
  refuse_own_keys(where, c.generator_options, {"device", "dtype", "weights"});
  check_options(*choice.plugin, c.generator_options, where);
  const auto& functions = choice.plugin->functions;
  if (c.net.kind == core::NetKind::kHypernet &&
      std::find(functions.begin(), functions.end(), "noise_net") == functions.end())
    refuse(cat(where,
               " has no noise network of its own; set [net] kind to \"low-frequency\", "
               "\"constant\", \"finetune\" or \"none\""));
}

// pairs: train.zeroth_order.
void check_relative(const std::string& where, const RewardConfig& reward,
                    const RewardFacts& facts) {
  if (reward.relative.empty()) return;
  if (reward.relative.size() != 2)
    refuse(cat(where, " relative: expected two forms of a prompt, the good and the bad one, got ",
               reward.relative.size()));
  for (const std::string& form : reward.relative) {
    if (!core::has_one_place(form))
      refuse(cat(where, " relative: expected one {} in each form, where the prompt goes, got '",
                 form, "'"));
  }
  if (reward.relative[0] == reward.relative[1])
    refuse(cat(where, " relative: expected two different forms, got '", reward.relative[0],
               "' twice, whose difference is always 0"));
  if (facts.text_limit == 0)
    refuse(cat(where, " relative: expected a reward that reads prompts, ", reward.name,
               " sees the picture alone"));
}

void resolve_reward(RewardConfig& reward, const Registry& registry, std::int64_t pairs) {
  const std::string where = cat("[reward ", reward.name, "]");
  const Choice choice = registry.reward(reward.name);
  check_relative(where, reward, choice.reward());
  if (!reward.weight_given) reward.weight = choice.reward().default_weight;
  reward.weight_given = true;
  if (!reward.every_given) reward.every = reward.train ? 1 : 0;
  reward.every_given = true;
  if (reward.train && reward.every == 0)
    refuse(cat(where, " expected every of 1 or more where it is trained on, got 0"));
  resolve_weights(where, reward.name, choice, reward.weights, reward.options);
  refuse_own_keys(where, reward.options, {"weights"});
  check_options(*choice.plugin, reward.options, where);
  if (const auto device = reward.options.find("device"); device != reward.options.end()) {
    check_device(where, std::get<std::string>(device->second));
    check_can_use(where, *choice.plugin, std::get<std::string>(device->second));
  }
  if (reward.train && !choice.plugin->differentiable && pairs == 0)
    refuse(
        cat(where,
            " is score-only and gives no gradient; set train = false, list it in [eval] rewards, "
            "or train on its scores alone with train.zeroth_order = 8"));
}

// Every reward's problem at once: whoever asks for four rewards should not look for weights four
// times.
void resolve_rewards(RunConfig& c, const Registry& registry) {
  std::vector<std::string> problems;
  hn_status code = HN_OK;
  const auto gather = [&](RewardConfig& reward) {
    try {
      resolve_reward(reward, registry, c.train.spec.zeroth_order);
    } catch (const Error& e) {
      if (code == HN_OK) code = e.code();
      problems.emplace_back(e.what());
    }
  };
  for (RewardConfig& reward : c.rewards) gather(reward);
  for (const std::string& name : c.eval.rewards) {
    RewardConfig measured;
    measured.name = name;
    measured.train = false;
    const auto same = [&](const RewardConfig& other) { return other.curve() == name; };
    if (std::none_of(c.rewards.begin(), c.rewards.end(), same)) gather(measured);
  }
  if (problems.size() == 1) throw Error(code, problems[0]);
  if (problems.size() > 1)
    throw Error(code, cat(problems.size(), " rewards cannot be used:\n  ",
                          absl::StrJoin(problems, "\n  ")));
}

// An adapter, or a run's folder, which has one.
void resolve_net_file(core::NetSpec& net) {
  if (net.file.empty()) return;
  if (net.kind == core::NetKind::kNone)
    refuse("[net] file: expected kind \"hypernet\" or \"finetune\" with it, got \"none\"");
  net.file = tidy(net.file.string());
  std::error_code ignored;
  if (!std::filesystem::exists(net.file, ignored))
    throw Error(HN_NOT_FOUND, cat("[net] file: ", net.file.string(), " does not exist"));
  if (!std::filesystem::exists(net.file / "adapter_config.json", ignored) &&
      std::filesystem::is_directory(net.file / "adapter", ignored))
    net.file /= "adapter";
}

void check_guards(const RunConfig& c) {
  std::vector<std::string> running;
  for (const RewardConfig& reward : c.rewards)
    if (reward.every > 0) running.push_back(reward.curve());
  for (const core::GuardSpec& guard : c.guards)
    if (std::find(running.begin(), running.end(), guard.reward) == running.end())
      refuse(cat("[guard ", guard.reward,
                 "] expected a [[reward]] that runs in training (train = true, or every above 0)",
                 suggestion(guard.reward, running)));
}

void resolve_rewards_alone(RunConfig& c, const Registry& registry) {
  if (c.rewards.empty() && c.eval.rewards.empty())
    refuse("[reward] expected at least one reward, got none");
  check_device("[configuration]", c.device);
  c.net.kind = core::NetKind::kNone;
  c.guards.clear();
  for (RewardConfig& reward : c.rewards) {
    reward.train = false;
    reward.every = 0;
    reward.every_given = true;
  }
  resolve_rewards(c, registry);
}

}  // namespace

void resolve_config(RunConfig& c, const Registry& registry, ConfigUse use) {
  if (use == ConfigUse::kRewards) return resolve_rewards_alone(c, registry);
  const Choice choice = registry.generator(c.generator);
  resolve_generator(c, choice);
  c.generator_given = true;
  resolve_rewards(c, registry);
  check_guards(c);
  const ModelSpec& model = *choice.model;
  // A list of the host follows one of the host, a user's file follows a user's file.
  const auto after = [](const std::string& given, const char* list, const char* next) {
    return given == cat(kGeneral, list) ? cat(kGeneral, next) : given;
  };
  resolve_prompts(model, "train", model_prompts(model, "train", cat(kGeneral, "train")),
                  c.train.prompts);
  resolve_prompts(model, "eval",
                  model_prompts(model, "heldout", after(c.train.prompts, "train", "heldout")),
                  c.eval.prompts);
  resolve_prompts(model, "train",
                  model_prompts(model, "demo", after(c.eval.prompts, "heldout", "demo")),
                  c.train.sample_prompts);
  if (c.validation.prompts.empty()) c.validation.prompts = kSplit;
  if (c.validation.prompts != kSplit)
    resolve_prompts(model, "validation", c.train.prompts, c.validation.prompts);
  resolve_net_file(c.net);
  // The model's number is one for the mean form: the other forms differ by the dimension.
  if (!c.train.reg_weight_given && c.train.spec.reg == core::Regulariser::kMean)
    c.train.spec.reg_weight = model.reg_weight.value_or(c.train.spec.reg_weight);
  c.train.reg_weight_given = true;
  // AdamW moves each number by about lr a step, and here those are the offset itself.
  constexpr double kConstantRate = 0.02;
  if (!c.train.lr_given && c.net.kind == core::NetKind::kConstant &&
      c.train.spec.optimiser == core::Optimiser::kAdamW)
    c.train.spec.lr = kConstantRate;
  c.train.lr_given = true;
  if (c.train.spec.micro_batch > c.train.spec.batch)
    refuse(cat("[train] expected micro_batch <= batch, got ", c.train.spec.micro_batch, " > ",
               c.train.spec.batch));
  const core::TrainSpec& train = c.train.spec;
  constexpr std::int64_t kMostNumber = std::int64_t{1} << 62;  // of a sample
  if (train.steps > kMostNumber / train.batch / train.accumulation)
    refuse(cat("[train] expected at most 2^62 samples in all, got steps * batch * accumulation = ",
               train.steps, " * ", train.batch, " * ", train.accumulation));
  if (!c.run.dir.empty()) c.run.dir = tidy(c.run.dir).string();
}

std::vector<core::Prompt> load_prompts(const RunConfig& config, const Registry& registry,
                                       const std::string& source) {
  if (source.starts_with(kGeneral))
    return read_prompts(general_list(source.substr(kGeneral.size())));
  if (!source.starts_with(kOfModel)) return read_prompts(source);
  const Choice choice = registry.generator(config.generator);
  const ModelSpec& model = generator_model(choice, config.generator);
  const auto list = model.prompts.find(source.substr(kOfModel.size()));
  if (list == model.prompts.end())
    throw Error(HN_NOT_FOUND, cat("[prompts] ", model.name, " has no prompt list '",
                                  source.substr(kOfModel.size()), "'"));
  return read_prompts(list->second);
}

}  // namespace hn::host
