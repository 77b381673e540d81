// SANA-Sprint as a LatentModel: options, and the way from the shared glue to model.hpp.
#pragma once

#include <hn/cpp/config.hpp>
#include <memory>

#include <hn/generator/latent_model.hpp>
#include "model.hpp"

namespace hn::sana {

// Reads the folder of option `weights` (default: the embedded model) with the options `dtype`,
// `device`, `variant`, `quantise`, `text_encoder`, `vae_tile`, `vae_tile_overlap`,
// `max_sequence_length` and `complex_human_instruction`. Errors: Model's.
std::unique_ptr<LatentModel> load_generator(const Config& config);

}  // namespace hn::sana
