// Text to token ids, as the Hugging Face `tokenizers` library does it for byte-pair and unigram
// models; reads its tokenizer.json, and SentencePiece's spiece.model.
//
// Source: github.com/huggingface/tokenizers 0.23 (tokenizers/src: models/bpe,
// models/unigram, normalizers, pre_tokenizers, processors, tokenizer/added_vocabulary.rs);
// sentencepiece 0.2. Read: the BPE model with all its fields but dropout, the Unigram and WordPiece
// models; the normalizers, pre-tokenizers and post-processors that README.md lists; added tokens.
// What a file has and this reader does not know is an error that names it, never a silent
// difference. Not applied: "truncation" and "padding" of the file (the caller decides, as in
// transformers) and the decoder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

struct TokenizerParts;  // tokenizer_parts.hpp: for code that builds a tokenizer without a
                        // tokenizer.json

// One tokenizer. Move-only; any thread may call, calls on one object take turns (it keeps a cache
// of words).
class Tokenizer {
 public:
  // `path` is a tokenizer.json or a SentencePiece file (*.model), or a folder that holds
  // tokenizer.json, else spiece.model. A SentencePiece file is read as T5's (sentencepiece.hpp).
  // The files beside it are read as side_files.hpp says.
  // Errors: HN_NOT_FOUND (no such file), HN_DATA_LOSS (not JSON, wrong types, merges that name
  // unknown tokens, ...), HN_UNSUPPORTED (a part that this reader does not know); the text names
  // the file and the place in it.
  static Tokenizer from_file(const std::filesystem::path& path);
  // `where` stands for the file name in messages.
  static Tokenizer from_json(std::string_view json_text, const std::string& where);

  explicit Tokenizer(TokenizerParts parts);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // The ids of `text`; with the tokens that the post-processor adds (<bos>, ...) unless told not
  // to. `text` is UTF-8; bytes that are not are read as U+FFFD, as Python's
  // bytes.decode(errors="replace") does. Never cut, never padded.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens = true) const;

  // nullopt where there is no such token (vocabulary and added tokens).
  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  // Highest id + 1.
  std::int32_t id_limit() const;
  // pad_token of the files beside it, else "<pad>"; nullopt where there is no such token.
  std::optional<std::int32_t> pad_id() const { return pad_id_; }
  // padding_side of the files is "left". Nothing here pads; who does, asks.
  bool pads_left() const { return pads_left_; }
  // eos_token of the files beside it, "" where none says it.
  const std::string& eos_token() const { return eos_token_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::optional<std::int32_t> pad_id_;
  bool pads_left_ = false;
  std::string eos_token_;
};

// Ids brought to one length, with the mask of the real ones.
struct PaddedIds {
  std::vector<std::int32_t> ids;   // [length]
  std::vector<std::int32_t> mask;  // [length], 1 = real, 0 = padding
};

// Cuts to `length` (the first ones are kept) or pads on the right with `pad_id`.
PaddedIds pad_right(std::span<const std::int32_t> ids, std::size_t length, std::int32_t pad_id);

}  // namespace hn
