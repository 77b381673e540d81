// flux_schnell: one-step to four-step text-to-image with FLUX.1-schnell and other FLUX.1
// transformers, from any folder in diffusers layout. Options and layout on disk: README.md.
#include <hn/generator/generator_instance.hpp>
#include <hn/nn/model_options.hpp>

#include "model.hpp"

namespace {

std::unique_ptr<hn::LatentModel> load(const hn::Config& config) {
  return std::make_unique<hn::flux::Model>(
      hn::required_weights_option(config, "a FLUX folder in diffusers layout"),
      hn::pipeline_options(config), config.i64("max_sequence_length", hn::flux::kDefaultLength));
}

using FluxSchnell = hn::GeneratorPlugin<load>;

}  // namespace

HN_PLUGIN(FluxSchnell, "hn.generator.flux_schnell", "0.1.0");
