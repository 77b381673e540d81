// What a caption asks for, read with the grammar that the scenes' captions are written in:
//
//   [a photo of] NOUN | COUNT NOUNS | NOUNS | NOUN and NOUN | NOUN RELATION NOUN   [on a COLOUR
//   background] NOUN = (a | an | one) [COLOUR] OBJECT    NOUNS = [COLOUR] OBJECTS    COUNT = two |
//   three | four
//
// Source: plugins/generators/sana_sprint/scripts/captions.py. Also read: capitals, more white
// space, one full stop at the end, "grey".
#pragma once

#include <string_view>
#include <vector>

#include "vocabulary.hpp"

namespace judge {

struct Item {
  int object = 0;
  int colour = -1;  // -1: not asked
};

struct Wanted {
  Category category = kSingle;
  std::vector<Item>
      items;  // in the caption's order; a counted object stands here as often as it is wanted
  bool any_number = false;  // plural without a number: items has one entry, two or more are wanted
  int relation = -1;        // of items[0] to items[1], -1: not asked
  int background = -1;      // -1: not asked
};

// Errors: hn::Error HN_INVALID_ARGUMENT, which quotes the prompt, names the word that was not
// understood, what was expected there and the nearest known words.
Wanted parse_caption(std::string_view prompt);

}  // namespace judge
