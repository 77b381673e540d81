// sdk/formats: strict parsing and reading object by object.
#include <hn/formats/json_file.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;

TEST(ParseJson, ReadsEveryKindOfValue) {
  const auto json = parse_json(
      R"({"a": [1, -2, 3.5, true, null, "\u00e9"], "b": {"c": 18446744073709551615}})", "x");
  EXPECT_EQ(json["a"].size(), 6U);
  EXPECT_EQ(json["a"][5], "é");
  EXPECT_EQ(json["b"]["c"].get<std::uint64_t>(), 18446744073709551615ULL);
}

TEST(ParseJson, RefusesWhatIsNotStrictJson) {
  for (const char* text : {"", "{", "{\"a\":1,}", "[1 2]", "nul", "{\"a\":1} x", "\"\xff\"",
                           "\"\\ud800\"", "1e999", "[\"\x01\"]"}) {
    expect_error(HN_DATA_LOSS, {"file.json", "expected JSON", "at byte"},
                 [&] { parse_json(text, "file.json"); });
  }
}

TEST(ParseJson, RefusesAKeyTwice) {
  expect_error(HN_DATA_LOSS, {"file.json", "\"k\" twice"},
               [] { parse_json(R"({"o": {"k": 1, "l": {}, "k": 2}})", "file.json"); });
  EXPECT_NO_THROW(parse_json(R"([{"k": 1}, {"k": 1}])", "x"));
}

TEST(ParseJson, RefusesDepthThatCouldExhaustTheStack) {
  expect_error(HN_DATA_LOSS, {"64 nested"}, [] { parse_json(std::string(1000000, '['), "deep"); });
  EXPECT_NO_THROW(parse_json(std::string(64, '[') + std::string(64, ']'), "x"));
}

TEST(ParseJson, AZeroByteIsNotTheEnd) {
  expect_error(HN_DATA_LOSS, {"x: expected JSON", "zero byte at byte 2"},
               [] { parse_json(std::string_view("{}\0{", 4), "x"); });
}

TEST(ParseJson, MessagesStayShortAndAreText) {
  try {
    parse_json("\"" + std::string(100000, 'a') + "\xff\"", "x");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 600U);
    EXPECT_EQ(invalid_utf8(error.what()), std::string_view::npos);
  }
}

TEST(ParseOrderedJson, KeepsTheOrderAndRefusesWhatItCouldNotGiveBack) {
  EXPECT_EQ(parse_ordered_json(R"({"z": {"b": 1, "a": [2.5, true]}, "a": "x"})", "x").dump(),
            R"({"z":{"b":1,"a":[2.5,true]},"a":"x"})");
  expect_error(HN_DATA_LOSS, {"64 bits", "123456789012345678901"},
               [] { parse_ordered_json(R"({"id": 123456789012345678901})", "x"); });
  EXPECT_NO_THROW(parse_json(R"({"id": 123456789012345678901})", "x")) << "upstream's files do";
  expect_error(HN_DATA_LOSS, {"\"k\" twice"},
               [] { parse_ordered_json(R"({"k": 1, "l": {"k": 2}, "k": 3})", "x"); });
  expect_error(HN_DATA_LOSS, {"64 nested"},
               [] { parse_ordered_json(std::string(60000, '['), "x"); });
}

TEST(ReadJsonFile, TakesAMarkOffAndNamesOtherEncodings) {
  const test::TestFolder folder;
  EXPECT_EQ(read_json_file(folder.write("a.json", "\xef\xbb\xbf[1]")).size(), 1U);
  const auto wide = folder.write("b.json", std::string("\xff\xfe[\0]\0", 6));
  expect_error(HN_DATA_LOSS, {"b.json:1: UTF-16"}, [&] { read_json_file(wide); });
  const auto latin = folder.write("c.json", "[\n\"\xe9\"]");
  expect_error(HN_DATA_LOSS, {"c.json:2: not UTF-8"}, [&] { read_json_file(latin); });
}

TEST(ReadJsonFile, NamesAMissingFileAFolderAndOneThatIsTooLong) {
  const test::TestFolder folder;
  expect_error(HN_NOT_FOUND, {"absent.json", "No such file"},
               [&] { read_json_file(folder.path() / "absent.json"); });
  expect_error(HN_NOT_FOUND, {"regular file"}, [&] { read_json_file(folder.path()); });
  const auto path = folder.write("a.json", "[1, 2]");
  expect_error(HN_DATA_LOSS, {"a.json", "at most 5", "got 6"}, [&] { read_whole_file(path, 5); });
  EXPECT_EQ(read_json_file(path).size(), 2U);
}

TEST(JsonObjectReader, ConvertsAndSaysWhatDoesNotFit) {
  const auto json = parse_json(
      R"({"i": 3, "big": 4294967296, "f": 2.5, "b": true, "s": "t", "v": [1, 2], "n": null, "o": {"x": 1}, "huge": 1e300})",
      "x");
  JsonObject object(json, "config.json");
  EXPECT_EQ(object.get<std::int32_t>("i"), 3);
  EXPECT_EQ(object.get<std::int64_t>("big"), 4294967296);
  EXPECT_EQ(object.get<double>("i"), 3.0);
  EXPECT_EQ(object.get<float>("f"), 2.5F);
  EXPECT_TRUE(object.get<bool>("b"));
  EXPECT_EQ(object.get<std::string>("s"), "t");
  EXPECT_EQ(object.get<std::vector<std::int64_t>>("v"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(object.get_or<std::int64_t>("n", 7), 7);
  EXPECT_EQ(object.get_or<std::int64_t>("absent", 8), 8);
  EXPECT_FALSE(object.has("n"));
  EXPECT_EQ(object.object("o").get<std::int64_t>("x"), 1);
  expect_error(HN_DATA_LOSS, {"config.json: big: expected a 32-bit integer, got 4294967296"},
               [&] { object.get<std::int32_t>("big"); });
  expect_error(HN_DATA_LOSS, {"f: expected an integer, got 2.5"},
               [&] { object.get<std::int64_t>("f"); });
  expect_error(HN_DATA_LOSS, {"huge: expected a number, got 1e+300"},
               [&] { object.get<float>("huge"); });
  expect_error(HN_DATA_LOSS, {"s: expected true or false, got \"t\""},
               [&] { object.get<bool>("s"); });
  expect_error(HN_DATA_LOSS, {"v: expected an array, each item a text"},
               [&] { object.get<std::vector<std::string>>("v"); });
  expect_error(HN_DATA_LOSS, {"o: expected an integer, got an object"},
               [&] { object.get<std::int64_t>("o"); });
  expect_error(HN_DATA_LOSS, {"expected the key \"gone\""}, [&] { object.get<bool>("gone"); });
  expect_error(HN_DATA_LOSS, {"config.json: s: expected an object"}, [&] { object.object("s"); });
}

TEST(JsonObjectReader, ReportsKeysNobodyAskedForWithTheNearestName) {
  const auto json = parse_json(R"({"num_layers": 2, "num_heds": 4, "_class_name": "X"})", "x");
  JsonObject object(json, "config.json");
  object.get<std::int64_t>("num_layers");
  object.get_or<std::int64_t>("num_heads", 1);
  object.ignore({"_class_name"});
  expect_error(HN_DATA_LOSS, {"\"num_heds\"; nearest: num_heads"}, [&] { object.finish(); });
  object.ignore({"num_heds"});
  EXPECT_NO_THROW(object.finish());
}

TEST(NearestNames, OrdersByDistanceAndLeavesStrangersOut) {
  const std::vector<std::string> names = {"hpsv2", "clip", "redness", "pickscore"};
  EXPECT_EQ(nearest_names("hps", names), (std::vector<std::string>{"hpsv2"}));
  EXPECT_EQ(nearest_names("clp", names), (std::vector<std::string>{"clip"}));
  EXPECT_TRUE(nearest_names("zzzzzz", names).empty());
  EXPECT_EQ(nearest_hint("rednes", names), "; nearest: redness");
  EXPECT_EQ(nearest_hint("q", names), "");
}

}  // namespace
}  // namespace hn
