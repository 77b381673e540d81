#include "run/new_project.hpp"

#include <absl/strings/numbers.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <vector>

#include "loader/scan.hpp"

namespace hn::host {
namespace fs = std::filesystem;
namespace {

struct Replacement {
  std::string from, to;
};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// "my_reward" -> "MyReward"
std::string camel(std::string_view text) {
  std::string out;
  bool begin = true;
  for (const char c : text) {
    if (c == '_') {
      begin = true;
      continue;
    }
    out += begin ? upper(std::string_view(&c, 1)) : std::string(1, c);
    begin = false;
  }
  return out;
}

std::string replaced(std::string text, const std::vector<Replacement>& all) {
  for (const auto& [from, to] : all) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  return text;
}

void check_name(std::string_view name) {
  const bool valid = !name.empty() && name.size() <= 64 && name[0] >= 'a' && name[0] <= 'z' &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                     });
  if (!valid)
    throw Error(HN_INVALID_ARGUMENT,
                "[new] expected a name of lower-case letters, digits and '_' that begins with a "
                "letter, at most 64 of them, got '" +
                    std::string(name) + "'");
}

std::vector<std::string> kinds(const fs::path& templates) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(templates, ignored))
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.'))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void copy_tree(const fs::path& from, const fs::path& to, const std::vector<Replacement>& names) {
  fs::create_directories(to);
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(from)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) {
    const fs::path target = to / replaced(entry.filename().string(), names);
    if (fs::is_directory(entry)) {
      if (entry.filename() != "build") copy_tree(entry, target, names);
      continue;
    }
    write_file_atomically(target, replaced(read_whole_file(entry), names));
    // Scripts stay executable.
    fs::permissions(target, fs::status(entry).permissions() | fs::perms::owner_write);
  }
}

// The folders that killed processes left half-made beside `folder`.
void remove_abandoned(const fs::path& parent, const std::string& prefix) {
  for (const auto& entry : fs::directory_iterator(parent)) {
    const std::string name = entry.path().filename().string();
    pid_t process = 0;
    if (!name.starts_with(prefix) || !absl::SimpleAtoi(name.substr(prefix.size()), &process))
      continue;
    const bool lives = ::kill(process, 0) == 0 || errno == EPERM;
    if (process > 0 && !lives) fs::remove_all(entry.path());
  }
}

}  // namespace

void new_project(const fs::path& templates, std::string_view kind, std::string_view name,
                 const fs::path& folder) {
  const std::vector<std::string> known = kinds(templates);
  if (std::find(known.begin(), known.end(), kind) == known.end()) {
    std::string list;
    for (const auto& each : known) list += (list.empty() ? "" : ", ") + each;
    throw Error(HN_NOT_FOUND, "[new] expected a kind of project (" + list + "), got '" +
                                  std::string(kind) + "'" + nearest_hint(kind, known));
  }
  check_name(name);
  if (fs::exists(folder) && !(fs::is_directory(folder) && fs::is_empty(folder)))
    throw Error(HN_INVALID_ARGUMENT,
                "[new] expected a folder that does not exist or is empty, got " + folder.string());
  std::string own = "my_";
  own += kind;
  std::string dashed_own = own, dashed_name(name);
  std::replace(dashed_own.begin(), dashed_own.end(), '_', '-');
  std::replace(dashed_name.begin(), dashed_name.end(), '_', '-');
  const std::vector<Replacement> names = {{own, std::string(name)},
                                          {upper(own), upper(name)},
                                          {camel(own), camel(name)},
                                          {dashed_own, dashed_name}};
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  const std::string prefix = "." + folder.filename().string() + ".new.";
  const fs::path unfinished = parent / (prefix + std::to_string(::getpid()));
  try {
    if (fs::is_directory(parent)) remove_abandoned(parent, prefix);
    fs::remove_all(unfinished);
    copy_tree(templates / kind, unfinished, names);
    fs::rename(unfinished, folder);  // an empty folder under the name is replaced
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
    throw Error(HN_INTERNAL, "[new] " + folder.string() + ": " + error.code().message());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
    throw;
  }
}

fs::path template_folder() {
  const fs::path folder = host::share_folder() / "templates";
  if (!fs::is_directory(folder))
    throw Error(HN_NOT_FOUND, "[new] expected the templates in " + folder.string());
  return folder;
}

}  // namespace hn::host
