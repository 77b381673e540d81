#include "scoring/picture_pairs.hpp"

#include <hn/cpp/error.hpp>
#include <map>

#include "files/natural_order.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;
using host::cat;

// The folder that all absolute names share; empty where there is none.
fs::path shared_folder(const std::vector<ScoreItem>& items) {
  fs::path shared;
  bool first = true;
  for (const ScoreItem& item : items) {
    const fs::path image = item.image;
    if (!image.is_absolute()) continue;
    const fs::path folder = image.lexically_normal().parent_path();
    if (first) {
      shared = folder;
      first = false;
      continue;
    }
    fs::path both;
    for (auto a = shared.begin(), b = folder.begin();
         a != shared.end() && b != folder.end() && *a == *b; ++a, ++b)
      both /= *a;
    shared = both;
  }
  return shared;
}

struct NaturalLess {
  bool operator()(const fs::path& a, const fs::path& b) const { return natural_less(a, b); }
};
using ByPath = std::map<fs::path, ScoreItem, NaturalLess>;

fs::path key_of(const ScoreItem& item, const fs::path& shared) {
  fs::path key = fs::path(item.image).lexically_normal();
  if (key.is_absolute()) key = key.lexically_relative(shared);
  return key.replace_extension();
}

ByPath by_path(std::vector<ScoreItem>& items, const char* side) {
  const fs::path shared = shared_folder(items);
  ByPath found;
  for (ScoreItem& item : items) {
    const auto [at, is_new] = found.emplace(key_of(item, shared), item);
    if (is_new) continue;
    const ScoreItem& other = at->second;
    // One row twice is one picture.
    if (other.prompt == item.prompt && host::tidy(other.file) == host::tidy(item.file)) continue;
    throw Error(HN_INVALID_ARGUMENT,
                cat("[compare] expected each picture once in ", side, ", got ", other.image, " (",
                    other.prompt.text, ") and ", item.image, " (", item.prompt.text, "), both for ",
                    at->first.string()));
  }
  return found;
}

void note_rest(const ByPath& rest, const char* side, std::vector<std::string>& notes) {
  if (rest.empty()) return;
  notes.push_back(cat("[compare] without a partner: ", rest.size(), " of ", side, ", the first ",
                      rest.begin()->second.image));
}

}  // namespace

PicturePairs pair_up(std::vector<ScoreItem> a, std::vector<ScoreItem> b,
                     std::vector<std::string>& notes) {
  ByPath left = by_path(a, "A"), right = by_path(b, "B");
  PicturePairs pairs;
  for (auto at = left.begin(); at != left.end();) {
    const auto other = right.find(at->first);
    if (other == right.end()) {
      ++at;
      continue;
    }
    ScoreItem &one = at->second, &two = other->second;
    if (two.prompt.text.empty()) two.prompt = one.prompt;
    if (one.prompt.text.empty()) one.prompt = two.prompt;
    if (one.prompt.text != two.prompt.text)
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[compare] ", one.image, " has the prompt '", one.prompt.text,
                      "' on one side and '", two.prompt.text, "' on the other"));
    if (!(one.prompt == two.prompt))
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[compare] ", one.image,
                      " has another negative prompt, metadata or picture of the prompt on the "
                      "other side"));
    pairs.a.push_back(std::move(one));
    pairs.b.push_back(std::move(two));
    right.erase(other);
    at = left.erase(at);
  }
  pairs.only_a = left.size();
  pairs.only_b = right.size();
  if (pairs.a.empty())
    throw Error(HN_INVALID_ARGUMENT,
                "[compare] expected pictures of one name in both sets, got none");
  note_rest(left, "A", notes);
  note_rest(right, "B", notes);
  return pairs;
}

}  // namespace hn::host
