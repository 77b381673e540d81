#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "files/natural_order.hpp"

namespace hn::host {
namespace {

TEST(NaturalOrder, CountsAsPeopleDo) {
  const std::vector<std::string> sorted = {
      "0.png",      "1.png",      "2.png",       "007.png",      "7.png",
      "10.png",     "10a.png",    "11.png",      "100.png",      "99999999999999999999999.png",
      "a/2/10.png", "a/10/2.png", "a/10/10.png", "a-b/1.png",    "cat.png",
      "cat2.png",   "cat10.png",  "img_2_9.png", "img_2_10.png", "img_10_1.png"};
  std::vector<std::string> shuffled = sorted;
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    std::sort(shuffled.begin(), shuffled.end(),
              [](const auto& a, const auto& b) { return natural_less(a, b); });
    EXPECT_EQ(shuffled, sorted);
  }
}

TEST(NaturalOrder, IsTotal) {
  std::vector<std::string> names;
  for (const char* a : {"", "0", "00", "1", "01", "a", "a0", "a00b", "a0b"})
    for (const char* b : {"", "/", "/1", "/01", "1", ".png"}) names.push_back(std::string(a) + b);
  for (const auto& a : names)
    for (const auto& b : names) {
      EXPECT_EQ(natural_less(a, b) || natural_less(b, a), a != b) << a << " " << b;
      EXPECT_FALSE(natural_less(a, b) && natural_less(b, a)) << a << " " << b;
      for (const auto& c : names)
        EXPECT_TRUE(!natural_less(a, b) || !natural_less(b, c) || natural_less(a, c))
            << a << " " << b << " " << c;
    }
}

}  // namespace
}  // namespace hn::host
