// flux_schnell: one-step to four-step text-to-image with FLUX.1-schnell and other FLUX.1
// transformers, from any folder in diffusers layout.
//
// Options and layout on disk: README.md. The glue between model and ABI: common/generator.
#include "generator.hpp"
#include <hn/generator/generator_instance.hpp>

namespace {

class FluxSchnell final : public hn::GeneratorInstance {
 public:
  FluxSchnell(const hn::Host& host, const hn::Config& config)
      : GeneratorInstance(host, config, [&] { return hn::flux::load_generator(config); }) {}
};

}  // namespace

HN_PLUGIN(FluxSchnell, "hn.generator.flux_schnell", "0.1.0");
