// The words of the emoji scenes, in the order of the judge's logits.
//
// Source: plugins/generators/sana_sprint/scripts/vocabulary.py; tests/golden/judge/make.py fails
// where the two differ.
#pragma once

#include <array>
#include <string_view>

namespace judge {

inline constexpr std::array<std::string_view, 48> kObjects = {
    "dog",     "cat",    "pig",        "panda",      "frog",   "lion",     "fox",       "elephant",
    "penguin", "owl",    "turtle",     "fish",       "whale",  "octopus",  "butterfly", "snail",
    "banana",  "apple",  "strawberry", "pineapple",  "carrot", "mushroom", "pizza",     "burger",
    "donut",   "cake",   "lemon",      "watermelon", "car",    "bus",      "airplane",  "rocket",
    "bicycle", "boat",   "tractor",    "helicopter", "house",  "tree",     "cactus",    "umbrella",
    "clock",   "guitar", "key",        "chair",      "cup",    "shoe",     "balloon",   "star"};

// Column 0 of the colour logits is an object's natural colour; colour c of this list is column c
// + 1.
inline constexpr std::array<std::string_view, 6> kColours = {"red",  "yellow", "green",
                                                             "blue", "purple", "pink"};

inline constexpr std::array<std::string_view, 8> kBackgrounds = {
    "red", "yellow", "green", "blue", "purple", "pink", "white", "gray"};

// The relation of the first object to the second.
inline constexpr std::array<std::string_view, 4> kRelations = {"to the left of", "to the right of",
                                                               "above", "below"};

// GenEval's six categories.
enum Category { kSingle, kTwo, kCounting, kColors, kPosition, kAttribution };

inline constexpr std::array<std::string_view, 5> kNumbers = {"", "one", "two", "three", "four"};

// Plurals that are not noun + s.
struct Plural {
  std::string_view noun, plural;
};
inline constexpr std::array<Plural, 7> kIrregularPlurals = {{{"fish", "fish"},
                                                             {"butterfly", "butterflies"},
                                                             {"strawberry", "strawberries"},
                                                             {"fox", "foxes"},
                                                             {"bus", "buses"},
                                                             {"octopus", "octopuses"},
                                                             {"cactus", "cacti"}}};

}  // namespace judge
