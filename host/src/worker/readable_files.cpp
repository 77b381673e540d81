#include "worker/readable_files.hpp"

#include <absl/strings/str_split.h>

#include <filesystem>
#include <set>

#include "loader/elf.hpp"
#include "loader/scan.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::worker {
namespace {

namespace fs = std::filesystem;

// Of links in a folder of weights; Hugging Face's cache is made of them.
constexpr std::size_t kMostEntries = 20'000;

void add_with_links(const fs::path& path, std::set<std::string>& all) {
  std::error_code failed;
  const fs::path real = fs::canonical(path, failed);
  if (failed || !all.insert(real.string()).second || !fs::is_directory(real, failed)) return;
  std::size_t seen = 0;
  auto entry =
      fs::recursive_directory_iterator(real, fs::directory_options::skip_permission_denied, failed);
  for (; !failed && entry != fs::recursive_directory_iterator() && ++seen < kMostEntries;
       entry.increment(failed)) {
    std::error_code ignored;
    if (!entry->is_symlink(ignored)) continue;
    if (const fs::path target = fs::canonical(entry->path(), ignored); !ignored)
      all.insert(target.string());
  }
}

// Only absolute paths: a name like "cpu" or "0.5" is none, and the root is never meant.
void add_named(const std::string& text, std::set<std::string>& all) {
  if (text.size() > 1 && text[0] == '/') add_with_links(text, all);
}

}  // namespace

std::string library_path_for(const host::Manifest& manifest) {
  if (manifest.libtorch == "none" || manifest.libtorch != HN_CORE_LIBTORCH_BUILD_ID) return "";
  std::error_code failed;
  const fs::path folder = fs::canonical(host::library_folder() / "hn" / "libtorch" / "lib", failed);
  return failed ? "" : folder.string();
}

std::vector<std::string> readable_files(const host::Manifest& manifest, const Config& config,
                                        const std::string& library_path) {
  std::set<std::string> all;
  add_with_links(manifest.bundle, all);
  const fs::path origin = manifest.library.parent_path();
  for (std::string folder : host::read_elf(manifest.library).runpath) {
    for (const char* name : {"$ORIGIN", "${ORIGIN}"})
      if (const auto at = folder.find(name); at != std::string::npos)
        folder.replace(at, std::string(name).size(), origin.string());
    add_with_links(folder, all);
  }
  for (const auto part : absl::StrSplit(library_path + ":" + host::environment("LD_LIBRARY_PATH"),
                                        ':', absl::SkipEmpty()))
    add_with_links(std::string(part), all);
  std::vector<host::OptionSpec> options = manifest.options;
  for (const host::OptionSpec& standard : host::standard_options()) options.push_back(standard);
  for (const host::OptionSpec& option : options) {
    if (option.type == "str") add_named(config.str(option.key.c_str(), ""), all);
    if (option.type == "list")
      for (const std::string& each : config.list(option.key.c_str())) add_named(each, all);
  }
  return {all.begin(), all.end()};
}

}  // namespace hn::worker
