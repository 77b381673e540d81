// host/src/core/memory_budget: one budget over several functions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/memory_budget.hpp"

namespace hn::core {
namespace {

std::vector<std::uint64_t> share(std::uint64_t budget, const std::vector<Need>& needs) {
  return share_budget(budget, needs);
}

TEST(CoreMemoryBudget, NoLimitWhereAllFits) {
  EXPECT_THAT(share(0, {{10, 100}, {5, 50}}), testing::ElementsAre(0, 0));
  EXPECT_THAT(share(150, {{10, 100}, {5, 50}}), testing::ElementsAre(0, 0));
}

TEST(CoreMemoryBudget, TheRestIsSharedByWhatIsStillOfUse) {
  EXPECT_THAT(share(15, {{10, 100}, {5, 50}}), testing::ElementsAre(10, 5));
  EXPECT_THAT(share(60, {{10, 100}, {5, 50}}), testing::ElementsAre(40, 20));
  // Functions that had no room to be measured without a budget tell a number beyond any.
  constexpr std::uint64_t kTooMany = std::uint64_t{1} << 50;
  const auto shares = share(1010, {{10, kTooMany}, {500, kTooMany}});
  EXPECT_GT(shares[0], 250u);
  EXPECT_GT(shares[1], 740u);
  EXPECT_LE(shares[0] + shares[1], 1010u);
  // One that cannot compute again keeps what it keeps.
  EXPECT_THAT(share(100, {{10, 110}, {50, 50}}), testing::ElementsAre(50, 0));
}

TEST(CoreMemoryBudget, TooLittleNamesTheLeast) {
  try {
    share(14, {{10, 100}, {5, 50}});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), HN_INVALID_ARGUMENT);
    EXPECT_THAT(error.what(), testing::HasSubstr("at least about 15 bytes"));
    EXPECT_THAT(error.what(), testing::HasSubstr("got 14"));
  }
}

}  // namespace
}  // namespace hn::core
