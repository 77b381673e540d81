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
