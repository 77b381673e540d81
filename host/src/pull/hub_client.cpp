#include "pull/hub_client.hpp"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <ctime>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <thread>

#include "pull/repo_cache.hpp"
#include "support/cat.hpp"

namespace hn::pull {
namespace {

using host::cat;

constexpr int kMostRedirects = 10;
constexpr std::size_t kMostText = std::size_t{32} << 20;  // of a listing or an error's body

// Seconds, or a date: RFC 9110, 10.2.3.
std::optional<std::chrono::seconds> retry_after(const http::Response& response) {
  if (const auto seconds = response.number("retry-after"))
    return std::chrono::seconds(std::min<std::uint64_t>(*seconds, 86'400));
  const std::string* date = response.header("retry-after");
  std::tm parsed{};
  if (date == nullptr || ::strptime(date->c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed) == nullptr)
    return std::nullopt;
  const std::time_t wait = ::timegm(&parsed) - std::time(nullptr);
  return std::chrono::seconds(std::max<std::time_t>(wait, 0));
}

std::string header_or_empty(const http::Response& response, std::string_view name) {
  const std::string* value = response.header(name);
  return value == nullptr ? "" : *value;
}

// An ETag without the mark of a weak one and its quotes.
std::string clean_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

}  // namespace

std::string escaped_part(const std::string& part) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
  std::string out;
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string escaped_path(const std::string& path) {
  std::string out;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    out += escaped_part(path.substr(at, end - at)) + (end < path.size() ? "/" : "");
    at = end + 1;
  }
  return out;
}

std::string origin_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return "";
  const std::size_t end = std::min(url.find_first_of("/?#", scheme + 3), url.size());
  std::string origin = absl::AsciiStrToLower(url.substr(0, end));
  // A name before the host would make two addresses of one host look different, never alike.
  const std::string host = origin.substr(scheme + 3);
  if (host.find(':') == std::string::npos) origin += origin.starts_with("https:") ? ":443" : ":80";
  return origin;
}

HubClient::HubClient(const hnhost_http_v1& module, HubPlaces places, NetOptions options,
                     std::function<bool()> cancelled, std::function<void(const std::string&)> note)
    : places_(std::move(places)),
      options_(options),
      cancelled_(std::move(cancelled)),
      note_(std::move(note)),
      client_(module.open_client(options_.http)) {}

http::Response HubClient::send(
    const std::string& method, std::string url, const std::vector<std::string>& extra,
    Follow follow, const std::function<void(const http::Response&, std::string_view)>& body) {
  const std::string home = origin_of(places_.endpoint);
  for (int i = 0; i <= kMostRedirects; ++i) {
    http::Request request;
    request.method = method;
    request.url = url;
    request.headers = extra;
    // Sums and ranges are of the bytes as they are.
    request.headers.emplace_back("Accept-Encoding: identity");
    if (!places_.token.empty() && origin_of(url) == home)
      request.headers.push_back("Authorization: Bearer " + places_.token);
    request.on_body = body;
    request.cancelled = cancelled_;
    http::Response response = client_->perform(request);
    if (response.status == 0) throw Passing{cat("no answer: ", response.failure), {}};
    const bool moved =
        response.status >= 300 && response.status < 400 && !response.redirect.empty();
    if (!moved) return response;
    if (follow == Follow::kSameHost && origin_of(response.redirect) != origin_of(url))
      return response;
    if (url.starts_with("https://") && !response.redirect.starts_with("https://"))
      throw Error(HN_DATA_LOSS, cat("[pull] ", url, " redirects to ", response.redirect,
                                    ", from https to something weaker; refused"));
    url = response.redirect;
  }
  throw Error(HN_DATA_LOSS,
              cat("[pull] more than ", kMostRedirects, " redirects, the last to ", url));
}

void HubClient::check_passing(const http::Response& response) const {
  const int status = response.status;
  if (status == 408 || status == 425 || status == 429 || status >= 500)
    throw Passing{cat("the server answered ", status), retry_after(response)};
  if (!response.failure.empty()) throw Passing{cat("cut: ", response.failure), {}};
}

void HubClient::refuse(const std::string& repo, const std::string& what,
                       const http::Response& response, const std::string& text) const {
  const std::string code = header_or_empty(response, "x-error-code");
  std::string said = header_or_empty(response, "x-error-message");
  if (said.empty() && text.size() < 300 && text.find('<') == std::string::npos) said = text;
  if (!said.empty()) said = cat(" (the server says: ", said, ")");
  const std::string where = cat("[pull ", repo, "] ");
  const std::string page = cat(places_.endpoint, "/", repo);
  const std::string token = places_.token.empty() ? cat("make a token at ", places_.endpoint,
                                                        "/settings/tokens and give it in HF_TOKEN")
                                                  : "the token in use may not read it";
  if (code == "GatedRepo" || (response.status == 403 && code.empty()))
    throw Error(HN_UNSUPPORTED,
                cat(where, "is gated (", response.status, "): accept its terms at ", page,
                    " while logged in, ", places_.token.empty() ? token : "then pull again", said));
  if (code == "RevisionNotFound")
    throw Error(HN_NOT_FOUND, cat(where, what, ": there is no such revision (404)", said));
  if (code == "EntryNotFound")
    throw Error(HN_NOT_FOUND, cat(where, what, ": there is no such file (404)", said));
  if (code == "RepoNotFound")
    throw Error(HN_NOT_FOUND, cat(where, "does not exist at ", places_.endpoint,
                                  ", or is private: ", token, said));
  if (response.status == 401)
    throw Error(HN_UNSUPPORTED, cat(where, "wants a token (401): ", token, said));
  if (response.status == 404)
    throw Error(HN_NOT_FOUND, cat(where, what, ": not found (404) at ", places_.endpoint, said));
  throw Error(HN_INTERNAL, cat(where, what, ": the server answered ", response.status, said));
}

Listing HubClient::list(const std::string& repo, const std::string& revision) {
  const std::string url =
      cat(places_.endpoint, "/api/models/", repo, "/revision/", escaped_part(revision));
  const std::string what = cat("revision ", revision);
  Listing listing;
  with_retries(cat("[pull ", repo, "] the list of files"), [&] {
    std::string text;
    const http::Response response = send(
        "GET", url, {"Accept: application/json"}, Follow::kAll,
        [&](const http::Response&, std::string_view part) {
          if (text.size() + part.size() > kMostText)
            throw Error(HN_DATA_LOSS,
                        cat("[pull ", repo, "] the list of files is above ", kMostText, " bytes"));
          text += part;
        });
    check_passing(response);
    if (response.status != 200) refuse(repo, what, response, text);
    const nlohmann::json json = parse_json(text, cat("[pull ", repo, "] ", url));
    JsonObject object(json, cat("[pull ", repo, "] ", url));
    listing.commit = object.get<std::string>("sha");
    if (!is_commit(listing.commit)) object.fail("sha", "a commit of 40 hex digits");
    listing.files.clear();
    for (const nlohmann::json& sibling : object.member("siblings")) {
      JsonObject entry(sibling, cat("[pull ", repo, "] siblings"));
      listing.files.push_back(entry.get<std::string>("rfilename"));
      check_file_name(repo, listing.files.back());
    }
  });
  return listing;
}

FileFacts HubClient::facts(const std::string& repo, const std::string& commit,
                           const std::string& file) {
  FileFacts facts;
  facts.name = file;
  with_retries(cat("[pull ", repo, "] ", file), [&] {
    const http::Response response =
        send("HEAD", file_url(repo, commit, file), {}, Follow::kSameHost, {});
    check_passing(response);
    if (response.status >= 400) refuse(repo, file, response, "");
    const std::string* etag = response.header("x-linked-etag");
    if (etag == nullptr) etag = response.header("etag");
    if (etag == nullptr)
      throw Error(HN_DATA_LOSS, cat("[pull ", repo, "] ", file, ": the server (", places_.endpoint,
                                    ") gave no ETag, by which the cache names files"));
    facts.etag = clean_etag(*etag);
    facts.bytes = response.number("x-linked-size");
    // The length of a redirect's own body says nothing.
    if (!facts.bytes && response.status == 200) facts.bytes = response.number("content-length");
  });
  return facts;
}

std::string HubClient::file_url(const std::string& repo, const std::string& commit,
                                const std::string& file) const {
  return cat(places_.endpoint, "/", repo, "/resolve/", escaped_part(commit), "/",
             escaped_path(file));
}

http::Response HubClient::get(
    const std::string& repo, const std::string& url, const std::string& range,
    const std::function<void(const http::Response&, std::string_view)>& body,
    const std::function<bool(int status)>& accepts) {
  std::string text;  // of answers that are not the file
  std::vector<std::string> extra;
  if (!range.empty()) extra.push_back("Range: " + range);
  const http::Response response =
      send("GET", url, extra, Follow::kAll, [&](const http::Response& head, std::string_view part) {
        if (head.status == 200 || head.status == 206)
          body(head, part);
        else if (text.size() < 4096)
          text += part.substr(0, 4096);
      });
  if (accepts && accepts(response.status)) return response;
  check_passing(response);
  if (response.status != 200 && response.status != 206)
    refuse(repo, url.substr(url.rfind('/') + 1), response, text);
  return response;
}

void HubClient::with_retries(const std::string& what, const std::function<void()>& body,
                             const std::function<bool()>& progressed) {
  int failures = 0;
  while (true) {
    try {
      body();
      return;
    } catch (const Passing& passing) {
      if (progressed && progressed()) failures = 0;
      if (++failures >= options_.attempts)
        throw Error(HN_INTERNAL,
                    cat(what, ": ", passing.what, ", ", failures,
                        " times in a row; what is there is kept, pull again to go on"));
      auto pause = options_.first_pause * (1 << std::min(failures - 1, 16));
      pause = std::min(pause, options_.longest_pause);
      if (passing.retry_after)
        pause = std::max(pause, std::chrono::milliseconds(
                                    std::min(*passing.retry_after, options_.longest_retry_after)));
      if (note_)
        note_(cat(what, ": ", passing.what, "; again in ",
                  std::chrono::duration_cast<std::chrono::seconds>(pause).count(), " s"));
      const auto until = std::chrono::steady_clock::now() + pause;
      while (std::chrono::steady_clock::now() < until) {
        if (cancelled_ && cancelled_()) throw Error(HN_CANCELLED, "[pull] stopped");
        std::this_thread::sleep_for(std::min(pause, std::chrono::milliseconds(50)));
      }
    }
  }
}

}  // namespace hn::pull
