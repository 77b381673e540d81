// One line of requests to score pictures, and the answer that it becomes.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "scoring/score_items.hpp"

namespace hn::host {

class ScoreRequests {
 public:
  // text: {"image": path, "prompt": text} with the further fields of a prompt
  // (files/prompt_row.hpp), or a list of such; other keys come back as they are, but for "scores",
  // "columns" and "error". Whatever the text is, nothing is thrown: a request that is not
  // understood (no strict JSON included, formats/json_file.hpp) has an "error" from here on, and
  // the others are items.
  explicit ScoreRequests(std::string_view text);

  // Those that can be scored, in their order.
  const std::vector<ScoreItem>& items() const { return items_; }
  // Takes the items out that `wrong` gives a text for: it becomes their "error".
  void refuse(const std::function<std::string(const ScoreItem&)>& wrong);
  // "scores", "columns" and "error" of `scored` become those of items()[i].
  void take(std::size_t i, const nlohmann::ordered_json& scored);

  // The request's object, or a list for a list in its order, as one line of UTF-8.
  std::string answer() const;

 private:
  nlohmann::ordered_json requests_ = nlohmann::ordered_json::array();
  bool list_ = false;
  std::vector<ScoreItem> items_;
  std::vector<std::size_t> places_;  // of items_ in requests_
};

}  // namespace hn::host
