// sana_sprint: one-step and few-step text-to-image with SANA-Sprint (arXiv 2503.09641), from any
// folder in diffusers layout.
//
// Options and layout on disk: README.md. The glue between model and ABI: common/generator.
#include "generator.hpp"
#include <hn/generator/generator_instance.hpp>

namespace {

class SanaSprint final : public hn::GeneratorInstance {
 public:
  SanaSprint(const hn::Host& host, const hn::Config& config)
      : GeneratorInstance(host, config, [&] { return hn::sana::load_generator(config); }) {}
};

}  // namespace

HN_PLUGIN(SanaSprint, "hn.generator.sana_sprint", "0.1.0");
