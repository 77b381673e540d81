// Numbers, texts and lists as bytes, little-endian, and back: what the messages of the worker
// protocol are made of. Reading is a pure function of the bytes: every length is checked against
// what is left before anything is allocated for it.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace hn::worker {

static_assert(std::endian::native == std::endian::little);

// Of one list.
inline constexpr std::size_t kMostElements = std::size_t{1} << 20;

template <class T>
concept Plain = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

// A struct lists its fields once, for both directions:
//   template <class V> void fields(V& v) { v(first, second); }
class ByteWriter {
 public:
  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  std::string take() { return std::move(bytes_); }

 private:
  template <Plain T>
  void put(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(const bool& value) { bytes_ += static_cast<char>(value ? 1 : 0); }
  void put(const std::string& text) {
    count(text.size());
    bytes_ += text;
  }
  template <class T>
  void put(const std::vector<T>& list) {
    if (list.size() > kMostElements)
      throw Error(HN_INVALID_ARGUMENT, "[worker] a list of " + std::to_string(list.size()) +
                                           " elements; at most " + std::to_string(kMostElements) +
                                           " cross to a worker process");
    count(list.size());
    for (const T& each : list) put(each);
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T>
  requires requires(T& t, ByteWriter& w) { t.fields(w); }
  void put(const T& value) {
    const_cast<T&>(value).fields(*this);  // a writer changes nothing
  }
  void count(std::size_t n) {
    if (n > UINT32_MAX) throw Error(HN_INVALID_ARGUMENT, "[worker] a text or list above 4 GiB");
    put(static_cast<std::uint32_t>(n));
  }

  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  // Nothing may be left.
  void finish() const {
    if (at_ != bytes_.size()) damaged("bytes follow the message's end");
  }

 private:
  [[noreturn]] static void damaged(const char* what) {
    throw Error(HN_DATA_LOSS, std::string("[worker protocol] ") + what);
  }
  std::string_view next(std::size_t n) {
    if (n > bytes_.size() - at_) damaged("the message ends early");
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  template <Plain T>
  void get(T& value) {
    std::memcpy(&value, next(sizeof value).data(), sizeof value);
  }
  void get(bool& value) {
    const char byte = next(1)[0];
    if (byte != 0 && byte != 1) damaged("a truth value is neither 0 nor 1");
    value = byte == 1;
  }
  void get(std::string& text) { text = next(count()); }
  template <class T>
  void get(std::vector<T>& list) {
    // No element is shorter than a byte, so a count beyond what is left is a lie. An element takes
    // more memory than bytes, so there is a most of all the same.
    const std::size_t n = count();
    if (n > bytes_.size() - at_) damaged("a list is longer than its message");
    if (n > kMostElements) damaged("a list of more elements than any message has");
    list.clear();
    for (std::size_t i = 0; i < n; ++i) get(list.emplace_back());
  }
  template <class T>
  void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    value.reset();
    if (there) get(value.emplace());
  }
  template <class T>
  requires requires(T& t, ByteReader& r) { t.fields(r); }
  void get(T& value) { value.fields(*this); }
  std::size_t count() {
    std::uint32_t n = 0;
    get(n);
    return n;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace hn::worker
