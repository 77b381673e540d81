// The keys that every configuration of transformers may carry.
#pragma once

#include <hn/formats/json_file.hpp>

namespace hn {

// Marks them as known: bookkeeping, training (dropout, initialisation), generation of text, and
// the ids of tokens that a tokenizer tells. Nothing of it changes what an encoder computes.
// Published CLIP, T5 and Gemma configurations list most of them.
void ignore_transformers_keys(JsonObject& config);

}  // namespace hn
