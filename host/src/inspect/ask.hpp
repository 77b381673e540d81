// What inspect asks of a plugin's own code.
#pragma once

#include <filesystem>
#include <functional>

#include "host/host.hpp"

namespace hn::inspect {

// An opened plugin, and the options that its model and a folder of weights make.
struct Asked {
  Asked(host::Host& host, const host::Choice& choice, const std::filesystem::path& weights);

  // Calls into the plugin; `what` names the call. What it changed of the process is put back and
  // told in the log. Throws the error that it gave, and HN_INTERNAL for an exception that left it.
  void call(const char* what, const std::function<hn_status(hn_error*)>& f) const;
  const hn_plugin_v1& entry() const { return *plugin.entry; }

  host::Host& host;
  std::string name;
  core::Plugin plugin;
  core::Options options;
};

}  // namespace hn::inspect
