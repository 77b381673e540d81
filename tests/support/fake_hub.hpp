// A hub on the loopback interface that serves one repository, and misbehaves when asked to.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hn::test {

struct HubRequest {
  std::string method, path;
  std::map<std::string, std::string> headers;  // names in lower case

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  bool is_body() const { return method == "GET" && path.find("/resolve/") != std::string::npos; }
};

struct HubReply {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<std::size_t> cut_after;  // bytes of the body, then the connection is closed
  bool chunked = false;
  bool no_length = false;  // the body ends with the connection
  int pause_ms = 0;        // between parts of the body
};

// An HTTP/1.1 server in a thread of its own, one thread a connection.
class LoopbackServer {
 public:
  using Handler = std::function<HubReply(const HubRequest&)>;
  explicit LoopbackServer(Handler handler);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT"

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The hub's interface over files in memory: the listing, HEAD and GET of resolve/COMMIT/FILE with
// ranges. `fault` is asked first: what it gives is sent instead.
class FakeHub {
 public:
  static constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

  explicit FakeHub(std::map<std::string, std::string> files);

  std::string url() const { return server_->url(); }
  std::function<std::optional<HubReply>(const HubRequest&)> fault;  // set before use
  std::map<std::string, std::string> etags;  // a file's ETag where it is not its sha256

  std::vector<HubRequest> requests() const;
  // GETs of file contents so far.
  std::size_t bodies() const;
  // What is sent without a fault.
  HubReply proper(const HubRequest& request) const;
  std::string etag(const std::string& file) const;

 private:
  HubReply handle(const HubRequest& request);

  std::map<std::string, std::string> files_;
  mutable std::mutex mutex_;
  std::vector<HubRequest> seen_;
  std::unique_ptr<LoopbackServer> server_;
};

std::string sha256_of(const std::string& bytes);

}  // namespace hn::test
