// The options of a create or open call as a worker asked for them, kept for a worker that has to be
// started again.
#pragma once

#include <hn/cpp/config.hpp>
#include <map>
#include <string>
#include <utility>

#include "worker/messages.hpp"

namespace hn::worker {

// What the host's table answers.
Answer read_option(const Config& config, OptionType type, const std::string& key);

class OptionMemo {
 public:
  // While the call runs that brought the options.
  Answer ask(const Config& config, OptionType type, const std::string& key) {
    const auto [at, fresh] = answers_.try_emplace({type, key});
    if (fresh) at->second = read_option(config, type, key);
    return at->second;
  }
  // Later. A plugin that asks for something else the second time cannot be made again: HN_INTERNAL.
  Answer again(OptionType type, const std::string& key) const {
    const auto at = answers_.find({type, key});
    if (at == answers_.end())
      throw Error(HN_INTERNAL, "[worker] started again, the plugin asks for the option '" + key +
                                   "', which it did not ask for the first time");
    return at->second;
  }

 private:
  std::map<std::pair<OptionType, std::string>, Answer> answers_;
};

}  // namespace hn::worker
