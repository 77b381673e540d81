#include "support/csv.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using ::testing::ElementsAre;

TEST(Csv, CellsQuotesAndLineEnds) {
  const auto rows = parse_csv("a,b\r\n\"x, \"\"y\"\"\nz\",2\n\n,\n", ',', "t.csv");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[0].cells, ElementsAre("a", "b"));
  EXPECT_THAT(rows[1].cells, ElementsAre("x, \"y\"\nz", "2"));
  EXPECT_EQ(rows[1].line, 2u);
  EXPECT_THAT(rows[2].cells, ElementsAre("", ""));
  EXPECT_EQ(rows[2].line, 5u) << "the quoted cell has a line end of its own, then a blank line";
  EXPECT_THAT(parse_csv("a\tb, c\n", '\t', "t.tsv").at(0).cells, ElementsAre("a", "b, c"));
}

TEST(Csv, AnOpenEndIsARowOrNot) {
  EXPECT_EQ(parse_csv("a,b\nc,d", ',', "t").size(), 2u);
  const auto closed = parse_csv("a,b\nc,d", ',', "t", /*open_end=*/false);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].end, 4u);
}

TEST(Csv, BrokenQuotesAreNamed) {
  expect_error(HN_DATA_LOSS, {"[t.csv] line 2", "never closed"},
               [] { parse_csv("a\n\"b\nc", ',', "t.csv"); });
  expect_error(HN_DATA_LOSS, {"line 1", "behind a quoted cell"},
               [] { parse_csv("\"a\"b,c\n", ',', "t.csv"); });
}

TEST(Csv, WhatIsWrittenReadsBack) {
  for (const std::string text : {"plain", "", "a,b", "say \"hi\"", "two\nlines", "tab\there"}) {
    const auto rows = parse_csv("x," + csv_cell(text) + "\n", ',', "t");
    EXPECT_EQ(rows.at(0).cells.at(1), text);
  }
  EXPECT_EQ(csv_cell("plain text"), "plain text");
}

TEST(Csv, AByItselfStandingCarriageReturnEndsARow) {
  const auto rows = parse_csv("a,b\rc,d\r\"e\rf\",g\rh,i", ',', "t");
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_THAT(rows[1].cells, ElementsAre("c", "d"));
  EXPECT_EQ(rows[3].line, 5u);
}

TEST(Csv, TextsThatLookLikeFormulasAreGuardedAndReadBack) {
  for (const std::string text : {"=1+1", "+a", "-0.5", "@x", "\tx", "\rx", "\nx", "'=1", "''@"}) {
    EXPECT_EQ(guarded_text(text), "'" + text);
    EXPECT_EQ(plain_text(guarded_text(text)), text);
  }
  for (const std::string text : {"", "a=1", "'tis", "'", " =1", "a cat"}) {
    EXPECT_EQ(guarded_text(text), text);
    EXPECT_EQ(plain_text(text), text);
  }
}

}  // namespace
}  // namespace hn::host
