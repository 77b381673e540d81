// The configuration of a run; what is read is written, and reads back the same.
#include "config/run_config.hpp"
#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(config) {
  using namespace hn::host;
  RunConfig config;
  if (!hn::fuzz::read([&] { config = parse_config(input, "run.toml"); })) return;
  const std::string written = to_toml(config);
  hn::fuzz::require(to_toml(parse_config(written)) == written, "reads back otherwise:\n" + written);
}
