#include "loader/library.hpp"

#include <hn/plugin.h>

#include <hn/cpp/error.hpp>

#include "core/surroundings.hpp"
#include "loader/bundle_doubts.hpp"
#include "loader/library_file.hpp"
#include "loader/plugin_calls.hpp"
#include "loader/shared_library.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

// Before any code of the library can run.
void check_requirements(const Manifest& m, std::string_view core_libtorch) {
  const std::string who = cat("plugin ", m.name, " (", m.bundle.string(), ")");
  if (m.abi_major != HN_ABI_MAJOR)
    throw Error(HN_UNSUPPORTED, cat(who, ": was built for version ", m.abi_major,
                                    " of the ABI, this host has version ", HN_ABI_MAJOR));
  if (m.abi_min_minor > static_cast<std::int64_t>(HN_ABI_MINOR))
    throw Error(HN_UNSUPPORTED, cat(who, ": needs version ", m.abi_major, ".", m.abi_min_minor,
                                    " of the ABI, this host has ", HN_ABI_MAJOR, ".", HN_ABI_MINOR,
                                    "; a newer hn is needed"));
  if (m.libtorch != "none" && m.libtorch != core_libtorch)
    throw Error(
        HN_UNSUPPORTED,
        cat(who, ": was built with the LibTorch of build id ", m.libtorch, ", this host has ",
            core_libtorch == "none" ? "none" : core_libtorch,
            "; build the plugin again with this hn's SDK, or let it run in a process of its "
            "own (isolation = \"process\")"));
}

// Another LibTorch than the plugin's own would compute something else, in silence.
void require_own_libtorch(const Manifest& m) {
  if (m.libtorch == "none") return;
  for (const LoadedLibtorch& loaded : loaded_libtorch())
    if (loaded.build_id != m.libtorch)
      throw Error(HN_UNSUPPORTED,
                  cat("plugin ", m.name, ": was built with the LibTorch of build id ", m.libtorch,
                      ", its process found ", loaded.path, " (build id ",
                      loaded.build_id.empty() ? "none" : loaded.build_id,
                      "); its own has to be found first: by the run path of its library, or by "
                      "LD_LIBRARY_PATH"));
}

void check_hash(const Manifest& m, const LibraryFile& file) {
  const std::string hash = file.sha256();
  if (hash != m.library_sha256)
    throw Error(HN_DATA_LOSS,
                cat("plugin ", m.name, " (", m.bundle.string(), "): ", m.library.string(),
                    " is not the file that the manifest "
                    "describes: expected sha256 ",
                    m.library_sha256, ", got ", hash));
}

void check_text(const std::string& who, const char* what, hn_str got, const std::string& wanted) {
  if (got.data == nullptr) throw Error(HN_INVALID_ARGUMENT, cat(who, "its binary has no ", what));
  if (view(got) != wanted)
    throw Error(HN_INVALID_ARGUMENT, cat(who, "the manifest says ", what, " '", wanted,
                                         "', the binary '", view(got), "'"));
}

}  // namespace

void check_entry(const hn_plugin_v1* entry, const Manifest& m) {
  const std::string who = cat("plugin ", m.name, " (", m.library.string(), "): ");
  if (!HN_HAS(entry, hn_plugin_v1, get_plugin_interface))
    throw Error(HN_INVALID_ARGUMENT, cat(who, "expected an entry of at least ",
                                         offsetof(hn_plugin_v1, get_plugin_interface) +
                                             sizeof(entry->get_plugin_interface),
                                         " bytes, its struct_size is ", entry->struct_size));
  if (entry->abi_major != HN_ABI_MAJOR)
    throw Error(HN_UNSUPPORTED,
                cat(who, "expected version ", HN_ABI_MAJOR, " of the ABI, got ", entry->abi_major));
  if (entry->abi_minor > HN_ABI_MINOR)
    throw Error(HN_UNSUPPORTED, cat(who, "needs version ", entry->abi_major, ".", entry->abi_minor,
                                    " of the ABI, this host has ", HN_ABI_MAJOR, ".", HN_ABI_MINOR,
                                    "; a newer hn is needed"));
  if (entry->abi_minor != m.abi_min_minor)
    throw Error(HN_INVALID_ARGUMENT, cat(who, "the manifest says abi.min_minor ", m.abi_min_minor,
                                         ", the binary ", entry->abi_minor));
  if ((entry->flags & HN_FLAGS_CRITICAL) != 0)  // the others are hints
    throw Error(HN_UNSUPPORTED,
                cat(who, "has entry flags that this host does not know: ", entry->flags));
  check_text(who, "id", entry->id, m.id);
  check_text(who, "version", entry->version, m.version);
  if (entry->create == nullptr || entry->destroy == nullptr || entry->get_interface == nullptr)
    throw Error(HN_INVALID_ARGUMENT,
                cat(who, "expected create, destroy and get_interface, one of them is NULL"));
}

core::Plugin open_plugin(const Manifest& m, std::string_view core_libtorch,
                         const std::function<void(const std::string&)>& warn) {
  const auto tell = [&](const std::string& text) {
    if (warn) warn(text);
  };
  check_requirements(m, core_libtorch);
  for (const std::string& note : m.notes) tell(cat("plugin ", m.name, ": ", note));
  for (const std::string& doubt : bundle_doubts(m)) tell(doubt);
  const LibraryFile file(m.library);
  check_hash(m, file);
  void* library = nullptr;
  {
    const core::PluginCallScope told(&plugin_calls(), {m.name.c_str(), m.library.c_str(), "load"});
    const core::Surroundings before(core::Surroundings::Depth::kWhole);
    library = open_library(m.library);
    if (const std::string changed = before.restore(); !changed.empty())
      tell(cat("plugin ", m.name, " (", m.library.string(), "): loading it changed ", changed,
               "; it was put back (a library linked with -ffast-math changes the floating-point "
               "modes)"));
  }
  // The fields up to flags are enough to tell what the rest is.
  const void* found = find_constant(library, HN_PLUGIN_ENTRY_V1, offsetof(hn_plugin_v1, flags));
  if (found == nullptr)
    throw Error(HN_INVALID_ARGUMENT,
                cat("plugin ", m.name, " (", m.library.string(), "): exports no constant ",
                    HN_PLUGIN_ENTRY_V1, "; is HN_PLUGIN(...) in one of its files?"));
  file.require_mapped(found);
  const auto* entry = static_cast<const hn_plugin_v1*>(found);
  check_entry(entry, m);
  return {entry, m.id, m.bundle, m.library};
}

core::Plugin open_plugin_alone(const Manifest& m,
                               const std::function<void(const std::string&)>& warn) {
  const core::Plugin plugin = open_plugin(m, m.libtorch, warn);
  require_own_libtorch(m);
  return plugin;
}

}  // namespace hn::host
