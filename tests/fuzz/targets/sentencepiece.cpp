// SentencePiece's model file, plain as it is published, and texts through it.
#include "fuzz/targets/texts.hpp"

HN_FUZZ_TARGET(sentencepiece) {
  using namespace hn;
  fuzz::folder();
  const auto path = fuzz::write("spiece.model", input);
  fuzz::read([&] {
    const Tokenizer tokenizer = Tokenizer::from_file(path);
    // Bytes of the file are texts that its tables know something of.
    fuzz::encode_all(tokenizer, input.substr(0, 300));
  });
}
