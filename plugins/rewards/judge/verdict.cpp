#include "verdict.hpp"

#include <algorithm>
#include <cstdlib>

namespace judge {
namespace {

int count_of(const Finding& finding, int object, int colour = -2) {
  return static_cast<int>(
      std::count_if(finding.detections.begin(), finding.detections.end(), [&](const Detection& d) {
        return d.object == object && (colour == -2 || d.colour == colour);
      }));
}

int wanted_of(const Wanted& wanted, int object, int colour = -2) {
  return static_cast<int>(std::count_if(
      wanted.items.begin(), wanted.items.end(),
      [&](const Item& i) { return i.object == object && (colour == -2 || i.colour == colour); }));
}

// Enough detections of the asked colour for each asked (object, colour); all of them where the
// number is open.
bool colours_agree(const Finding& finding, const Wanted& wanted) {
  return std::all_of(wanted.items.begin(), wanted.items.end(), [&](const Item& item) {
    if (item.colour < 0) return true;
    const int needed = wanted.any_number ? std::max(count_of(finding, item.object), 1)
                                         : wanted_of(wanted, item.object, item.colour);
    return count_of(finding, item.object, item.colour) >= needed;
  });
}

bool relation_holds(const Finding& finding, const Wanted& wanted) {
  const auto find = [&](int object) {
    return std::find_if(finding.detections.begin(), finding.detections.end(),
                        [&](const Detection& d) { return d.object == object; });
  };
  const auto first = find(wanted.items[0].object), second = find(wanted.items[1].object);
  if (first == finding.detections.end() || second == finding.detections.end()) return false;
  const int right = second->column - first->column, down = second->row - first->row;
  switch (wanted.relation) {
    case 0: return right > std::abs(down);
    case 1: return -right > std::abs(down);
    case 2: return down > std::abs(right);
    default: return -down > std::abs(right);
  }
}

}  // namespace

Verdict decide(const Finding& finding, const Wanted& wanted) {
  Verdict v;
  v.objects = std::all_of(wanted.items.begin(), wanted.items.end(),
                          [&](const Item& i) { return count_of(finding, i.object) > 0; }) &&
              std::all_of(finding.detections.begin(), finding.detections.end(),
                          [&](const Detection& d) { return wanted_of(wanted, d.object) > 0; });
  v.count = std::all_of(wanted.items.begin(), wanted.items.end(), [&](const Item& i) {
    const int found = count_of(finding, i.object);
    return wanted.any_number ? found >= 2 : found == wanted_of(wanted, i.object);
  });
  v.colors = colours_agree(finding, wanted);
  v.relation = wanted.relation < 0 || relation_holds(finding, wanted);
  v.background = wanted.background < 0 || finding.background == wanted.background;
  v.right = v.objects && v.count;
  if (wanted.category == kColors || wanted.category == kAttribution) v.right = v.right && v.colors;
  if (wanted.category == kPosition) v.right = v.right && v.relation;
  return v;
}

}  // namespace judge
