#include <hn/generator/pipeline_options.hpp>
#include <hn/nn/model_options.hpp>

namespace hn {

PipelineOptions pipeline_options(const Config& config) {
  return {.dtype = dtype_option(config),
          .device = device_option(config),
          .variant = config.str("variant", ""),
          .quantise = quantise_option(config),
          .text_encoder = text_encoder_option(config),
          .vae_tile = tile_option(config)};
}

}  // namespace hn
