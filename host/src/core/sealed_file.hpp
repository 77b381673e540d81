// A safetensors file that carries the SHA-256 of itself.
//
// Its last 32 bytes, the tensor "sha256" of type U8, are the sum of every byte before them; types
// are written wider ones first, so a file of other types has it at its end. SHA-256 rather than a
// CRC: libcrypto is in the process anyway, processors have instructions for it, and no number of
// flipped bits is missed.
#pragma once

#include <filesystem>
#include <hn/formats/safetensors.hpp>
#include <map>
#include <string>
#include <vector>

namespace hn::core {

inline constexpr const char* kSealName = "sha256";

// Writes atomically. No tensor may be of a type as narrow as U8. Errors: those of
// write_safetensors.
void write_sealed(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                  const std::map<std::string, std::string>& metadata);

// Errors: HN_DATA_LOSS begins with `part` and names the file, where it has no sum or another than
// its bytes have.
void check_seal(const SafetensorsFile& file, const std::string& part = "[checkpoint]");

}  // namespace hn::core
