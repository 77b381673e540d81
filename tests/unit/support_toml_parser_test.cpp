// TOML texts that broke the parser underneath, and texts made by chance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/session.hpp"
#include "support/toml_parser.hpp"
#include "support/toml_table.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;

std::string problem(std::string_view text) {
  try {
    parse_toml(text, "f");
  } catch (const TomlProblem& problem) {
    return std::to_string(problem.line) + ": " + problem.text;
  }
  return "";
}

TEST(TomlParser, TableHeadersThatAreNoneAreErrors) {
  for (const char* text : {"[}", "[,]", "[[[a]]", "[+a]", "[\x01]", "[\\]", "[[}", "a = 1\n[="})
    EXPECT_THAT(problem(text), ::testing::HasSubstr("expected bare key")) << text;
}

TEST(TomlParser, OtherLettersStandInTextsAndComments) {
  EXPECT_EQ(
      problem(
          "a = \"\xc3\xa9\" # \xc3\xa9\nb = '''\xc3\xa9\n'''''\nc = \"\"\"\\\n  \xc3\xa9\"\"\""),
      "");
  EXPECT_THAT(problem("a = 1\n\xc3\xa9 = 2"), ::testing::HasSubstr("2: expected ASCII"));
  EXPECT_THAT(problem("a = \xc2\xa0 1"), ::testing::HasSubstr("1: expected ASCII"));
}

TEST(TomlParser, EncodingsAreToldByName) {
  EXPECT_EQ(problem("\xef\xbb\xbf"
                    "a = 1\r\n"),
            "");
  EXPECT_THAT(problem(std::string_view("\xff\xfe"
                                       "a\0",
                                       4)),
              ::testing::HasSubstr("1: UTF-16"));
  EXPECT_THAT(problem("a = 1\nb = \"\xe9\""), ::testing::HasSubstr("2: not UTF-8"));
}

TEST(TomlParser, KeysHaveAnEnd) {
  std::string key = "a";
  for (int i = 1; i < 64; ++i) key += ".a";
  EXPECT_EQ(problem(key + " = 1"), "");
  EXPECT_EQ(problem("[" + key + "]"), "");
  EXPECT_THAT(problem("\n[" + key + ".a]"), ::testing::HasSubstr("2: expected keys of at most 64"));
  std::string million;
  for (int i = 0; i < 1000000; ++i) million += "a.";
  EXPECT_THAT(problem(million + "a = 1"), ::testing::HasSubstr("at most 64"));
  std::string numbers = "a = [";
  for (int i = 0; i < 1000; ++i) numbers += "1.5, ";
  EXPECT_EQ(problem(numbers + "\"" + std::string(500, '.') + "\"]"), "");
}

TEST(TomlParser, AZeroByteInATextIsRefused) {
  auto table =
      TomlTable::parse("file = \"a.png\\u0000zz\"\nlist = [\"a\", \"b\\u0000\"]", "x.toml");
  expect_error(HN_INVALID_ARGUMENT, {"x.toml:1: file", "zero byte"},
               [&] { table.find_str("file"); });
  expect_error(HN_INVALID_ARGUMENT, {"x.toml:2: list", "zero byte"},
               [&] { table.find_list("list"); });
  expect_error(HN_INVALID_ARGUMENT, {"x.toml:1: file", "zero byte"},
               [&] { table.find_value("file"); });
}

// Pieces of TOML in any order, some of them cut or with a byte exchanged: a table or a problem, and
// nothing else. Builds without NDEBUG and those with sanitizers see more.
TEST(TomlParser, TextsMadeByChance) {
  const std::vector<std::string> pieces = {"[a]\n",
                                           "[[a]]\n",
                                           "[a.b]\n",
                                           "a.b=1\n",
                                           "a={b=1}\n",
                                           "a=[1]\n",
                                           "\"\"=1\n",
                                           "'x y'=2\n",
                                           "[",
                                           "]",
                                           "{",
                                           "}",
                                           "=",
                                           ".",
                                           ",",
                                           "\"",
                                           "'",
                                           "\\",
                                           "-",
                                           "+",
                                           "_",
                                           "0",
                                           "e",
                                           "\xc3\xa9",
                                           "\r",
                                           "\r\n",
                                           "\t",
                                           " ",
                                           "#c\n",
                                           "x=\"\"\"a\\\n  b\"\"\"\n",
                                           "d=1979-05-27T07:32:00Z\n",
                                           "t=07:32:00.5\n",
                                           "f=1e5\n",
                                           "h=0xFF\n",
                                           "i=inf\n",
                                           "b=true\n",
                                           "\"\"\"",
                                           "'''",
                                           "\n",
                                           "\x7f",
                                           "\xe2\x80\xa8"};
  std::mt19937 random(20260101);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::size_t n = 1 + below(9); n > 0; --n) text += pieces[below(pieces.size())];
    if (below(3) == 0) text[below(text.size())] = static_cast<char>(below(256));
    if (below(4) == 0) text.resize(below(text.size() + 1));
    SCOPED_TRACE(::testing::PrintToString(text));
    problem(text);
  }
}

}  // namespace
}  // namespace hn::host
