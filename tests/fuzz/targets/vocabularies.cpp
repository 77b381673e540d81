// Vocabularies of their own formats: CLIP's vocab.json and merges.txt, OpenCLIP's merges and BERT's
// words, the last two plain or gzip.
#include <hn/text/bert_tokenizer.hpp>
#include <hn/text/clip_tokenizer.hpp>

#include "fuzz/targets/texts.hpp"

HN_FUZZ_TARGET(vocabularies) {
  using namespace hn;
  const auto parts =
      fuzz::parts_of(input, {"vocab.json", "merges.txt", "open_clip.txt", "vocab.txt"});
  const auto& folder = fuzz::write_parts(parts);
  const auto encode = [](const ClipTokenizer& clip) {
    for (const std::string_view text : fuzz::kTexts) {
      const ClipTokens tokens = clip.encode(text, 8);
      fuzz::require_ids(tokens.ids, clip.id_limit());
      fuzz::require(tokens.ids.size() == 8 && tokens.end_position < 8, "another length");
    }
  };
  if (parts.contains("vocab.json"))
    fuzz::read([&] { encode(ClipTokenizer::from_hugging_face(folder)); });
  if (parts.contains("open_clip.txt"))
    fuzz::read([&] { encode(ClipTokenizer::from_open_clip(folder / "open_clip.txt")); });
  if (parts.contains("vocab.txt"))
    fuzz::read([&] {
      const BertTokenizer bert(folder / "vocab.txt", {"[DEC]"});
      for (const std::string_view text : fuzz::kTexts)
        fuzz::require_ids(bert.encode(text, 8).ids, bert.id_limit());
    });
}
