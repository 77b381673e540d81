// Sets of pictures from the command line: tables that are continued, broken pictures, stdin, pairs.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cli/cli_support.hpp"

namespace {

using hn::test::hnhost;
using hn::test::operator+;
using hn::test::Outcome;
using hn::test::read_bytes;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

class Sets : public ::testing::Test {
 protected:
  Sets() {
    fs::create_directories(set());
    for (const char* name : {"rgb.png", "grey.png", "photo.jpg", "rgba.webp"})
      fs::copy_file(fs::path(HN_SOURCE_DIR) / "tests/golden/images" / name, set() / name);
    std::ofstream(set() / "zz.png") << "no picture";
  }
  fs::path set() const { return folder_.path() / "set"; }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  hn::test::TestFolder folder_;
};

TEST_F(Sets, ARowAPictureInAFileThatIsContinued) {
  const std::vector<std::string> command = {
      "score", set().string(),  "--reward", "redness,brightness", "--batch", "2",
      "--out", path("s.jsonl"), "--json"};
  const Outcome first = hnhost(command);
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.json().at("scored"), 4);
  EXPECT_EQ(first.json().at("errors"), 1);
  const auto rows = lines_of(read_bytes(path("s.jsonl")));
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0].at("image"), "grey.png");
  EXPECT_NEAR(rows[0].at("scores").at("redness").get<double>(), 0, 1e-6);
  EXPECT_THAT(rows[4].at("error").get<std::string>(), HasSubstr("zz.png"));
  EXPECT_TRUE(rows[4].at("scores").at("redness").is_null());

  fs::copy_file(set() / "rgb.png", set() / "zz.png", fs::copy_options::overwrite_existing);
  const Outcome second = hnhost(command);
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.json().at("skipped"), 4);
  EXPECT_EQ(second.json().at("scored"), 1);
  EXPECT_EQ(lines_of(read_bytes(path("s.jsonl"))).size(), 5u) << "one row a picture";
}

TEST_F(Sets, CsvTablesAndPromptsByName) {
  std::ofstream(path("p.csv")) << "image,prompt\nrgb,\"stripes, coloured\"\ngrey,grey "
                                  "stripes\nphoto,a photo\nrgba,glass\nzz,nothing\n";
  const Outcome outcome = hnhost({"score", set().string(), "--reward", "clip", "--prompts",
                                  path("p.csv"), "--out", path("s.csv"), "--strict"});
  EXPECT_EQ(outcome.code, 1) << "--strict";
  EXPECT_THAT(outcome.err, HasSubstr("4 of 5 pictures scored"));
  const std::string table = read_bytes(path("s.csv"));
  EXPECT_THAT(table, AllOf(HasSubstr("image,prompt,clip,error\n"),
                           HasSubstr("rgb.png,\"stripes, coloured\",")));
  const Outcome again = hnhost({"score", path("s.csv"), "--reward", "clip", "--json"});
  EXPECT_NE(again.code, 0) << "paths in a table start at the table, so none of these is there";
}

// A batch must not change a score: pictures of several sizes, one by one and together.
TEST_F(Sets, ScoresDoNotDependOnTheBatch) {
  for (const char* name : {"a", "b", "c"}) {
    fs::copy_file(set() / "rgb.png", set() / (std::string(name) + ".png"));
  }
  const auto scores = [&](const char* batch) {
    return hnhost({"score", set().string(), "--reward", "clip,judge", "--prompt", "a star",
                   "--threads", "1", "--batch", batch, "--json"})
        .json()
        .at("rows");
  };
  const auto one = scores("1"), many = scores("8");
  ASSERT_EQ(one.size(), 8u);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].at("image"), many[i].at("image"));
    if (one[i].contains("error")) continue;
    EXPECT_NEAR(one[i].at("scores").at("clip").get<double>(),
                many[i].at("scores").at("clip").get<double>(), 1e-5);
    EXPECT_TRUE(one[i].at("columns").is_object()) << "the judge has further outputs";
  }
}

// GenEval's facts in a table reach the judge in place of a text that it could not read, and stay in
// the scored table, which is scored again.
TEST_F(Sets, ATableGivesTheJudgeItsFacts) {
  const std::string image = (set() / "rgb.png").string();
  const auto row = [&](const char* more) {
    return "{\"image\": \"" + image + "\", \"prompt\": \"zxqv blorb\"" + more + "}\n";
  };
  const char* facts =
      R"(, "metadata": {"tag": "counting", "include": [{"class": "cup", "count": 2}]})";
  std::ofstream(path("t.jsonl")) << row("") << row(facts) << row(R"(, "negative": "a dog")");
  const Outcome outcome = hnhost({"score", path("t.jsonl"), "--reward", "judge,brightness", "--out",
                                  path("s.jsonl"), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto rows = lines_of(read_bytes(path("s.jsonl")));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[0].at("error").get<std::string>(), HasSubstr("judge"));
  EXPECT_TRUE(rows[0].at("scores").at("brightness").is_number());
  EXPECT_FALSE(rows[1].contains("error")) << rows[1];
  EXPECT_EQ(rows[1].at("scores").at("judge"), 0) << "two cups there are not";
  EXPECT_THAT(rows[2].at("error").get<std::string>(),
              AllOf(HasSubstr("a negative prompt"), HasSubstr("no plugin of this session reads")));

  std::ofstream(path("again.jsonl")) << rows[1] << "\n";
  const Outcome again = hnhost({"score", path("again.jsonl"), "--reward", "judge", "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.json().at("rows").at(0).at("scores").at("judge"), 0);
}

TEST_F(Sets, RequestsFromStdin) {
  std::ofstream(path("in")) << "{\"id\": 7, \"image\": \"" << (set() / "rgb.png").string()
                            << "\"}\n\nnot json\n[{\"image\": \"/no/where.png\"}, {\"prompt\": "
                               "\"x\"}]\n";
  const std::string command = std::string(HN_COMMAND) + " score --reward brightness --stdin < " +
                              path("in") + " > " + path("out") + " 2> " + path("err");
  ASSERT_EQ(std::system(command.c_str()), 0) << read_bytes(path("err"));
  const auto answers = lines_of(read_bytes(path("out")));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].at("id"), 7);
  EXPECT_TRUE(answers[0].at("scores").at("brightness").is_number());
  EXPECT_THAT(answers[1].at("error").get<std::string>(), HasSubstr("not JSON"));
  ASSERT_EQ(answers[2].size(), 2u);
  EXPECT_THAT(answers[2][0].at("error").get<std::string>(), HasSubstr("/no/where.png"));
  EXPECT_THAT(answers[2][1].at("error").get<std::string>(), HasSubstr("a path under image"));
}

TEST_F(Sets, TwoFoldersPairByPair) {
  const fs::path other = folder_.path() / "other";
  fs::create_directories(other);
  fs::copy_file(set() / "rgb.png", other / "rgb.png");
  fs::copy_file(set() / "rgb.png", other / "grey.png");  // another picture of that name
  fs::copy_file(set() / "rgb.png", other / "extra.png");
  const Outcome outcome = hnhost(
      {"compare", "--reward", "redness,brightness", set().string(), other.string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto answer = outcome.json();
  EXPECT_EQ(answer.at("pairs"), 2);
  EXPECT_EQ(answer.at("only_in_a"), 3);
  EXPECT_EQ(answer.at("only_in_b"), 1);
  const auto redness = answer.at("rewards").at(0);
  EXPECT_EQ(redness.at("ties"), 1) << "the same picture";
  EXPECT_EQ(redness.at("wins_a").get<int>() + redness.at("wins_b").get<int>(), 1);
  EXPECT_LT(redness.at("win_rate_b").at("low").get<double>(),
            redness.at("win_rate_b").at("high").get<double>());
  const Outcome table = hnhost({"compare", "--reward", "redness", set().string(), other.string()});
  EXPECT_THAT(table.out, AllOf(HasSubstr("B wins"), HasSubstr("redness")));
}

TEST_F(Sets, MistakesAreNamed) {
  const auto fails = [](const std::vector<std::string>& arguments, int code, const char* text) {
    const Outcome outcome = hnhost(arguments);
    EXPECT_EQ(outcome.code, code) << text;
    EXPECT_THAT(outcome.err, HasSubstr(text));
  };
  fails({"score", set().string()}, 2, "expected --reward");
  fails({"score", "--reward", "redness"}, 2, "one of them");
  fails({"score", "--reward", "redness", "--stdin", set().string()}, 2, "one of them");
  fails({"score", "--reward", "redness", "--stdin", "--prompt", "x"}, 2, "its own prompt");
  fails({"score", "--reward", "redness", "/no/where"}, 1, "/no/where: no such file");
  fails({"score", "--reward", "clip", set().string()}, 1, "clip reads prompts, but grey.png");
  fails({"score", "--reward", "redness", (set() / "zz.png").string()}, 1, "0 of 1 pictures");
  fails({"compare", "--reward", "redness", set().string()}, 2, "two sets");
  fails({"compare", set().string()}, 2, "expected --x NAME");
}

}  // namespace
