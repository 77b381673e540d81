// A plugin of the host's own, without a library: what HN_PLUGIN exports, for a class made here.
#pragma once

#include <hn/cpp/plugin.hpp>

namespace hn::core {

// The texts are borrowed for the life of the entry.
template <class Class>
hn_plugin_v1 host_plugin(hn_str id, hn_str version,
                         decltype(hn_plugin_v1::get_plugin_interface) plugin_interface = nullptr) {
  return {sizeof(hn_plugin_v1),
          HN_ABI_MAJOR,
          kNeedsMinor,
          0u,
          id,
          version,
          &tables::create<Class>,
          &tables::destroy,
          &tables::get_interface,
          HN_ABI_MINOR,
          0u,
          plugin_interface};
}

}  // namespace hn::core
