#include "run/run_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <map>
#include <sstream>

#include "json/json_file.hpp"
#include "safetensors/atomic_file.hpp"
#include "support/toml_parser.hpp"

namespace hn::run {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".lock";
// Everything that a run writes; a folder without config.toml may hold none but the lock.
constexpr std::array kRunFiles = {"config.toml",   "adapter",     "checkpoint.safetensors",
                                  "metrics.jsonl", "samples",     "events.out.tfevents.0.hnhost",
                                  "scores.json",   "report.html", "summary.json"};

std::string value_text(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  return out.str();
}

void flatten(const toml::table& table, const std::string& prefix,
             std::map<std::string, std::string>& out) {
  for (const auto& [key, value] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = value.as_table()) {
      flatten(*inner, name + ".", out);
    } else {
      out[name] = value_text(value);
    }
  }
}

std::map<std::string, std::string> flat(std::string_view text, const char* which) {
  std::map<std::string, std::string> out;
  try {
    flatten(host::parse_toml(text, which), "", out);
  } catch (const host::TomlProblem& problem) {
    throw Error(HN_DATA_LOSS, std::string("[") + which + "] expected TOML: " + problem.text +
                                  " (line " + std::to_string(problem.line) + ")");
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
    const bool unfinished = name.find("config.toml") != std::string::npos;
    if (name != kLockName && !unfinished) names.push_back(name);
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
  lock();
  try {
    // Nothing was trained yet: there is nothing to lose, and a corrected typo needs no new folder.
    const bool trained = fs::exists(checkpoint()) || fs::exists(summary());
    if (fs::exists(config()) && !overwrite && trained) {
      const auto different = config_differences(read_whole_file(config()), config_text);
      if (!different.empty())
        throw Error(HN_INVALID_ARGUMENT,
                    "[run directory] " + root_.string() +
                        " holds a run with another configuration (" + join(different, "; ") +
                        "); choose another folder with --out, or --overwrite to begin anew");
    } else {
      if (!fs::exists(config())) {
        const auto foreign = foreign_files(root_);
        if (!foreign.empty())
          throw Error(HN_INVALID_ARGUMENT, "[run directory] " + root_.string() +
                                               " is not a run directory and not empty (" +
                                               join(foreign, ", ") + ")");
      }
      const bool same = fs::exists(config()) && !overwrite &&
                        config_differences(read_whole_file(config()), config_text).empty();
      if (!same) {
        remove_run_files();
        write_file_atomically(config(), config_text);
      }
    }
    fs::create_directories(samples(), code);
    if (code)
      throw Error(HN_INTERNAL, "[run directory] " + samples().string() +
                                   " cannot be created: " + code.message());
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

// The lock file stays: removing it would let two later processes lock two different files.
RunDirectory::~RunDirectory() { ::close(lock_); }

void RunDirectory::lock() {
  const fs::path file = root_ / kLockName;
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0)
    throw Error(HN_NOT_FOUND,
                "[run directory] " + root_.string() + " is not writable: " + std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) {
    const std::string pid = std::to_string(::getpid()) + "\n";
    // Only for the message below; the lock holds without it.
    [[maybe_unused]] const int cut = ::ftruncate(lock_, 0);
    [[maybe_unused]] const ssize_t written = ::write(lock_, pid.data(), pid.size());
    return;
  }
  const int error_number = errno;
  std::array<char, 32> pid{};
  const ssize_t n = ::read(lock_, pid.data(), pid.size() - 1);
  std::string holder(pid.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  ::close(lock_);
  if (error_number != EWOULDBLOCK)
    throw Error(HN_INTERNAL, "[run directory] " + file.string() +
                                 " cannot be locked: " + std::strerror(error_number));
  throw Error(HN_INVALID_ARGUMENT, "[run directory] " + root_.string() +
                                       " is in use by another run (process " +
                                       (holder.empty() ? "unknown" : holder) + ")");
}

void RunDirectory::remove_run_files() const {
  // The configuration last: a folder without it counts as foreign, so an interrupted removal must
  // still be recognised as a run.
  for (auto name = kRunFiles.rbegin(); name != kRunFiles.rend(); ++name) {
    std::error_code code;
    fs::remove_all(root_ / *name, code);
    if (code)
      throw Error(HN_INTERNAL, "[run directory] " + (root_ / *name).string() +
                                   " cannot be removed: " + code.message());
  }
}

}  // namespace hn::run
