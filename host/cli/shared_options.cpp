#include "shared_options.hpp"

#include "numbers.hpp"
#include "reward_flags.hpp"

namespace hn::cli {
namespace {

void lay_text(Overlay& overlay, const char* key, const std::string& value) {
  if (!value.empty()) overlay.set_text(key, value);
}

}  // namespace

void ModelFlags::add_to(CLI::App& verb) {
  verb.add_option("--generator", generator, "Model or plugin [emoji-sprint]")->type_name("NAME");
  verb.add_option("--weights", weights,
                  "The generator's weights, in diffusers layout; NAME=DIR: a reward's. Repeat")
      ->type_name("[NAME=]DIR")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--dtype", dtype, "float32 or bfloat16")->type_name("DTYPE");
}

void ModelFlags::lay(Overlay& overlay) const {
  lay_text(overlay, "generator", generator);
  lay_text(overlay, "weights", parse_weights(weights).generator);
  lay_text(overlay, "dtype", dtype);
}

void DrawFlags::add_to(CLI::App& verb, const std::string& count_help) {
  verb.add_option("--adapter", adapter,
                  "A run directory, a noise network's folder, or a LoRA of peft, diffusers, kohya")
      ->type_name("PATH");
  verb.add_option("--adapter-kind", adapter_kind,
                  "hypernet or finetune [the file's own; else by its format]")
      ->type_name("KIND");
  verb.add_flag("--adapter-partial", adapter_partial, "Leave out keys that fit nothing");
  verb.add_option("--prompts", prompts_file, "One prompt a line; TSV, CSV and JSONL too")
      ->type_name("FILE");
  verb.add_option("--prompt", prompts, "A prompt; repeat")
      ->type_name("TEXT")
      ->take_all()
      ->allow_extra_args(false);
  add_integer(verb, "--count", count, {0, kSteps.most}, count_help);
}

void add_names(CLI::App& verb, const std::string& flag, std::vector<std::string>& into,
               const std::string& help) {
  verb.add_option(flag, into, help)
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',');
}

std::string toml_line(const std::string& key, const std::string& toml) {
  return key + " = " + toml + "\n";
}

std::string DrawFlags::request(const std::string& config) const {
  std::string lines = toml_line("config", toml_text(config));
  const auto add_text = [&](const char* key, const std::string& value) {
    if (!value.empty()) lines += toml_line(key, toml_text(value));
  };
  add_text("prompts_file", prompts_file);
  if (!prompts.empty()) lines += toml_line("prompts", toml_list(prompts));
  add_text("adapter", adapter);
  add_text("adapter_kind", adapter_kind);
  if (adapter_partial) lines += toml_line("adapter_partial", "true");
  if (count) lines += toml_line("count", std::to_string(*count));
  return lines;
}

void SetupFlags::add_to(CLI::App& verb) {
  verb.add_option("--device", device, "cpu or cuda:N")->type_name("DEVICE");
  add_integer(verb, "--threads", threads, kThreads, "Of the CPU; 0 = all cores");
  verb.add_option("--config", config, "TOML; flags win over it")->type_name("FILE");
  verb.add_option("--set", sets, "Any key of the configuration; repeat")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
}

void SetupFlags::lay(Overlay& overlay) const {
  lay_text(overlay, "device", device);
  if (threads) overlay.set("threads", std::to_string(*threads));
  for (const auto& each : sets) overlay.assign(each);
}

}  // namespace hn::cli
