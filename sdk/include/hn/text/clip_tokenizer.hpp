// Prompts to the padded ids that a CLIP text tower reads; both conventions, Hugging Face's and
// OpenCLIP's, over one BPE (tokenizer.hpp).
//
// Sources: transformers 5.23 models/clip/tokenization_clip.py; open_clip 3.3
// src/open_clip/tokenizer.py (SimpleTokenizer, clean="lower").
#pragma once

#include <cstdint>
#include <filesystem>
#include <hn/text/tokenizer.hpp>
#include <string_view>
#include <vector>

namespace hn {

// How ids shorter than the context are filled up, and which cleaning the text gets.
enum class ClipConvention {
  // NFC, white space runs to one space, lower case; padded with the end token, mask 0 there
  // (transformers).
  kHuggingFace,
  // ftfy-like repair, HTML entities twice, white space, lower case; padded with id 0 (open_clip;
  // HPSv2 uses it too).
  // Repair of mojibake is left out; README.md has the measured differences.
  kOpenClip,
};

// What one prompt becomes. All of the length that was asked for.
struct ClipTokens {
  std::vector<std::int32_t> ids;   // start, text, end, padding
  std::vector<std::int32_t> mask;  // 1 up to and with the first end token, then 0
  std::int32_t end_position = 0;  // index of the first end token in ids: the text tower pools there
};

// Any thread may call; calls on one object take turns.
class ClipTokenizer {
 public:
  // A folder in the Hugging Face layout: tokenizer.json, else vocab.json + merges.txt, with the
  // files beside them (side_files.hpp). The start, end and padding tokens are what those say, else
  // "<|startoftext|>", "<|endoftext|>" and the end again. Errors: HN_NOT_FOUND, HN_DATA_LOSS,
  // HN_UNSUPPORTED; the text names the file.
  static ClipTokenizer from_hugging_face(const std::filesystem::path& folder);
  // OpenCLIP's merges file, bpe_simple_vocab_16e6.txt.gz (or the same text uncompressed): 48,894
  // merges, 49,408 ids.
  static ClipTokenizer from_open_clip(const std::filesystem::path& merges_file);

  // Start token, text, end token, brought to `context_length` (77 for the published models): too
  // long is cut, and the last id is then the end token. Errors: HN_INVALID_ARGUMENT where
  // context_length < 2.
  ClipTokens encode(std::string_view text, std::int32_t context_length) const;
  // The text's ids alone: no start, no end, not cut.
  std::vector<std::int32_t> encode_text(std::string_view text) const;

  ClipConvention convention() const { return convention_; }
  std::int32_t start_id() const { return start_id_; }
  std::int32_t end_id() const { return end_id_; }
  // What encode() fills up with.
  std::int32_t pad_id() const { return pad_id_; }
  // model_max_length of the folder, 0 where it says none.
  std::int64_t max_length() const { return max_length_; }
  std::int32_t id_limit() const { return tokenizer_.id_limit(); }

 private:
  ClipTokenizer(Tokenizer tokenizer, ClipConvention convention, std::string_view start,
                std::string_view end, std::string_view pad);
  Tokenizer tokenizer_;
  ClipConvention convention_;
  std::int32_t start_id_ = 0;
  std::int32_t end_id_ = 0;
  std::int32_t pad_id_ = 0;
  std::int64_t max_length_ = 0;
};

}  // namespace hn
