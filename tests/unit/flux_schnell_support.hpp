// The FLUX generator through its ABI on the small golden model, and copies of it that a test may
// spoil.
#pragma once

#include "support/generator_client.hpp"
#include "support/model_copy.hpp"

namespace hn::test {

inline const fs::path kPlain = fs::path(HN_SOURCE_DIR) / "tests/golden/flux_schnell/plain";

// The golden model's folder, its text length and a small picture.
inline Options flux_options(const Options& more = {}) {
  Options options = {{"weights", kPlain.string()},
                     {"max_sequence_length", std::int64_t{12}},
                     {"width", std::int64_t{12}},
                     {"height", std::int64_t{8}}};
  for (auto& [key, value] : more) options[key] = value;
  return options;
}

class Flux : public Generator {
 public:
  explicit Flux(const Options& more = {}) : Generator("flux_schnell", flux_options(more)) {}
  static Outcome try_create(const Options& options) {
    return Generator::try_create("flux_schnell", options);
  }
};

// The golden model "plain": bfloat16, as save_pretrained wrote it.
class FluxCopy : public ModelCopy {
 public:
  FluxCopy()
      : ModelCopy(kPlain, {"transformer", "vae", "text_encoder", "text_encoder_2", "scheduler",
                           "tokenizer", "tokenizer_2"}) {}
};

}  // namespace hn::test
