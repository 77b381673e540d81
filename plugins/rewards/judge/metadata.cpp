#include "metadata.hpp"

#include <algorithm>
#include <array>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <string>
#include <vector>

namespace judge {
namespace {

// In the order of Category.
constexpr std::array<std::string_view, 6> kTags = {"single_object", "two_object", "counting",
                                                   "colors",        "position",   "color_attr"};

template <std::size_t N>
int known_word(const std::array<std::string_view, N>& words, const std::string& word,
               hn::JsonObject& object, const std::string& key) {
  const auto it = std::find(words.begin(), words.end(), word);
  if (it != words.end()) return static_cast<int>(it - words.begin());
  const std::vector<std::string> known(words.begin(), words.end());
  std::string expected = "a known word" + hn::nearest_hint(word, known);
  if (known.size() <= 8) {
    expected = "one of";
    for (const std::string& each : known) expected += (each == known[0] ? " " : ", ") + each;
  }
  object.fail(key, expected);
}

int relation_of(std::string word, hn::JsonObject& object) {
  if (word == "left of" || word == "right of") word = "to the " + word;
  return known_word(kRelations, word, object, "position");
}

struct Included {
  Item item;
  std::int64_t count = 1;
  int relation = -1;
  std::int64_t of = 0;  // the index that the relation is to
};

Included read_item(hn::JsonObject object) {
  Included read;
  read.item.object = known_word(kObjects, object.get<std::string>("class"), object, "class");
  read.count = object.get_or<std::int64_t>("count", 1);
  if (read.count < 1 || read.count > 64) object.fail("count", "1 to 64");
  if (object.has("color"))
    read.item.colour = known_word(kColours, object.get<std::string>("color"), object, "color");
  if (const nlohmann::json* position = object.optional_member("position")) {
    if (!position->is_array() || position->size() != 2 || !(*position)[0].is_string() ||
        !(*position)[1].is_number_unsigned())
      object.fail("position", "a list of a relation and the index of another object");
    read.relation = relation_of((*position)[0].get<std::string>(), object);
    read.of = (*position)[1].get<std::int64_t>();
  }
  object.finish();
  return read;
}

Wanted read(hn::JsonObject object) {
  Wanted wanted;
  wanted.category =
      static_cast<Category>(known_word(kTags, object.get<std::string>("tag"), object, "tag"));
  const nlohmann::json& include = object.member("include");
  if (!include.is_array() || include.empty() || include.size() > 2)
    object.fail("include", "a list of one or two objects");
  std::vector<Included> items;
  for (const nlohmann::json& each : include)
    items.push_back(read_item(hn::JsonObject(each, object.where() + ": include")));
  // The judge's relation is that of the first object to the second.
  if (items.size() == 2 && items[1].relation >= 0) std::swap(items[0], items[1]);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool related = items[i].relation >= 0;
    if (related && (items.size() != 2 || i != 0 || items[1].relation >= 0 || items[0].of > 1))
      object.fail("include", "one position, of one of two objects to the other");
    wanted.items.insert(wanted.items.end(), static_cast<std::size_t>(items[i].count),
                        items[i].item);
  }
  if (items.size() == 2 && (items[0].count > 1 || items[1].count > 1))
    object.fail("include", "a count of 1 where two objects are asked");
  wanted.relation = items[0].relation;
  if ((wanted.category == kPosition) != (wanted.relation >= 0))
    object.fail("tag", "\"position\" where a position is given, and only there");
  if (object.has("background"))
    wanted.background =
        known_word(kBackgrounds, object.get<std::string>("background"), object, "background");
  object.ignore({"exclude", "prompt"});
  object.finish();
  return wanted;
}

}  // namespace

Wanted parse_metadata(std::string_view json) {
  try {
    const nlohmann::json value = hn::parse_json(json, "[judge] metadata");
    return read(hn::JsonObject(value, "[judge] metadata"));
  } catch (const hn::Error& error) {
    throw hn::Error(HN_INVALID_ARGUMENT, error.what());  // the prompt's fault, not a file's
  }
}

}  // namespace judge
