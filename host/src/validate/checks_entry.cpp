// What the host reads before it runs any code of the plugin.
#include <algorithm>

#include "loader/elf.hpp"
#include "validate/check.hpp"

namespace hn::validate {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 6; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 6 ? text + ", ... (" + std::to_string(names.size()) + ")" : text;
}

void loads(Context&) {}  // whoever comes here has loaded it

void strict_manifest(Context& c) {
  expect(c.subject().manifest_problem.empty(), c.subject().manifest_problem);
}

void header(Context& c) {
  const hn_plugin_v1* entry = c.entry();
  expect(entry->struct_size >= sizeof(hn_plugin_v1),
         "struct_size: expected at least " + std::to_string(sizeof(hn_plugin_v1)) + ", got " +
             std::to_string(entry->struct_size));
  expect(entry->abi_major == HN_ABI_MAJOR,
         "abi_major: expected 1, got " + std::to_string(entry->abi_major));
  expect(entry->abi_minor <= HN_ABI_MINOR,
         "abi_minor: this host is 1." + std::to_string(HN_ABI_MINOR) + ", the plugin needs 1." +
             std::to_string(entry->abi_minor));
  expect(entry->header_minor >= entry->abi_minor,
         "header_minor: expected that of the headers, at least abi_minor " +
             std::to_string(entry->abi_minor) + ", got " + std::to_string(entry->header_minor));
  expect(entry->reserved == 0, "reserved: expected 0, got " + std::to_string(entry->reserved));
  expect(entry->flags == 0, "flags: expected 0, got " + std::to_string(entry->flags));
  expect(entry->create != nullptr && entry->destroy != nullptr && entry->get_interface != nullptr,
         "create, destroy and get_interface must all be there");
}

void identity(Context& c) {
  const std::string id(view(c.entry()->id)), version(view(c.entry()->version));
  expect(id == c.subject().id,
         "id: the manifest says '" + c.subject().id + "', the library '" + id + "'");
  expect(version == c.subject().version,
         "version: the manifest says '" + c.subject().version + "', the library '" + version + "'");
}

void exports(Context& c) {
  host::ElfFacts facts = host::read_elf(c.subject().library);
  // What somebody exported on purpose is named before what a template left behind.
  std::stable_partition(facts.exports.begin(), facts.exports.end(),
                        [](const std::string& name) { return !name.starts_with("_Z"); });
  expect(facts.exports == std::vector<std::string>{HN_PLUGIN_ENTRY_V1},
         std::string("expected the one export ") + HN_PLUGIN_ENTRY_V1 +
             ", got: " + joined(facts.exports));
}

void unique_symbols(Context& c) {
  const host::ElfFacts facts = host::read_elf(c.subject().library);
  expect(facts.unique.empty(),
         "STB_GNU_UNIQUE symbols are one for the whole process (build with -fno-gnu-unique): " +
             joined(facts.unique));
}

void dependencies(Context& c) {
  const host::ElfFacts facts = host::read_elf(c.subject().library);
  for (const std::string& name : facts.needed) {
    expect(name.find("libhnhost") == std::string::npos,
           "a plugin must not depend on the host: " + name);
    const bool torch = name.starts_with("libtorch") || name.starts_with("libc10");
    expect(!torch || c.subject().libtorch,
           "needs " + name + ", but the manifest says requires.libtorch = \"none\"");
    expect(name != "libstdc++.so.6" || c.subject().libtorch,
           "without LibTorch a plugin carries its own libstdc++ (link with -static-libstdc++), or "
           "it gets the application's");
  }
}

void interfaces(Context& c) {
  Instance& instance = c.instance();
  for (const char* id : {"hn.nothing/9", "hn.fn/2", "hn.fn", "", "hn.fn/1 "})
    expect(c.entry()->get_interface(instance.get(), id) == nullptr,
           std::string("get_interface(\"") + id +
               "\"): expected NULL for an id that version 1 does not have");
  const hn_fn_v1& fn = instance.fn();
  expect(fn.open && fn.close && fn.info && fn.slot && fn.plan && fn.forward && fn.backward &&
             fn.saved_release,
         "hn.fn/1: every entry of the table must be there");
  if (const auto* t = instance.cond())
    expect(t->encode && t->release && t->size_bytes && t->embedding_size && t->embedding &&
               t->prompt_fields,
           "hn.cond/1: every entry of the table must be there");
  if (const auto* t = instance.adapter())
    expect(t->layer_count && t->layer, "hn.adapter/1: every entry of the table must be there");
  if (const auto* t = instance.memory())
    expect(t->use && t->trim, "hn.memory/1: every entry of the table must be there");
  expect(c.entry()->get_interface(instance.get(), HN_FN_V1) == &fn,
         "get_interface must give the same table every time");
}

constexpr Check kChecks[] = {
    {kLoads, "The library is the one of the manifest, loads, and exports the plugin's constant.",
     Scope::kPlugin, nullptr, &loads, ""},
    {"manifest.strict",
     "The manifest holds nothing that this hn does not know, and names of its own have a domain.",
     Scope::kPlugin, nullptr, &strict_manifest, "entry.loads"},
    {"entry.header",
     "The exported constant has version 1's size, major version, no unknown flags, and its three "
     "functions.",
     Scope::kPlugin, nullptr, &header, "entry.loads"},
    {"entry.identity", "Id and version are those of the manifest.", Scope::kPlugin, nullptr,
     &identity, "entry.loads"},
    {"entry.exports", "The library exports hn_plugin_entry_v1 and nothing else.", Scope::kPlugin,
     nullptr, &exports, "entry.loads"},
    {"entry.unique", "The library has no symbol that the whole process would share.",
     Scope::kPlugin,
     [](Context& c) {
       return c.subject().libtorch ? std::string("LibTorch's headers bring some along")
                                   : std::string();
     },
     &unique_symbols, "entry.loads"},
    {"entry.dependencies",
     "The library needs nothing of the host, and LibTorch only where the manifest says so.",
     Scope::kPlugin, nullptr, &dependencies, "entry.loads"},
    {"entry.interfaces", "An unknown interface id gives NULL, a known one a complete table.",
     Scope::kPlugin, nullptr, &interfaces, "create.works"},
};

}  // namespace

std::span<const Check> entry_checks() { return kChecks; }

}  // namespace hn::validate
