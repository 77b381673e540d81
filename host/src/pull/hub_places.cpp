#include "pull/hub_places.hpp"

#include <absl/strings/ascii.h>

#include <hn/cpp/error.hpp>

#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::pull {
namespace {

using host::environment;

constexpr const char* kPublicEndpoint = "https://huggingface.co";

// Python's ENV_VARS_TRUE_VALUES.
bool is_on(const char* name) {
  const std::string value = absl::AsciiStrToUpper(environment(name));
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// A leading "~" is the home folder.
std::filesystem::path expanded(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  return host::home_folder() / path.substr(path.size() > 1 ? 2 : 1);
}

std::filesystem::path hub_home() {
  if (const std::string home = environment("HF_HOME"); !home.empty()) return expanded(home);
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return expanded(cache) / "huggingface";
  const std::filesystem::path home = host::home_folder();
  return home.empty() ? home : home / ".cache" / "huggingface";
}

// Tokens are pasted: line ends and blanks around them are not theirs.
std::string clean(const std::string& token) {
  return std::string(absl::StripAsciiWhitespace(host::to_absl(token)));
}

std::string find_token(const std::filesystem::path& home) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
    if (const std::string token = clean(environment(name)); !token.empty()) return token;
  if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return "";
  const std::string named = environment("HF_TOKEN_PATH");
  if (named.empty() && home.empty()) return "";
  try {
    return clean(host::read_file(named.empty() ? home / "token" : expanded(named), 1 << 16));
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

HubPlaces hub_places() {
  HubPlaces places;
  const std::filesystem::path home = hub_home();
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (places.cache.empty()) places.cache = expanded(environment(name));
  if (places.cache.empty() && !home.empty()) places.cache = home / "hub";
  if (!places.cache.empty()) places.cache = host::tidy(places.cache);
  places.endpoint = environment("HF_ENDPOINT");
  while (places.endpoint.ends_with('/')) places.endpoint.pop_back();
  if (places.endpoint.empty()) places.endpoint = kPublicEndpoint;
  places.token = find_token(home);
  places.offline = is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE");
  return places;
}

}  // namespace hn::pull
