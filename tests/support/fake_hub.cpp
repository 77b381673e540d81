#include "support/fake_hub.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <thread>

namespace hn::test {
namespace {

bool send_all(int socket, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(socket, data, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// The next request on a connection; false at its end.
bool read_request(int socket, std::string& pending, HubRequest& request) {
  std::size_t end = 0;
  while ((end = pending.find("\r\n\r\n")) == std::string::npos) {
    std::array<char, 4096> part{};
    const ssize_t n = ::recv(socket, part.data(), part.size(), 0);
    if (n <= 0) return false;
    pending.append(part.data(), static_cast<std::size_t>(n));
  }
  const std::string head = pending.substr(0, end + 2);
  pending.erase(0, end + 4);
  request = {};
  std::size_t at = head.find("\r\n");
  const std::string first = head.substr(0, at);
  const std::size_t space = first.find(' ');
  request.method = first.substr(0, space);
  request.path = first.substr(space + 1, first.rfind(' ') - space - 1);
  for (at += 2; at < head.size();) {
    const std::size_t stop = head.find("\r\n", at);
    const std::string line = head.substr(at, stop - at);
    const std::size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (colon != std::string::npos) request.headers[name] = line.substr(colon + 2);
    at = stop + 2;
  }
  return true;
}

// False where the connection is to be closed.
bool write_reply(int socket, const HubRequest& request, const HubReply& reply) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n";
  bool has_length = false;
  for (const auto& [name, value] : reply.headers) {
    has_length = has_length || name == "Content-Length";
    head += name + ": " + value + "\r\n";
  }
  if (reply.chunked)
    head += "Transfer-Encoding: chunked\r\n";
  else if (!has_length && !reply.no_length)
    head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  if (reply.no_length) head += "Connection: close\r\n";
  head += "\r\n";
  if (!send_all(socket, head.data(), head.size())) return false;
  if (request.method == "HEAD") return true;
  const std::size_t size = std::min(reply.cut_after.value_or(reply.body.size()), reply.body.size());
  constexpr std::size_t kPart = 16 << 10;
  for (std::size_t at = 0; at < size; at += kPart) {
    const std::size_t n = std::min(kPart, size - at);
    std::array<char, 32> length{};
    if (reply.chunked) {
      std::snprintf(length.data(), length.size(), "%zx\r\n", n);
      if (!send_all(socket, length.data(), std::char_traits<char>::length(length.data())))
        return false;
    }
    if (!send_all(socket, reply.body.data() + at, n)) return false;
    if (reply.chunked && !send_all(socket, "\r\n", 2)) return false;
    if (reply.pause_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(reply.pause_ms));
  }
  if (reply.cut_after) return false;
  if (reply.chunked && !send_all(socket, "0\r\n\r\n", 5)) return false;
  return !reply.no_length;
}

}  // namespace

struct LoopbackServer::State {
  Handler handler;
  int listening = -1;
  int port = 0;
  std::mutex mutex;
  std::set<int> open;
  std::vector<std::thread> threads;
  std::thread accepting;

  void serve(int socket) {
    std::string pending;
    HubRequest request;
    while (read_request(socket, pending, request) &&
           write_reply(socket, request, handler(request))) {
    }
    const std::lock_guard lock(mutex);
    open.erase(socket);
    ::close(socket);
  }
  void accept_all() {
    while (true) {
      const int socket = ::accept(listening, nullptr, nullptr);
      if (socket < 0) return;
      const std::lock_guard lock(mutex);
      open.insert(socket);
      threads.emplace_back([this, socket] { serve(socket); });
    }
  }
};

LoopbackServer::LoopbackServer(Handler handler) : state_(std::make_shared<State>()) {
  state_->handler = std::move(handler);
  state_->listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(state_->listening, raw, length) != 0 || ::listen(state_->listening, 64) != 0 ||
      ::getsockname(state_->listening, raw, &length) != 0)
    throw std::runtime_error("no loopback server");
  state_->port = ntohs(address.sin_port);
  state_->accepting = std::thread([state = state_.get()] { state->accept_all(); });
}

LoopbackServer::~LoopbackServer() {
  ::shutdown(state_->listening, SHUT_RDWR);
  state_->accepting.join();
  ::close(state_->listening);
  {
    const std::lock_guard lock(state_->mutex);
    for (const int socket : state_->open) ::shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& thread : state_->threads) thread.join();
}

std::string LoopbackServer::url() const {
  return "http://127.0.0.1:" + std::to_string(state_->port);
}

std::string sha256_of(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[digest.at(i) >> 4];
    hex += kDigits[digest.at(i) & 15];
  }
  return hex;
}

FakeHub::FakeHub(std::map<std::string, std::string> files)
    : files_(std::move(files)),
      server_(std::make_unique<LoopbackServer>([this](const HubRequest& r) { return handle(r); })) {
}

std::vector<HubRequest> FakeHub::requests() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

std::size_t FakeHub::bodies() const {
  const auto all = requests();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const HubRequest& r) { return r.is_body(); }));
}

std::string FakeHub::etag(const std::string& file) const {
  const auto own = etags.find(file);
  return own != etags.end() ? own->second : sha256_of(files_.at(file));
}

HubReply FakeHub::handle(const HubRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
  }
  if (fault)
    if (auto reply = fault(request)) return *reply;
  return proper(request);
}

namespace {

std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
    i += 2;
  }
  return out;
}

}  // namespace

HubReply FakeHub::proper(const HubRequest& request) const {
  HubReply reply;
  if (request.path.starts_with("/api/models/")) {
    std::string siblings;
    for (const auto& [name, content] : files_)
      siblings += (siblings.empty() ? "" : ",") + ("{\"rfilename\":\"" + name + "\"}");
    reply.body =
        "{\"id\":\"o/n\",\"sha\":\"" + std::string(kCommit) + "\",\"siblings\":[" + siblings + "]}";
    return reply;
  }
  const std::string marker = std::string("/resolve/") + kCommit + "/";
  const std::size_t at = request.path.find(marker);
  const auto file = at == std::string::npos
                        ? files_.end()
                        : files_.find(unescaped(request.path.substr(at + marker.size())));
  if (file == files_.end()) {
    reply.status = 404;
    reply.headers["X-Error-Code"] = "EntryNotFound";
    return reply;
  }
  reply.headers["ETag"] = "\"" + etag(file->first) + "\"";
  reply.headers["X-Linked-Size"] = std::to_string(file->second.size());
  reply.body = file->second;
  const std::string range = request.header("range");
  if (range.empty()) return reply;
  std::size_t first = 0, last = 0;
  if (std::sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last) != 2 ||
      first >= reply.body.size()) {
    reply.status = 416;
    reply.body.clear();
    return reply;
  }
  last = std::min(last, reply.body.size() - 1);
  reply.status = 206;
  reply.headers["Content-Range"] = "bytes " + std::to_string(first) + "-" + std::to_string(last) +
                                   "/" + std::to_string(file->second.size());
  reply.body = file->second.substr(first, last - first + 1);
  return reply;
}

}  // namespace hn::test
