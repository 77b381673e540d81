#include "scoring/score_requests.hpp"

#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>

#include "files/prompt_row.hpp"

namespace hn::host {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAnswers[] = {"scores", "columns", "error"};

// What is wrong with one request; empty: nothing.
std::string problem(const Json& request) {
  if (!request.is_object()) return "expected an object with image and prompt";
  if (!request.contains("image") || !request.at("image").is_string())
    return "expected a path under image";
  if (!request.contains("prompt")) return "";
  if (!request.at("prompt").is_string()) return "expected a text under prompt";
  if (request.at("prompt").get_ref<const std::string&>().find('\0') != std::string::npos)
    return "expected a text under prompt, got a zero byte in it";
  return "";
}

}  // namespace

ScoreRequests::ScoreRequests(std::string_view text) {
  Json read;
  try {
    read = parse_ordered_json(text, "not JSON");
  } catch (const Error& error) {
    requests_.push_back({{"error", error.what()}});
    return;
  }
  list_ = read.is_array();
  if (list_)
    requests_ = std::move(read);
  else
    requests_.push_back(std::move(read));
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    Json& request = requests_[i];
    const std::string wrong = problem(request);
    if (!request.is_object()) request = Json::object();
    // An answer that comes in again is a request: what it was told then goes.
    for (const char* key : kAnswers) request.erase(key);
    if (!wrong.empty()) {
      request["error"] = wrong;
      continue;
    }
    const auto image = request.at("image").get<std::string>();
    try {
      PromptRow read = read_prompt_row(request.value("prompt", ""), nlohmann::json(request), {},
                                       PictureKey::kPromptImage);
      items_.push_back({image, image, std::move(read.prompt), std::move(read.pictures)});
    } catch (const Error& error) {
      request["error"] = error.what();
      continue;
    }
    places_.push_back(i);
  }
}

void ScoreRequests::refuse(const std::function<std::string(const ScoreItem&)>& wrong) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    std::string text = wrong(items_[i]);
    if (!text.empty()) {
      requests_[places_[i]]["error"] = std::move(text);
      continue;
    }
    if (kept != i) items_[kept] = std::move(items_[i]);
    places_[kept++] = places_[i];
  }
  items_.resize(kept);
  places_.resize(kept);
}

void ScoreRequests::take(std::size_t i, const Json& scored) {
  Json& request = requests_[places_[i]];
  for (const char* key : kAnswers)
    if (scored.contains(key)) request[key] = scored.at(key);
}

std::string ScoreRequests::answer() const {
  return (list_ ? requests_ : requests_[0]).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hn::host
