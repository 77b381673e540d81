// HTTP as the host needs it: one request at a time, every byte streamed, nothing followed.
//
// The implementation is libcurl's, in a module of its own (libhnhost_http.so) that is opened when
// the first request is made: libcurl brings two dozen libraries along, which a listing or a
// training should not load. Both libraries come from one build, so C++ may cross; failures are
// hn::Error.
#pragma once

#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hn::http {

struct Response {
  int status = 0;  // 0: no answer came
  // Of the last answer, names in lower case; of a name that comes twice the last value.
  std::map<std::string, std::string, std::less<>> headers;
  std::string redirect;  // the absolute address of a 3xx answer with Location, else empty
  std::string failure;   // what went wrong below HTTP (refused, cut, timed out); empty: all arrived

  const std::string* header(std::string_view name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? nullptr : &found->second;
  }
  // A header of digits alone.
  std::optional<std::uint64_t> number(std::string_view name) const {
    const std::string* text = header(name);
    std::uint64_t value = 0;
    if (text == nullptr || text->empty()) return std::nullopt;
    const char* end = text->data() + text->size();
    const auto [at, code] = std::from_chars(text->data(), end, value);
    return code == std::errc() && at == end ? std::optional(value) : std::nullopt;
  }
};

struct Request {
  std::string method = "GET";        // or "HEAD"
  std::string url;                   // http or https
  std::vector<std::string> headers;  // "Name: value"
  // The body, part by part, after the headers. May throw: the transfer ends and perform rethrows.
  std::function<void(const Response& head, std::string_view part)> on_body;
  std::function<bool()> cancelled;  // polled at least once a second; true ends with HN_CANCELLED
};

struct Settings {
  std::int64_t connect_seconds = 30;
  // A transfer that brings less than a byte a second for so long is cut.
  std::int64_t stall_seconds = 60;
};

// A connection that is kept between requests. [one-at-a-time]
class Client {
 public:
  virtual ~Client() = default;
  // HN_CANCELLED; HN_INVALID_ARGUMENT for an address that is not http(s). Everything that a network
  // does is in the response.
  virtual Response perform(const Request& request) = 0;
};

}  // namespace hn::http

// The one symbol of the module.
struct hnhost_http_v1 {
  const char* library;  // "libcurl/7.88.1 ..."
  std::unique_ptr<hn::http::Client> (*open_client)(const hn::http::Settings&);
};
#define HNHOST_HTTP_ENTRY "hnhost_http_entry_v1"
