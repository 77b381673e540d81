// host/src/support/byte_size: sizes as people write them.
#include <gtest/gtest.h>

#include "support/byte_size.hpp"

namespace hn::host {
namespace {

TEST(ByteSize, ReadsUnitsOfBothKinds) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes(" 8GiB "), std::uint64_t{8} << 30);
  EXPECT_EQ(parse_bytes("500 MB"), 500'000'000u);
  EXPECT_EQ(parse_bytes("1.5kib"), 1536u);
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("2TB"), 2'000'000'000'000u);
  EXPECT_EQ(parse_bytes("010"), 10u) << "decimal";
  EXPECT_EQ(parse_bytes("9007199254740993"), 9007199254740993u) << "whole numbers are exact";
  EXPECT_EQ(parse_bytes("4194304TiB"), std::uint64_t{1} << 62);
  EXPECT_EQ(parse_bytes("0.0GiB"), 0u);
}

TEST(ByteSize, RefusesWhatIsNoSize) {
  for (const char* text : {"",
                           "GiB",
                           "-1",
                           "+1",
                           "8 Gi",
                           "1e3",
                           "8GiB!",
                           "9999999999TiB",
                           ".",
                           "1.2.3",
                           "1.5.3GiB",
                           "0x10",
                           "1_000",
                           "1,5GiB",
                           "nan",
                           "inf",
                           "4194305TiB",
                           "99999999999999999999999",
                           "18446744073709551616",
                           "0.3",
                           "0.0001kB"})
    EXPECT_FALSE(parse_bytes(text).has_value()) << text;
}

TEST(ByteSize, WritesTheLargestUnitThatIsExact) {
  EXPECT_EQ(format_bytes(std::uint64_t{8} << 30), "8GiB");
  EXPECT_EQ(format_bytes(1536), "1536");
  EXPECT_EQ(format_bytes(3 << 20), "3MiB");
  EXPECT_EQ(format_bytes(0), "0");
  for (const std::uint64_t bytes : {1ull, 1024ull, 123456789ull, 1ull << 40})
    EXPECT_EQ(parse_bytes(format_bytes(bytes)), bytes);
}

}  // namespace
}  // namespace hn::host
