// The files beside a vocabulary that change its ids. The vocabulary itself is small and good.
#include <hn/text/bert_tokenizer.hpp>
#include <hn/text/clip_tokenizer.hpp>

#include "fuzz/targets/texts.hpp"

namespace {

constexpr const char* kTokenizer = R"({"version":"1.0","added_tokens":[{"id":5,"content":"<pad>",
"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"normalizer":null,"pre_tokenizer":null,"post_processor":null,"model":{"type":"BPE",
"unk_token":"<unk>","fuse_unk":false,"byte_fallback":false,"vocab":{"<unk>":0,"a":1,"b":2,"ab":3,
"</s>":4,"<pad>":5},"merges":["a b"]}})";
constexpr const char* kVocab =
    R"({"a":0,"b</w>":1,"ab</w>":2,"<|startoftext|>":3,"<|endoftext|>":4,"a</w>":5,"b":6})";

}  // namespace

HN_FUZZ_TARGET(side_files) {
  using namespace hn;
  const auto parts = fuzz::parts_of(
      input, {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"});
  const auto& folder = fuzz::write_parts(parts);
  const auto json = fuzz::write("tokenizer.json", kTokenizer);
  fuzz::read([&] {
    const Tokenizer tokenizer = Tokenizer::from_file(json);
    fuzz::encode_all(tokenizer, "ab<pad></s>");
    if (const auto pad = tokenizer.pad_id()) fuzz::require_ids({*pad}, tokenizer.id_limit());
  });
  std::filesystem::remove(json);
  fuzz::write("vocab.json", kVocab);
  fuzz::write("merges.txt", "#version: 0.2\na b</w>\n");
  fuzz::read([&] {
    const ClipTokenizer clip = ClipTokenizer::from_hugging_face(folder);
    for (const std::string_view text : fuzz::kTexts)
      fuzz::require_ids(clip.encode(text, 8).ids, clip.id_limit());
  });
  const auto words = fuzz::write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n");
  fuzz::read([&] {
    const BertTokenizer bert(words, {"[DEC]"});
    for (const std::string_view text : fuzz::kTexts)
      fuzz::require_ids(bert.encode(text, 8).ids, bert.id_limit());
  });
}
