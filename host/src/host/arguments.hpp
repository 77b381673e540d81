// Structs, pointers and texts that callers of the C API pass: one rule for all of them.
#pragma once

#include <hnhost/hnhost.h>

#include <cstddef>
#include <hn/cpp/error.hpp>
#include <string>
#include <string_view>

#include "support/cat.hpp"

namespace hn::host {

// Of each argument struct: the bytes of its first version, which every caller has, and the flags
// that this version knows. A struct that grows keeps its number here.
template <class Struct>
struct Argument;
template <>
struct Argument<hn_error> {
  static constexpr std::uint32_t kFirstSize = 32;
};
template <>
struct Argument<hnhost_options> {
  static constexpr std::uint32_t kFirstSize = 56, kFlags = 0;
};
template <>
struct Argument<hnhost_hooks> {
  static constexpr std::uint32_t kFirstSize = 40, kFlags = 0;
};
template <>
struct Argument<hnhost_plugin_call> {
  static constexpr std::uint32_t kFirstSize = 40;
};
template <>
struct Argument<hnhost_session_args> {
  static constexpr std::uint32_t kFirstSize = 48, kFlags = HNHOST_SESSION_REWARDS;
};
template <>
struct Argument<hnhost_prompt> {
  static constexpr std::uint32_t kFirstSize = 72, kFlags = 0;
};
template <>
struct Argument<hnhost_sample_args> {
  static constexpr std::uint32_t kFirstSize = 80,
                                 kFlags = HNHOST_SAMPLE_UNADAPTED | HNHOST_SAMPLE_STRENGTH;
  // Of a struct whose flags ask for a later field.
  static constexpr std::uint32_t size_with(std::uint32_t flags) {
    return (flags & HNHOST_SAMPLE_STRENGTH) != 0
               ? offsetof(hnhost_sample_args, strength) + sizeof(hnhost_sample_args::strength)
               : kFirstSize;
  }
};
template <>
struct Argument<hnhost_score_args> {
  static constexpr std::uint32_t kFirstSize = 72, kFlags = 0;
};

// The pointer, or HN_INVALID_ARGUMENT "[hnhost_train] session is NULL".
template <class T>
T* need(T* pointer, const char* function, const char* what) {
  if (pointer == nullptr)
    throw Error(HN_INVALID_ARGUMENT, cat("[", function, "] ", what, " is NULL"));
  return pointer;
}

// The caller's struct as this library knows it: what an older caller lacks is zero, what a newer
// one has behind it is not read. NULL and too short a struct are HN_INVALID_ARGUMENT, an unknown
// flag that changes meaning is HN_UNSUPPORTED.
template <class Struct>
Struct argument(const Struct* given, const char* function, const std::string& what) {
  constexpr std::uint32_t first = Argument<Struct>::kFirstSize;
  static_assert(sizeof(Struct) >= first, "a struct of the C API shrank");
  need(given, function, what.c_str());
  if (given->struct_size < first)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", function, "] ", what, ": expected struct_size of ", first,
                    " bytes or more (sizeof the struct), got ", given->struct_size));
  const Struct known = known_part(given);
  const std::uint32_t unknown = known.flags & ~Argument<Struct>::kFlags & HN_FLAGS_CRITICAL;
  if (unknown != 0)
    throw Error(HN_UNSUPPORTED, cat("[", function, "] ", what, ": unknown flags ", unknown));
  if constexpr (requires { Argument<Struct>::size_with(known.flags); }) {
    const std::uint32_t wanted = Argument<Struct>::size_with(known.flags);
    if (given->struct_size < wanted)
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", function, "] ", what, ": expected struct_size of ", wanted,
                      " bytes or more with flags ", known.flags, ", got ", given->struct_size));
  }
  return known;
}

// The caller's text; NULL with a length is HN_INVALID_ARGUMENT.
inline std::string_view text_of(hn_str text, const char* function, const std::string& what) {
  if (text.data == nullptr && text.len != 0)
    throw Error(HN_INVALID_ARGUMENT, cat("[", function, "] ", what,
                                         ": expected a text, got NULL of ", text.len, " bytes"));
  return view(text);
}

}  // namespace hn::host
