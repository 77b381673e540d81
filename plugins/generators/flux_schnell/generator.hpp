// FLUX as a LatentModel: options, and the way from the shared glue to model.hpp.
#pragma once

#include <hn/cpp/config.hpp>
#include <memory>

#include <hn/generator/latent_model.hpp>

namespace hn::flux {

// Reads the folder of option `weights` with the options `dtype`, `device`, `variant`, `quantise`,
// `text_encoder`, `vae_tile`, `vae_tile_overlap` and `max_sequence_length`. Errors: Model's;
// HN_NOT_FOUND without the option.
std::unique_ptr<LatentModel> load_generator(const Config& config);

}  // namespace hn::flux
