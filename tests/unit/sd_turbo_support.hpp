// The SD-Turbo generator through its ABI on the small golden model, and copies of it that a test
// may spoil.
#pragma once

#include "support/generator_client.hpp"
#include "support/model_copy.hpp"

namespace hn::test {

inline const fs::path kPlain = fs::path(HN_SOURCE_DIR) / "tests/golden/sd_turbo/plain";

class SdTurbo : public Generator {
 public:
  explicit SdTurbo(const Options& options = {{"weights", kPlain.string()}})
      : Generator("sd_turbo", options) {}
  static Outcome try_create(const Options& options) {
    return Generator::try_create("sd_turbo", options);
  }
};

// The golden model "plain": float16 variants, as save_pretrained wrote them.
class SdCopy : public ModelCopy {
 public:
  SdCopy() : ModelCopy(kPlain, {"unet", "vae", "text_encoder", "scheduler", "tokenizer"}) {}
};

}  // namespace hn::test
