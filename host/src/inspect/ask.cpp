#include "inspect/ask.hpp"

#include <hn/cpp/error.hpp>

#include "core/surroundings.hpp"
#include "loader/plugin_calls.hpp"
#include "support/cat.hpp"

namespace hn::inspect {

Asked::Asked(host::Host& h, const host::Choice& choice, const std::filesystem::path& weights)
    : host(h), name(choice.plugin->name), plugin(h.open_plugin(*choice.plugin)) {
  if (choice.model != nullptr) options = choice.model->options;
  host::add_defaults(*choice.plugin, options);
  options["weights"] = weights.string();
  options["bundle"] = choice.plugin->bundle.string();
}

void Asked::call(const char* what, const std::function<hn_status(hn_error*)>& f) const {
  ErrorBuffer error;
  hn_status status = HN_OK;
  const core::PluginCallScope told(&host::plugin_calls(),
                                   {name.c_str(), plugin.library.c_str(), what});
  const core::Surroundings before(core::Surroundings::Depth::kWhole);
  const hn_status thrown = guard(error.get(), [&] { status = f(error.get()); });
  if (const std::string changed = before.restore(); !changed.empty())
    host.log(HN_LOG_WARNING,
             host::cat(name, ": ", what, ": the plugin changed ", changed, "; it was put back"));
  check(thrown, error, host::cat(name, ": ", what, ": an exception left the plugin"));
  check(status, error);
}

}  // namespace hn::inspect
