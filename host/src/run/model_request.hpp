// What the requests that draw pictures have in common: a configuration, an adapter, prompts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "registry/registry.hpp"
#include "support/toml_table.hpp"

namespace hn::host {

struct ModelRequest {
  std::string config, prompts_file, adapter, adapter_kind;
  bool adapter_partial = false;
  std::vector<std::string> prompts;
  std::int64_t count = 0;  // of prompts, from the front; 0: all

  // Takes its keys from a request.
  void read(TomlTable& request);

  // The request's configuration over the run that trained the adapter; not resolved yet.
  RunConfig parsed();
  // resolve_config, and the adapter as its net, or none. Where the generator is the run's, an error
  // says so.
  void resolve(RunConfig& config, const Registry& registry) const;
  // A configuration without rewards gets those that the adapter was trained and measured with, and
  // what lets score-only ones among them be trained.
  void take_rewards(RunConfig& config) const;
  // The adapter as adapter_path gives it; empty: none.
  std::filesystem::path adapter_file() const;
  // From the request itself, a file, or else this list; config is resolved. where: the verb, for
  // messages.
  std::vector<core::Prompt> read_prompts(const RunConfig& config, const Registry& registry,
                                         const std::string& otherwise, const char* where) const;

 private:
  // The run's configuration, where the generator was taken from it; else empty.
  std::string taken_from_;
};

}  // namespace hn::host
