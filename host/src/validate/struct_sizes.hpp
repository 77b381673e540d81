// Structs that a plugin fills, as older and newer hosts hand them over.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "validate/probe.hpp"

namespace hn::validate {

// The callee's struct as seen by an older host (it ends early) and by a newer one (it goes on):
// nothing past struct_size is written, and what both know is the same.
template <class Struct, class Fill>
void short_and_long(const char* name, Fill fill) {
  constexpr std::size_t kTail = 64;
  std::array<unsigned char, sizeof(Struct) + kTail> whole;
  whole.fill(0x5a);
  const auto set_size = [](auto& bytes, std::size_t size) {
    const auto narrow = static_cast<std::uint32_t>(size);
    std::memcpy(bytes.data(), &narrow, sizeof narrow);
  };
  set_size(whole, whole.size());
  if (!fill(reinterpret_cast<Struct*>(whole.data()))) return;
  for (std::size_t i = sizeof(Struct); i < whole.size(); ++i)
    expect(whole[i] == 0x5a,
           std::string(name) + " of a newer host: byte " + std::to_string(i) + " was written");
  for (std::size_t size = 8; size < sizeof(Struct); size += 8) {
    auto part = whole;
    part.fill(0x5a);
    set_size(part, size);
    expect(fill(reinterpret_cast<Struct*>(part.data())),
           std::string(name) + " of " + std::to_string(size) + " bytes was refused");
    std::uint32_t kept = 0;
    std::memcpy(&kept, part.data(), sizeof kept);
    expect(kept == size, std::string(name) + ": struct_size was changed");
    for (std::size_t i = size; i < part.size(); ++i)
      expect(part[i] == 0x5a, std::string(name) + " of " + std::to_string(size) + " bytes: byte " +
                                  std::to_string(i) + " was written");
    expect(std::memcmp(part.data() + 4, whole.data() + 4, size - 4) == 0,
           std::string(name) + " of " + std::to_string(size) +
               " bytes: other values than in a whole one");
  }
}

}  // namespace hn::validate
