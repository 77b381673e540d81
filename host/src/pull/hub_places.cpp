#include "pull/hub_places.hpp"

#include <absl/strings/ascii.h>

#include <hn/cpp/error.hpp>
#include <initializer_list>

#include "support/cat.hpp"
#include "support/expand.hpp"
#include "support/files.hpp"

namespace hn::pull {
namespace {

using host::environment;

constexpr const char* kPublicEndpoint = "https://huggingface.co";

// Python's ENV_VARS_TRUE_VALUES.
bool is_true(const std::string& text) {
  const std::string value = absl::AsciiStrToUpper(text);
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}
bool is_on(const char* name) { return is_true(environment(name)); }

std::string expanded(const std::string& path) {
  return host::expand_variables(host::expand_user(path));
}

// The first that is set and not empty. (Python takes an empty one as the working folder.)
std::string first_of(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (std::string value = environment(name); !value.empty()) return value;
  return "";
}

// Empty without a home.
std::string hub_home() {
  if (const std::string home = environment("HF_HOME"); !home.empty()) return expanded(home);
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return expanded(cache + "/huggingface");
  const std::string cache = host::expand_user("~/.cache");
  return cache.starts_with('~') ? "" : expanded(cache + "/huggingface");
}

// Tokens are pasted: line ends and blanks around them are not theirs.
std::string clean(std::string token) {
  std::erase_if(token, [](char c) { return c == '\r' || c == '\n'; });
  return std::string(absl::StripAsciiWhitespace(host::to_absl(token)));
}

std::filesystem::path token_file(const std::string& home) {
  std::string file = environment("HF_TOKEN_PATH");
  if (file.empty() && !home.empty()) file = home + "/token";
  return file.empty() ? std::filesystem::path() : host::tidy(expanded(file));
}

std::string find_token(const std::filesystem::path& file) {
  if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return "";
  if (const std::string token = clean(first_of({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}));
      !token.empty())
    return token;
  if (file.empty()) return "";
  try {
    return clean(host::read_file(file, 1 << 16));
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

HubPlaces hub_places() {
  HubPlaces places;
  const std::string home = hub_home();
  std::string cache = first_of({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  if (cache.empty() && !home.empty()) cache = home + "/hub";
  if (!cache.empty()) places.cache = host::tidy(expanded(cache));
  places.endpoint = environment("HF_ENDPOINT");
  while (places.endpoint.ends_with('/')) places.endpoint.pop_back();
  if (places.endpoint.empty()) places.endpoint = kPublicEndpoint;
  places.token_file = token_file(home);
  places.token = find_token(places.token_file);
  places.offline = is_true(first_of({"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  places.symlinks = !is_on("HF_HUB_DISABLE_SYMLINKS");
  return places;
}

}  // namespace hn::pull
