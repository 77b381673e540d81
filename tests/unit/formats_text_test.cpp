// Bytes as text: encodings told by name, the place of what is wrong, line ends of three systems.
#include <hn/formats/text.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string problem(std::string_view bytes) {
  const auto found = text_problem(bytes);
  return found ? std::to_string(found->line) + ": " + found->text : "";
}

TEST(Text, AMarkOfUtf8IsTakenOffAndNothingElse) {
  EXPECT_EQ(as_text("\xef\xbb\xbf"
                    "a\xef\xbb\xbf",
                    "f"),
            "a\xef\xbb\xbf");
  EXPECT_EQ(as_text("e\xcc\x81 \xe2\x80\xa8", "f"), "e\xcc\x81 \xe2\x80\xa8") << "not normalised";
  EXPECT_EQ(as_text("", "f"), "");
}

TEST(Text, OtherEncodingsAreNamed) {
  EXPECT_THAT(problem(std::string_view("\xff\xfe"
                                       "a\0",
                                       4)),
              HasSubstr("1: UTF-16"));
  EXPECT_THAT(problem(std::string_view("\xfe\xff\0a", 4)), HasSubstr("1: UTF-16"));
  EXPECT_THAT(problem(std::string_view("\xff\xfe\0\0a\0\0\0", 8)), HasSubstr("UTF-32"));
  EXPECT_THAT(problem(std::string_view("\0\0\xfe\xff\0\0\0a", 8)), HasSubstr("UTF-32"));
  EXPECT_THAT(problem(std::string_view("a\0b\0", 4)), HasSubstr("1: a zero byte"));
  EXPECT_THAT(problem("one\ntwo\r\ncaf\xe9\n"), HasSubstr("3: not UTF-8: the byte 0xe9 (byte 12"));
  EXPECT_THAT(problem("one\rtwo\r\xff"), HasSubstr("3: "));
  EXPECT_THAT(problem(std::string_view("good\nb\0d", 8)), HasSubstr("2: a zero byte"));
  expect_error(HN_DATA_LOSS, {"a.txt:2: not UTF-8"}, [] { as_text("a\n\x80", "a.txt"); });
}

TEST(Text, EdgesOfUtf8) {
  EXPECT_EQ(invalid_utf8("plain text that is long enough, \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
            std::string_view::npos);
  for (const char* bad : {"\xc0\x80", "\xc1\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82",
                          "\x80", "\xf0\x80\x80\x80", "\xe0\x80\x80", "\xf5\x80\x80\x80"})
    for (std::size_t before = 0; before < 17; ++before)
      EXPECT_EQ(invalid_utf8(std::string(before, 'a') + bad + "bbbbbbbbb"), before)
          << ::testing::PrintToString(bad);
}

TEST(Text, LinesOfThreeSystems) {
  EXPECT_THAT(text_lines("a\nb\r\nc\rd\n\ne"), ElementsAre("a", "b", "c", "d", "", "e"));
  EXPECT_THAT(text_lines("a\n"), ElementsAre("a"));
  EXPECT_THAT(text_lines(""), ElementsAre());
  EXPECT_EQ(line_of("a\r\nb\rc\nd", 7), 4u);
}

TEST(Text, EscapedBytesReadBack) {
  EXPECT_EQ(escaped_bytes("caf\xe9.png"), "caf\\xe9.png");
  EXPECT_EQ(escaped_bytes("caf\xc3\xa9 \\ \\n.png"), "caf\xc3\xa9 \\ \\n.png");
  EXPECT_EQ(escaped_bytes("caf\\xe9.png"), "caf\\x5cxe9.png") << "another name, another text";
}

}  // namespace
}  // namespace hn
