// SentencePiece's model files (spiece.model), unigram ones: a protocol buffer with pieces, trainer
// and normaliser.
//
// Source: sentencepiece 0.2, sentencepiece_model.proto (fields and defaults), normalizer.cc
// (Normalizer::Normalize), unigram_model.cc. Own reader, so that neither the library nor protobuf
// is needed.
#pragma once

#include <cstdint>
#include <hn/text/tokenizer_parts.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// What a model file says.
struct SentencePieceFile {
  UnigramOptions model;
  std::vector<std::string> control;  // control pieces: "</s>", "<pad>"
  std::string charsmap;              // empty: characters stay as they are
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;
};

// Reads the bytes of a model file. Errors: HN_DATA_LOSS (cut short, wrong wire types, no pieces),
// HN_UNSUPPORTED (a model that is not unigram); `where` starts the message.
SentencePieceFile read_sentencepiece(std::string_view bytes, const std::string& where);

// Sentencepiece's normaliser of that file: the table's longest entries, user-defined pieces as they
// are, white space trimmed, joined and written as U+2581. An empty text stays empty.
Normalizer sentencepiece_normalizer(const SentencePieceFile& file, const std::string& where);

// A T5 tokenizer from spiece.model: <extra_id_N-1> ... <extra_id_0> behind the file's pieces,
// </s> at the end of the ids; those, the control pieces and the unknown piece are found in a text
// as they stand. Source: transformers 5.23, models/t5/tokenization_t5.py. Difference: the text
// between is normalised as sentencepiece does it. HN_DATA_LOSS where the file has no </s>.
TokenizerParts t5_sentencepiece_parts(std::string_view bytes, std::int32_t extra_ids,
                                      const std::string& where);

}  // namespace hn
