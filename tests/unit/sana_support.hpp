// The SANA-Sprint generator through its ABI, and copies of the small golden model that a test may
// spoil.
#pragma once

#include "support/generator_client.hpp"
#include "support/model_copy.hpp"

namespace hn::test {

inline const fs::path kSource = HN_SOURCE_DIR;
inline const fs::path kEmoji = kSource / "plugins/generators/sana_sprint/weights/emoji-sprint";

class SanaSprint : public Generator {
 public:
  explicit SanaSprint(const Options& options = {{"weights", kEmoji.string()}})
      : Generator("sana_sprint", options) {}
  static Outcome try_create(const Options& options) {
    return Generator::try_create("sana_sprint", options);
  }
};

// The golden model "plain" with the embedded tokenizer.
class SanaCopy : public ModelCopy {
 public:
  SanaCopy()
      : ModelCopy(kSource / "tests/golden/sana_sprint/plain",
                  {"transformer", "vae", "text_encoder", "scheduler"}) {
    fs::copy(kEmoji / "tokenizer", root() / "tokenizer", fs::copy_options::recursive);
  }
};

}  // namespace hn::test
