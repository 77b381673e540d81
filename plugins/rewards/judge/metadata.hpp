// What a picture should show as data instead of as a caption: GenEval's metadata.
//
//   {"tag": "position", "include": [{"class": "star", "count": 1},
//                                   {"class": "dog", "count": 1, "position": ["above", 0]}]}
//
// Source: djghosh13/geneval, prompts/evaluation_metadata.jsonl and evaluation/evaluate_images.py.
// Also read: "background", a colour; "to the left of" for "left of". "exclude" of a counted class
// (one more than wanted) says nothing new here, since the judge counts exactly.
#pragma once

#include <string_view>

#include "grammar.hpp"

namespace judge {

// json: one object. Errors: hn::Error HN_INVALID_ARGUMENT, which names the key, what was expected
// there and the nearest known words.
Wanted parse_metadata(std::string_view json);

}  // namespace judge
