#include "loader/bundle_doubts.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "support/cat.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;

// sticky_is_safe: in a folder with that bit nobody can exchange what belongs to others.
std::string doubt(const fs::path& path, bool sticky_is_safe) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return "";  // whoever opens it will say so
  const uid_t user = ::geteuid();
  if ((about.st_mode & S_IWOTH) != 0 && !(sticky_is_safe && (about.st_mode & S_ISVTX) != 0))
    return cat(path.string(), " can be changed by every user of this machine (chmod o-w)");
  if (user != 0 && about.st_uid != user && about.st_uid != 0)
    return cat(path.string(), " belongs to another user (id ", about.st_uid,
               "), who can change what runs here");
  return "";
}

}  // namespace

std::vector<std::string> bundle_doubts(const Manifest& m) {
  std::vector<std::string> doubts;
  const auto look = [&](const fs::path& path, bool sticky_is_safe) {
    if (std::string text = doubt(path, sticky_is_safe); !text.empty())
      doubts.push_back(cat("plugin ", m.name, ": ", text));
  };
  look(m.bundle.parent_path(), true);
  look(m.bundle, false);
  for (fs::path folder = m.library.parent_path();
       folder != m.bundle && folder.string().size() > m.bundle.string().size();
       folder = folder.parent_path())
    look(folder, false);
  look(m.bundle / "plugin.toml", false);
  look(m.library, false);
  return doubts;
}

}  // namespace hn::host
