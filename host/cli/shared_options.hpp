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
