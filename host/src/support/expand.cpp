#include "support/expand.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "support/files.hpp"

namespace hn::host {
namespace {

// Of a user, or of this process's where `name` is empty; "" for an unknown one.
std::string listed_home(const std::string& name) {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  const int failed = name.empty()
                         ? ::getpwuid_r(::getuid(), &entry, room.data(), room.size(), &found)
                         : ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  return failed == 0 && found != nullptr && found->pw_dir != nullptr ? found->pw_dir : "";
}

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

std::string expand_user(const std::string& path) {
  if (!path.starts_with('~')) return path;
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string name = path.substr(1, end - 1);
  std::string home = name.empty() ? environment("HOME") : "";
  if (home.empty()) home = listed_home(name);
  if (home.empty()) return path;
  while (home.ends_with('/')) home.pop_back();
  const std::string whole = home + path.substr(end);
  return whole.empty() ? "/" : whole;
}

std::string expand_variables(const std::string& path) {
  std::string out;
  for (std::size_t at = 0; at < path.size();) {
    std::size_t end = at + 1;
    std::string name;
    if (path[at] == '$' && path.compare(at, 2, "${") == 0) {
      const std::size_t close = path.find('}', at);
      if (close != std::string::npos) {
        name = path.substr(at + 2, close - at - 2);
        end = close + 1;
      }
    } else if (path[at] == '$') {
      while (end < path.size() && is_name(path[end])) ++end;
      name = path.substr(at + 1, end - at - 1);
    }
    const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
    out += value == nullptr ? path.substr(at, end - at) : value;
    at = end;
  }
  return out;
}

}  // namespace hn::host
