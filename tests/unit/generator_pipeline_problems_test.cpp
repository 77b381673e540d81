// sdk/generator/pipeline_problems: what one error says of several.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <hn/generator/pipeline_problems.hpp>
#include <stdexcept>

namespace hn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

void fail(hn_status code, const std::string& text) { throw Error(code, text); }

// What finish() throws; the empty text and HN_OK where it does not.
std::pair<hn_status, std::string> outcome(const PipelineProblems& problems) {
  try {
    problems.finish();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {HN_OK, ""};
}

TEST(PipelineProblemsTest, AreNoneOrOneOrAList) {
  PipelineProblems problems("gen", "/folder");
  EXPECT_TRUE(problems.attempt([] {}));
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(outcome(problems).first, HN_OK);
  EXPECT_FALSE(problems.attempt([] { fail(HN_UNSUPPORTED, "first"); }));
  EXPECT_EQ(outcome(problems), std::pair(HN_UNSUPPORTED, std::string("first")));
  problems.attempt([] { fail(HN_NOT_FOUND, "second\nits line"); });
  problems.attempt([] { fail(HN_DATA_LOSS, "first"); });  // said already
  EXPECT_EQ(outcome(problems),
            std::pair(HN_UNSUPPORTED, std::string("[gen] /folder: 2 things are wrong:\n- first\n- "
                                                  "second\n  its line")));
}

TEST(PipelineProblemsTest, OfAPartBecomeOnesOfTheWhole) {
  PipelineProblems whole("gen", "/folder");
  whole.attempt([] { fail(HN_DATA_LOSS, "first"); });
  whole.attempt([] {
    PipelineProblems part("part", "/folder/part");
    part.attempt([] { fail(HN_NOT_FOUND, "second"); });
    part.attempt([] { fail(HN_NOT_FOUND, "third"); });
    part.finish();
  });
  EXPECT_THAT(outcome(whole).second,
              AllOf(HasSubstr("3 things"), HasSubstr("\n- third"), Not(HasSubstr("[part]"))));
}

TEST(PipelineProblemsTest, LeaveRoomForOneAnother) {
  std::string names;
  for (int i = 0; i < 1000; ++i) names += "\n    tensor number " + std::to_string(i);
  PipelineProblems problems("gen", "/folder");
  problems.attempt([&] { fail(HN_DATA_LOSS, "missing (1000):" + names); });
  problems.attempt([] { fail(HN_DATA_LOSS, "the last one"); });
  const std::string text = outcome(problems).second;
  EXPECT_LT(text.size(), 4096u);
  EXPECT_THAT(text, AllOf(HasSubstr("tensor number 0\n"), HasSubstr("the last one"),
                          HasSubstr("hnhost inspect --weights /folder")));
}

TEST(PipelineProblemsTest, LetOtherExceptionsPass) {
  PipelineProblems problems("gen", "/folder");
  EXPECT_THROW(problems.attempt([] { throw std::runtime_error("not ours"); }), std::runtime_error);
}

TEST(TextPartsTest, AreCheckedWithEveryProblem) {
  const Error no_tokenizer(HN_NOT_FOUND, "no tokenizer"), no_config(HN_NOT_FOUND, "no config");
  const auto read = [&](bool tokenizer, bool config, bool fit = true) {
    return read_text_parts(
        {"gen", "/folder"},
        [&] {
          if (!tokenizer) throw Error(no_tokenizer);
          return 1;
        },
        [&] {
          if (!config) throw Error(no_config);
          return 2.5;
        },
        [&](int, double, PipelineProblems& problems) {
          if (!fit) problems.refuse("they do not fit");
        },
        [&](const double* given) {
          EXPECT_EQ(given != nullptr, config) << "the files are opened without it too";
          if (!config) fail(HN_DATA_LOSS, "no weights");
        });
  };
  const auto parts = read(true, true);
  EXPECT_EQ(parts.tokenizer, 1);
  EXPECT_EQ(parts.config, 2.5);
  try {
    read(true, true, false);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[gen] /folder: they do not fit");
  }
  try {
    read(false, false, false);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(StartsWith("[gen] /folder: 3 things"), HasSubstr("no tokenizer"),
                      HasSubstr("no config"), HasSubstr("no weights")));
  }
}

}  // namespace
}  // namespace hn
