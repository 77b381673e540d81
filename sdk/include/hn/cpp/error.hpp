// Exceptions inside, codes outside: the one crossing each way.
#pragma once

#include <hn/error.h>
#include <hn/str.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <hn/cpp/utf8.hpp>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace hn {

// A failure with its ABI code. The text says where, what was wanted and what came:
// "[clip_reward] expected image (B,3,H,W), got (3,224,224)".
class Error : public std::runtime_error {
 public:
  Error(hn_status code, const std::string& message) : std::runtime_error(message), code_(code) {}
  hn_status code() const noexcept { return code_; }

 private:
  hn_status code_;
};

inline std::string_view view(hn_str text) noexcept {
  return text.len == 0 ? std::string_view() : std::string_view(text.data, text.len);
}

// Borrows: the text must outlive the result.
inline hn_str str(std::string_view text) noexcept { return {text.data(), text.size()}; }

// Fills the caller's buffer; a text too long is cut, its full length reported. What arrives is
// UTF-8 without zero bytes whatever `text` is (it may quote a damaged file, or a file's name): each
// other byte becomes "\xHH". A cut leaves no part of a character behind.
inline void write_error(hn_error* error, hn_status code, std::string_view text) noexcept {
  if (error == nullptr || !HN_HAS(error, hn_error, code)) return;
  error->code = code;
  if (!HN_HAS(error, hn_error, length)) return;
  constexpr char kHex[] = "0123456789abcdef";
  std::size_t room = error->message == nullptr ? 0 : error->capacity;
  char* out = error->message;
  error->length = 0;
  while (!text.empty()) {
    const std::size_t taken = text[0] == '\0' ? 0 : utf8_length(text.substr(0, 4));
    const auto byte = static_cast<unsigned char>(text[0]);
    const std::array<char, 4> escaped = {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    const std::string_view part =
        taken > 0 ? text.substr(0, taken) : std::string_view(escaped.data(), escaped.size());
    // Once a part did not fit, a shorter one behind it must not.
    if (part.size() < room) {
      std::memcpy(out, part.data(), part.size());
      out += part.size();
      room -= part.size();
    } else if (room > 0) {
      *out = '\0';
      room = 0;
    }
    error->length += part.size();
    text.remove_prefix(part.data() == escaped.data() ? 1 : taken);
  }
  if (room > 0) *out = '\0';
}

// The exception firewall, and the only catch-all: runs body and turns what it throws into a code
// and a text.
template <class Body>
hn_status guard(hn_error* error, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    return HN_OK;
  } catch (const Error& e) {
    write_error(error, e.code(), e.what());
    return e.code();
  } catch (const std::bad_alloc&) {
    write_error(error, HN_OUT_OF_MEMORY, "out of memory");
    return HN_OUT_OF_MEMORY;
  } catch (const std::exception& e) {
    write_error(error, HN_INTERNAL, e.what());
    return HN_INTERNAL;
  } catch (...) {
    write_error(error, HN_INTERNAL, "unknown exception");
    return HN_INTERNAL;
  }
}

// A caller's error buffer on the stack.
class ErrorBuffer {
 public:
  ErrorBuffer() noexcept {
    raw_.struct_size = sizeof(hn_error);
    raw_.message = text_.data();
    raw_.capacity = text_.size();
  }
  ErrorBuffer(const ErrorBuffer&) = delete;
  ErrorBuffer& operator=(const ErrorBuffer&) = delete;

  hn_error* get() noexcept { return &raw_; }
  std::string text() const { return text_.data(); }

 private:
  std::array<char, 4096> text_{};
  hn_error raw_{};
};

// The only way from a status to an exception.
inline void check(hn_status status, const ErrorBuffer& error, std::string_view where = {}) {
  if (status == HN_OK) return;
  status = HN_KNOWN_STATUS(status);
  std::string text = error.text();
  if (text.empty()) text = "failed without a message";
  if (!where.empty()) text = std::string(where) + ": " + text;
  throw Error(status, text);
}

// A peer's struct as this side knows it: the shared prefix is copied, what an older peer lacks is
// zero.
template <class Struct>
Struct known_part(const Struct* peer) noexcept {
  Struct copy{};
  if (peer == nullptr) return copy;
  std::memcpy(static_cast<void*>(&copy), peer,
              std::min<std::size_t>(peer->struct_size, sizeof(Struct)));
  copy.struct_size = sizeof(Struct);
  return copy;
}

// A flag of a peer's struct that changes meaning and that this side does not know is refused; what
// is a hint only is ignored. what: "call", "slot image", ...
inline void check_flags(std::uint32_t flags, std::uint32_t known, std::string_view what) {
  const std::uint32_t unknown = flags & ~known & HN_FLAGS_CRITICAL;
  if (unknown != 0)
    throw Error(HN_UNSUPPORTED, "[" + std::string(what) + "] flags: expected known ones (" +
                                    std::to_string(known) + "), got also " +
                                    std::to_string(unknown));
}

// The other way: fills as much of the peer's struct as it has room for, and leaves its struct_size
// alone.
template <class Struct>
void fill_known_part(Struct* peer, Struct value) noexcept {
  const std::size_t n = std::min<std::size_t>(peer->struct_size, sizeof(Struct));
  value.struct_size = peer->struct_size;
  std::memcpy(static_cast<void*>(peer), &value, n);
}

}  // namespace hn
