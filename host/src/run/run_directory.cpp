#include "run/run_directory.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <map>
#include <sstream>

#include "support/toml_parser.hpp"

namespace hn::host {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfigName = "config.toml";
// Everything else that a run writes, in the order in which it is removed: what says that there is
// something to answer from or to go on from is first, so that an interrupted removal leaves nothing
// that looks whole.
constexpr std::array kRunFiles = {
    "summary.json",  "checkpoint.safetensors",       "scores.json", "samples",
    "metrics.jsonl", "events.out.tfevents.0.hnhost", "adapter",     "report.html"};
// Folders in which a run writes files atomically.
constexpr std::array kRunFolders = {"", "adapter", "samples", "samples/before", "samples/after"};

// Whether a run gives this name to a file in one of kRunFolders.
bool run_writes(const fs::path& folder, const std::string& name) {
  if (folder == "adapter")
    return name == "adapter_model.safetensors" || name == "adapter_config.json" ||
           name == "noise_net.safetensors" || name == "noise_net.json";
  if (!folder.empty()) return fs::path(name).extension() == ".png";
  return name == kConfigName ||
         std::find(kRunFiles.begin(), kRunFiles.end(), name) != kRunFiles.end();
}

std::string value_text(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  return out.str();
}

// KEY, TABLE.KEY and LIST[0].KEY with their values. What is empty says nothing and counts as not
// set: a run of a version that did not know the key yet is the same run.
void flatten(const toml::node& node, const std::string& name,
             std::map<std::string, std::string>& out) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, value] : *table)
      flatten(value, name + (name.empty() ? "" : ".") + std::string(key.str()), out);
    return;
  }
  const toml::array* list = node.as_array();
  if (list != nullptr && list->is_homogeneous(toml::node_type::table)) {
    for (std::size_t i = 0; i < list->size(); ++i)
      flatten(*list->get(i), name + "[" + std::to_string(i) + "]", out);
    return;
  }
  const bool empty =
      (list != nullptr && list->empty()) || (node.is_string() && node.as_string()->get().empty());
  if (!empty) out[name] = value_text(node);
}

std::map<std::string, std::string> flat(std::string_view text, const std::string& which) {
  std::map<std::string, std::string> out;
  try {
    flatten(host::parse_toml(text, which), "", out);
  } catch (const host::TomlProblem& problem) {
    throw Error(HN_DATA_LOSS, "[" + which + "] expected TOML: " + problem.text + " (line " +
                                  std::to_string(problem.line) + ")");
  }
  return out;
}

std::string join(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

// The names in the folder that no run makes.
std::vector<std::string> foreign_files(const fs::path& root) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    // A kill in the middle of writing the first config.toml leaves that file's temporary name.
    const auto unfinished = unfinished_file(name);
    if (name != FolderLock::kName && !(unfinished && unfinished->name == kConfigName))
      names.push_back(name);
    if (names.size() == 3) break;
  }
  return names;
}

}  // namespace

std::vector<std::string> config_differences(std::string_view there, std::string_view now) {
  const auto old_values = flat(there, "config.toml");
  const auto new_values = flat(now, "configuration");
  std::vector<std::string> out;
  for (const auto& [key, value] : old_values) {
    const auto at = new_values.find(key);
    if (at == new_values.end()) {
      out.push_back(key + ": " + value + " there, not set now");
    } else if (at->second != value) {
      out.push_back(key + ": " + value + " there, " + at->second + " now");
    }
  }
  for (const auto& [key, value] : new_values)
    if (!old_values.contains(key)) out.push_back(key + ": not set there, " + value + " now");
  return out;
}

bool only_longer(const std::vector<std::string>& differences) {
  return !differences.empty() &&
         std::all_of(differences.begin(), differences.end(), [](const std::string& text) {
           if (text.starts_with("validation.patience: ")) return true;
           constexpr std::string_view kSteps = "train.steps: ";
           long long there = 0, now = 0;
           return text.starts_with(kSteps) &&
                  std::sscanf(text.c_str() + kSteps.size(), "%lld there, %lld now", &there, &now) ==
                      2 &&
                  now > there;
         });
}

RunDirectory::RunDirectory(fs::path root, std::string_view config_text, bool overwrite)
    : root_(std::move(root)) {
  std::error_code code;
  fs::create_directories(root_, code);
  if (!fs::is_directory(root_)) {
    const bool is_file = fs::exists(root_);
    throw Error(is_file ? HN_INVALID_ARGUMENT : HN_NOT_FOUND,
                "[run directory] " + root_.string() +
                    (is_file ? " is a file, expected a folder"
                             : " cannot be created: " + (code ? code.message() : "unknown")));
  }
  lock_.emplace(root_, "run directory", "another run");
  // Nothing was trained yet: there is nothing to lose, and a corrected typo needs no new folder.
  const bool trained = fs::exists(checkpoint()) || fs::exists(summary());
  const bool known = fs::exists(config());
  if (!known) {
    const auto foreign = foreign_files(root_);
    if (!foreign.empty())
      throw Error(HN_INVALID_ARGUMENT, "[run directory] " + root_.string() +
                                           " is not a run directory and not empty (" +
                                           join(foreign, ", ") + ")");
  }
  const auto different =
      known && !overwrite ? differences(config_text) : std::vector<std::string>{};
  const bool longer = trained && only_longer(different);
  if (!different.empty() && trained && !longer)
    throw Error(HN_INVALID_ARGUMENT,
                "[run directory] " + root_.string() + " holds a run with another configuration (" +
                    join(different, "; ") +
                    "); choose another folder with --out, or --overwrite to begin anew");
  remove_unfinished_files();
  if (longer) {
    write_file_atomically(config(), config_text);
  } else if (!known || overwrite || !different.empty()) {
    remove_run_files();
    write_file_atomically(config(), config_text);
  }
  fs::create_directories(samples(), code);
  if (code)
    throw Error(HN_INTERNAL,
                "[run directory] " + samples().string() + " cannot be created: " + code.message());
}

std::vector<std::string> RunDirectory::differences(std::string_view config_text) const {
  try {
    return config_differences(read_whole_file(config()), config_text);
  } catch (const Error& error) {
    throw Error(error.code(), "[run directory] " + config().string() +
                                  " cannot be compared: " + error.what() +
                                  "; restore it from a copy, or begin anew with --overwrite");
  }
}

// Of processes that were killed here: who holds the lock is the only writer of these names.
void RunDirectory::remove_unfinished_files() const {
  for (const char* folder : kRunFolders)
    remove_unfinished(root_ / folder,
                      [&](const UnfinishedFile& file) { return run_writes(folder, file.name); });
}

// All but the configuration, which is replaced afterwards: a folder without it counts as foreign.
void RunDirectory::remove_run_files() const {
  for (const char* name : kRunFiles) {
    std::error_code code;
    fs::remove_all(root_ / name, code);
    if (code)
      throw Error(HN_INTERNAL, "[run directory] " + (root_ / name).string() +
                                   " cannot be removed: " + code.message());
  }
}

}  // namespace hn::host
