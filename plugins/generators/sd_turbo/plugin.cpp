// sd_turbo: one-step to four-step text-to-image with SD-Turbo (arXiv 2311.17042) and its relatives,
// from any Stable Diffusion folder in diffusers layout.
//
// Options and layout on disk: README.md. The glue between model and ABI: common/generator.
#include "generator.hpp"
#include <hn/generator/generator_instance.hpp>

namespace {

class SdTurbo final : public hn::GeneratorInstance {
 public:
  SdTurbo(const hn::Host& host, const hn::Config& config)
      : GeneratorInstance(host, config, [&] { return hn::sd::load_generator(config); }) {}
};

}  // namespace

HN_PLUGIN(SdTurbo, "hn.generator.sd_turbo", "0.1.0");
