// Flags that several verbs have, declared and read in one place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "overlay.hpp"

namespace hn::cli {

// --generator, --weights, --dtype.
struct ModelFlags {
  std::string generator, dtype;
  std::vector<std::string> weights;  // see parse_weights
  void add_to(CLI::App& verb);
  void lay(Overlay& overlay) const;
};

// --adapter, --adapter-kind, --adapter-partial, --prompts, --prompt, --count: what is drawn, and
// with what.
struct DrawFlags {
  std::string adapter, adapter_kind, prompts_file;
  std::vector<std::string> prompts;
  std::optional<std::int64_t> count;
  bool adapter_partial = false;
  void add_to(CLI::App& verb, const std::string& count_help);
  // A request's lines of TOML, with this configuration.
  std::string request(const std::string& config) const;
};
// An option that takes one name and may be repeated.
void add_names(CLI::App& verb, const std::string& flag, std::vector<std::string>& into,
               const std::string& help);
// "key = value" of a request.
std::string toml_line(const std::string& key, const std::string& toml);

// --device, --threads, --config, --set: where it runs, and the configuration behind all flags.
struct SetupFlags {
  std::string device, config;
  std::optional<std::int64_t> threads;
  std::vector<std::string> sets;
  void add_to(CLI::App& verb);
  // Device and threads, then what --set says. Call it last: --set wins over every flag.
  void lay(Overlay& overlay) const;
};

}  // namespace hn::cli
