// Hugging Face's HTTP interface: what is in a repository, what one file is, its bytes. Redirects
// are followed here, retries too.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/http.hpp"
#include "pull/hub_places.hpp"

namespace hn::pull {

struct NetOptions {
  http::Settings http;
  int attempts = 6;                             // without any progress, then the error is told
  std::chrono::milliseconds first_pause{1000};  // doubled after each failure
  std::chrono::milliseconds longest_pause{30'000};
  std::chrono::seconds longest_retry_after{300};  // what a server's Retry-After is cut to
};

// Something that may go away by itself: a cut connection, a busy server.
struct Passing {
  std::string what;
  std::optional<std::chrono::seconds> retry_after;
};

// What the server says of one file.
struct FileFacts {
  std::string name;
  std::string etag;                    // the blob's name: sha256, git's sum or something else
  std::optional<std::uint64_t> bytes;  // nothing where the server does not say
};

struct Listing {
  std::string commit;
  std::vector<std::string> files;
};

// [one-at-a-time]; the functions given in are called from the calling thread.
class HubClient {
 public:
  HubClient(const hnhost_http_v1& module, HubPlaces places, NetOptions options,
            std::function<bool()> cancelled, std::function<void(const std::string&)> note);

  // GET /api/models/REPO/revision/REVISION. Errors, all with the repository's name: 401 and 403 say
  // what to do (a token, the page whose terms have to be accepted), 404 what does not exist.
  Listing list(const std::string& repo, const std::string& revision);
  // HEAD /REPO/resolve/COMMIT/FILE.
  FileFacts facts(const std::string& repo, const std::string& commit, const std::string& file);

  std::string file_url(const std::string& repo, const std::string& commit,
                       const std::string& file) const;
  // One GET with redirects followed; range: "bytes=A-B" or "". The token goes to the hub's own host
  // alone. body is called for answers 200 and 206 only. Throws Passing for what may go away, and
  // hn::Error for what will not; other answers that `accepts` are returned.
  http::Response get(const std::string& repo, const std::string& url, const std::string& range,
                     const std::function<void(const http::Response&, std::string_view)>& body,
                     const std::function<bool(int status)>& accepts);

  // Calls body until it does not throw Passing; pauses between, longer each time. progressed: asked
  // after each failure whether anything was gained, which resets the count.
  void with_retries(const std::string& what, const std::function<void()>& body,
                    const std::function<bool()>& progressed = {});

  const NetOptions& options() const { return options_; }

 private:
  enum class Follow { kSameHost, kAll };
  http::Response send(const std::string& method, std::string url,
                      const std::vector<std::string>& extra, Follow follow,
                      const std::function<void(const http::Response&, std::string_view)>& body);
  [[noreturn]] void refuse(const std::string& repo, const std::string& what,
                           const http::Response& response, const std::string& text) const;
  void check_passing(const http::Response& response) const;

  HubPlaces places_;
  NetOptions options_;
  std::function<bool()> cancelled_;
  std::function<void(const std::string&)> note_;
  std::unique_ptr<http::Client> client_;
};

// "a b/c" -> "a%20b/c": the parts of a path, not its slashes. Python's quote(path).
std::string escaped_path(const std::string& path);
// "refs/pr/1" -> "refs%2Fpr%2F1": what is one part of an address. Python's quote(part, safe="").
std::string escaped_part(const std::string& part);
// "https://host:443" of an address, in lower case; two addresses of one origin share the token.
std::string origin_of(const std::string& url);

}  // namespace hn::pull
