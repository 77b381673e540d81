// tokenizer.json, and a text through what it says.
#include "fuzz/targets/texts.hpp"

HN_FUZZ_TARGET(tokenizer_json) {
  using namespace hn;
  const auto parts = fuzz::parts_of(input, {"tokenizer.json", "text"});
  const auto json = parts.find("tokenizer.json");
  const auto text = parts.find("text");
  if (json == parts.end()) return;
  fuzz::read([&] {
    const Tokenizer tokenizer = Tokenizer::from_json(json->second, "tokenizer.json");
    fuzz::encode_all(tokenizer, text == parts.end() ? "" : text->second);
  });
}
