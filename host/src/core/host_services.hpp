// The host's side of hn/host.h: one table over Services, and options as typed values.
#pragma once

#include <hn/host.h>

#include "core/session.hpp"

namespace hn::core {

// Options as the opaque handle of one create or open call; borrowed.
inline const hn_config* as_config(const Options& options) {
  return reinterpret_cast<const hn_config*>(&options);
}

// The table that every instance of one session gets. It must outlive them and does not move.
class HostServices {
 public:
  explicit HostServices(Services services);
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;

  const hn_host_v1* table() const { return &table_; }
  void log(std::int32_t level, std::string_view text) const;
  bool cancelled() const { return services_.cancelled && services_.cancelled(); }
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total) const;
  PluginCalls* plugin_calls() const { return services_.plugin_calls; }
  // The training step that calls belong to from here on, from 1; 0: none.
  std::uint64_t step() const { return step_; }
  void at_step(std::uint64_t step) const { step_ = step; }
  // HN_CANCELLED when the user asked to stop.
  void stop_if_cancelled(const char* where) const;

 private:
  Services services_;
  hn_host_v1 table_{};
  mutable std::uint64_t step_ = 0;  // told of calls, changes nothing
};

}  // namespace hn::core
