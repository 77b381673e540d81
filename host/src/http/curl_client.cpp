// hn::http over libcurl's easy interface.
#include <curl/curl.h>
#include <hn/abi.h>

#include <array>
#include <cctype>
#include <charconv>
#include <exception>
#include <hn/cpp/error.hpp>

#include "http/http.hpp"

namespace hn::http {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  return text;
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// What the callbacks of one transfer share. Nothing may be thrown through libcurl's C frames.
struct Transfer {
  const Request* request = nullptr;
  Response response;
  std::exception_ptr thrown;
  bool cancelled = false;

  template <class Body>
  bool keep(Body&& body) noexcept {
    try {
      body();
      return true;
    } catch (...) {
      thrown = std::current_exception();
      return false;
    }
  }

  void header(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // another answer, after a 100 or a proxy's 200
      response.headers.clear();
      const std::size_t space = line.find(' ');
      response.status = 0;
      if (space != std::string_view::npos)
        std::from_chars(line.data() + space + 1, line.data() + line.size(), response.status);
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string name(trimmed(line.substr(0, colon)));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    response.headers[name] = trimmed(line.substr(colon + 1));
  }
};

std::size_t on_header(char* data, std::size_t one, std::size_t n, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  return transfer.keep([&] { transfer.header({data, one * n}); }) ? one * n : 0;
}

std::size_t on_body(char* data, std::size_t one, std::size_t n, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const bool good = transfer.keep([&] {
    if (transfer.request->on_body) transfer.request->on_body(transfer.response, {data, one * n});
  });
  return good ? one * n : CURL_WRITEFUNC_ERROR;
}

int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(self);
  const auto ask = [&] { transfer.cancelled = transfer.request->cancelled(); };
  if (transfer.request->cancelled && !transfer.keep(ask)) return 1;
  return transfer.cancelled ? 1 : 0;
}

class CurlClient final : public Client {
 public:
  explicit CurlClient(const Settings& settings) : settings_(settings), easy_(curl_easy_init()) {
    if (easy_ == nullptr) throw Error(HN_INTERNAL, "[http] libcurl gave no handle");
  }
  ~CurlClient() override { curl_easy_cleanup(easy_); }
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  Response perform(const Request& request) override {
    Transfer transfer;
    transfer.request = &request;
    curl_easy_reset(easy_);  // options alone: connections are kept
    std::unique_ptr<curl_slist, FreeList> headers;
    for (const std::string& line : request.headers) {
      curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
      if (longer == nullptr) throw Error(HN_OUT_OF_MEMORY, "[http] no memory for a header");
      static_cast<void>(headers.release());
      headers.reset(longer);
    }
    std::array<char, CURL_ERROR_SIZE> text{};
    set(CURLOPT_ERRORBUFFER, text.data());
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_USERAGENT, "hnhost/" HN_VERSION);
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_BUFFERSIZE, 256L << 10);
    set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings_.connect_seconds));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings_.stall_seconds));
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, on_progress);
    set(CURLOPT_XFERINFODATA, static_cast<void*>(&transfer));
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
    if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);

    const CURLcode code = curl_easy_perform(easy_);
    if (transfer.thrown) std::rethrow_exception(transfer.thrown);
    if (transfer.cancelled) throw Error(HN_CANCELLED, "[http] stopped");
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
      throw Error(HN_INVALID_ARGUMENT, "[http] " + request.url + ": " + curl_easy_strerror(code));
    if (code != CURLE_OK)
      transfer.response.failure = text[0] != 0 ? text.data() : curl_easy_strerror(code);
    const char* redirect = nullptr;
    if (curl_easy_getinfo(easy_, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK &&
        redirect != nullptr)
      transfer.response.redirect = redirect;
    // The buffer belongs to this call.
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, nullptr);
    return std::move(transfer.response);
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy_, option, value);
    if (code != CURLE_OK)
      throw Error(HN_INTERNAL, std::string("[http] libcurl: ") + curl_easy_strerror(code));
  }

  Settings settings_;
  CURL* easy_;
};

std::unique_ptr<Client> open_client(const Settings& settings) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK)
    throw Error(HN_INTERNAL, std::string("[http] libcurl: ") + curl_easy_strerror(ready));
  return std::make_unique<CurlClient>(settings);
}

}  // namespace
}  // namespace hn::http

extern "C" {
extern HN_EXPORT const hnhost_http_v1 hnhost_http_entry_v1;
const hnhost_http_v1 hnhost_http_entry_v1 = {"libcurl/" LIBCURL_VERSION, hn::http::open_client};
}
