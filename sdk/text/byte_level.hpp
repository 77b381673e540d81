// Bytes written as printable characters: GPT-2's table, which CLIP and byte-level BPE vocabularies
// are spelled in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hn::text {

// The character (UTF-8) that stands for a byte. Printable Latin-1 stands for itself, the other 68
// bytes for U+0100, U+0101, ... in order. Source: bytes_to_unicode in openai/gpt-2 src/encoder.py;
// the same in open_clip and tokenizers (pre_tokenizers/byte_level.rs).
const std::string& byte_character(std::uint8_t byte);
// Every byte of `text` so.
std::string to_byte_characters(std::string_view text);
// Whether a byte stands for itself. open_clip's vocabulary lists these 188 first.
bool byte_stands_for_itself(std::uint8_t byte);

// "<0x0A>", the spelling of a byte in vocabularies with byte fallback.
std::string byte_token(std::uint8_t byte);

// The splitting pattern of GPT-2 (openai/gpt-2 src/encoder.py).
inline constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace hn::text
