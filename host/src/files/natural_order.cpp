#include "files/natural_order.hpp"

#include <algorithm>
#include <string_view>

namespace hn::host {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits off the front, and leading zeros off them.
std::string_view take_number(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

// Below, equal or above 0.
int compare_names(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view left = take_number(a), right = take_number(b);
      if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
      if (const int order = left.compare(right); order != 0) return order;
      continue;
    }
    if (a.front() != b.front())
      return static_cast<unsigned char>(a.front()) < static_cast<unsigned char>(b.front()) ? -1 : 1;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return static_cast<int>(!a.empty()) - static_cast<int>(!b.empty());
}

}  // namespace

bool natural_less(const std::filesystem::path& a, const std::filesystem::path& b) {
  auto left = a.begin(), right = b.begin();
  for (; left != a.end() && right != b.end(); ++left, ++right)
    if (const int order = compare_names(left->native(), right->native()); order != 0)
      return order < 0;
  if ((left == a.end()) != (right == b.end())) return left == a.end();
  return a.native() < b.native();
}

}  // namespace hn::host
