#include "loader/finish_manifest.hpp"

#include <cstdio>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <map>

#include "loader/elf.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {
namespace {

std::string finished(const Finish& f) {
  check_author_manifest(f.manifest, f.kind);
  const auto entry = read_elf(f.library).entry;
  if (!entry)
    throw Error(HN_INVALID_ARGUMENT,
                cat(f.library.string(), ": exports no constant ", HN_PLUGIN_ENTRY_V1,
                    "; is HN_PLUGIN(...) in one of its files?"));
  std::string text = read_file(f.manifest);
  if (!text.empty() && text.back() != '\n') text += '\n';
  return cat(text, "\n[abi]\nmajor = ", entry->abi_major, "\nmin_minor = ", entry->abi_minor,
             "\n\n[library.", f.platform, "]\nfile = \"", f.library.filename().string(),
             "\"\nsha256 = \"", sha256_file(f.library), "\"\n\n[requires]\nlibtorch = \"",
             f.libtorch, "\"\n");
}

}  // namespace

void finish_manifest(const Finish& f) {
  std::error_code failed;
  try {
    const std::string text = finished(f);
    if (std::filesystem::exists(f.out, failed) && read_file(f.out) == text) return;
    write_file_atomically(f.out, text);
  } catch (...) {
    std::filesystem::remove(f.out, failed);
    throw;
  }
}

int finish_manifest_command(int count, char** words) {
  std::map<std::string, std::string> given;
  for (int i = 0; i < count; ++i) {
    const std::string word = words[i];
    const auto equals = word.find('=');
    given[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
  }
  Finish f;
  for (const auto& [key, value] : given) {
    if (key == "manifest")
      f.manifest = value;
    else if (key == "library")
      f.library = value;
    else if (key == "out")
      f.out = value;
    else if (key == "platform")
      f.platform = value;
    else if (key == "libtorch")
      f.libtorch = value;
    else if (key == "kind")
      f.kind = value == "generator" ? PluginKind::kGenerator : PluginKind::kReward;
    else
      throw Error(HN_INVALID_ARGUMENT, cat("[manifest] unknown word ", key));
  }
  if (f.manifest.empty() || f.library.empty() || f.out.empty() || f.platform.empty())
    throw Error(HN_INVALID_ARGUMENT, "[manifest] expected manifest=, library=, out=, platform=");
  try {
    finish_manifest(f);
    return 0;
  } catch (const Error& e) {
    // "FILE:LINE: error: ..." is what editors find.
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}

}  // namespace hn::host
