#include "run/model_request.hpp"

#include <hn/cpp/error.hpp>

#include "config/ranges.hpp"
#include "run/adapter_folder.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {

void ModelRequest::read(TomlTable& request) {
  const auto take = [&](const char* key, std::string& into) {
    into = request.find_str(key).value_or("");
  };
  take("config", config);
  take("prompts_file", prompts_file);
  take("adapter", adapter);
  take("adapter_kind", adapter_kind);
  adapter_partial = request.find_bool("adapter_partial").value_or(false);
  prompts = request.find_list("prompts").value_or(std::vector<std::string>{});
  count = request.find_i64("count", 0, kMostSteps).value_or(0);
}

std::filesystem::path ModelRequest::adapter_file() const {
  return adapter.empty() ? std::filesystem::path() : adapter_path(adapter);
}

RunConfig ModelRequest::parsed() {
  const std::filesystem::path file = adapter_file();
  RunConfig parsed = parse_config(config);
  const auto run = run_config_of(file);
  taken_from_ = run && take_generator(*run, parsed) ? run->string() : "";
  return parsed;
}

void ModelRequest::take_rewards(RunConfig& config) const {
  if (!config.rewards.empty() || !config.eval.rewards.empty()) return;
  const auto run = run_config_of(adapter_file());
  if (!run) return;
  const RunConfig trained = parse_config(read_file(*run), run->string());
  config.rewards = trained.rewards;
  config.eval.rewards = trained.eval.rewards;
  config.train.spec.zeroth_order = trained.train.spec.zeroth_order;
}

void ModelRequest::resolve(RunConfig& parsed, const Registry& registry) const {
  try {
    resolve_config(parsed, registry);
  } catch (const Error& error) {
    if (taken_from_.empty()) throw;
    throw Error(error.code(),
                cat(error.what(), " (as ", taken_from_, " has it, where no flag does)"));
  }
  const std::filesystem::path file = adapter_file();
  parsed.net.kind = core::NetKind::kNone;
  parsed.net.file.clear();
  if (file.empty()) return;
  parsed.net.file = file;  // rank, alpha and layers are the file's
  parsed.net.file_partial = adapter_partial;
  parsed.net.kind = host::adapter_kind(file, adapter_kind);
}

std::vector<core::Prompt> ModelRequest::read_prompts(const RunConfig& resolved,
                                                     const Registry& registry,
                                                     const std::string& otherwise,
                                                     const char* where) const {
  std::vector<core::Prompt> read(prompts.begin(), prompts.end());
  if (!prompts_file.empty()) {
    if (!read.empty())
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", where, "] expected prompts or a file of them, got both"));
    read = load_prompts(resolved, registry, prompts_file);
  } else if (read.empty()) {
    read = load_prompts(resolved, registry, otherwise);
  }
  if (count > 0 && read.size() > static_cast<std::size_t>(count))
    read.resize(static_cast<std::size_t>(count));
  return read;
}

}  // namespace hn::host
