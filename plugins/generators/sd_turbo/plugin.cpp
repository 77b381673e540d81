// sd_turbo: one-step to four-step text-to-image with SD-Turbo (arXiv 2311.17042) and its relatives,
// from any Stable Diffusion folder in diffusers layout. Options and layout on disk: README.md.
#include <hn/generator/generator_instance.hpp>
#include <hn/nn/model_options.hpp>

#include "model.hpp"

namespace {

std::unique_ptr<hn::LatentModel> load(const hn::Config& config) {
  return std::make_unique<hn::sd::Model>(
      hn::required_weights_option(config, "a Stable Diffusion folder in diffusers layout"),
      hn::pipeline_options(config));
}

using SdTurbo = hn::GeneratorPlugin<load>;

}  // namespace

HN_PLUGIN(SdTurbo, "hn.generator.sd_turbo", "0.1.0");
