// Which prompts are trained on and which choose the best state.
#include <set>

#include "config/training_prompts.hpp"
#include "registry/registry.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::ElementsAre;
using testing::generator_text;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::make_bundle;
using testing::message_of;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

class TrainingPromptsOf : public ::testing::Test {
 protected:
  TrainingPromptsOf() {
    make_bundle(folder_ / "p/fake.hnp", reward_text());
    make_bundle(folder_ / "p/gen.hnp", generator_text());
    registry_ = std::make_unique<Registry>(std::vector<SearchFolder>{{folder_ / "p", true}}, "");
    write_text(folder_ / "eval.txt", "reported 1\nreported 2\n");
  }
  // Numbers from `first` on, a prompt each.
  void train_file(int first, int last, const std::string& more = "") {
    std::string text = more;
    for (int i = first; i <= last; ++i) text += "prompt " + std::to_string(i) + "\n";
    write_text(folder_ / "train.txt", text);
  }
  TrainingPrompts prompts(const std::string& validation, const std::string& net = "hypernet") {
    RunConfig config =
        parse_config("generator = \"gen\"\n[[reward]]\nname = \"fake\"\n[train]\nprompts = '" +
                     (folder_ / "train.txt").string() + "'\n[eval]\nprompts = '" +
                     (folder_ / "eval.txt").string() + "'\n[net]\nkind = \"" + net +
                     "\"\n[validation]\n" + validation);
    resolve_config(config, *registry_);
    return training_prompts(config, *registry_);
  }
  static std::set<std::string> texts(const std::vector<core::Prompt>& prompts) {
    const auto list = core::texts_of(prompts);
    return {list.begin(), list.end()};
  }
  TempFolder folder_;
  std::unique_ptr<Registry> registry_;
};

TEST_F(TrainingPromptsOf, AreTakenOutEvenlyAndNeverTrainedOnOrReported) {
  train_file(1, 100, "reported 1\nprompt 3\n");  // prompt 3 is there twice
  const TrainingPrompts p = prompts("count = 10\n");
  EXPECT_TRUE(p.apart);
  ASSERT_EQ(p.validation.size(), 10u);
  EXPECT_EQ(core::texts_of(p.validation).front(), "prompt 6");
  EXPECT_EQ(core::texts_of(p.validation).back(), "prompt 96");
  const auto trained = texts(p.train);
  for (const std::string& text : texts(p.validation)) EXPECT_FALSE(trained.contains(text)) << text;
  EXPECT_FALSE(texts(p.validation).contains("reported 1"));
  EXPECT_EQ(trained.size(), 91u) << "the others and the reported one, which somebody trains on";
}

TEST_F(TrainingPromptsOf, AreAFifthAtMost) {
  train_file(1, 40);
  EXPECT_EQ(prompts("").validation.size(), 8u);
}

TEST_F(TrainingPromptsOf, OfFewAreTheTrainingPromptsThemselves) {
  train_file(1, 19);
  const TrainingPrompts p = prompts("count = 5\n");
  EXPECT_FALSE(p.apart);
  EXPECT_EQ(p.train.size(), 19u);
  EXPECT_THAT(core::texts_of(p.validation),
              ElementsAre("prompt 1", "prompt 2", "prompt 3", "prompt 4", "prompt 5"));
}

TEST_F(TrainingPromptsOf, AListOfItsOwn) {
  train_file(1, 30);
  write_text(folder_ / "own.txt", "own 1\nown 2\nown 3\n");
  const std::string own = "prompts = '" + (folder_ / "own.txt").string() + "'\n";
  const TrainingPrompts p = prompts(own + "count = 2\n");
  EXPECT_TRUE(p.apart);
  EXPECT_THAT(core::texts_of(p.validation), ElementsAre("own 1", "own 2"));
  EXPECT_EQ(p.train.size(), 30u);
  write_text(folder_ / "own.txt", "own 1\nreported 2\n");
  EXPECT_FALSE(prompts(own).apart) << "one of them is reported";
  write_text(folder_ / "own.txt", "own 1\nprompt 7\n");
  EXPECT_FALSE(prompts(own).apart) << "one of them is trained on";
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { prompts("prompts = 'model:none'\n"); }),
              HasSubstr("[validation] prompts"));
}

TEST_F(TrainingPromptsOf, WithoutAValidationOrATrainingAllAreTrainedOn) {
  train_file(1, 40);
  EXPECT_THAT(prompts("count = 0\n").validation, IsEmpty());
  EXPECT_EQ(prompts("count = 0\n").train.size(), 40u);
  EXPECT_THAT(prompts("", "none").validation, IsEmpty());
}

}  // namespace
}  // namespace hn::host
