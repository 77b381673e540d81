// sdk/generator: prompts as handles, those of a call as a batch, and the number of steps.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <hn/cpp/error.hpp>
#include <hn/generator/encoded_prompt.hpp>

namespace hn {
namespace {

EncodedPrompt prompt(double value) {
  EncodedPrompt made;
  made.text = "text";
  made.states["states"] = at::full({2, 3}, value);
  made.derived["caption"] = at::full({2}, value);
  return made;
}

TEST(EncodedPromptTest, CountsItsBytesAndFindsItsTensors) {
  const EncodedPrompt one = prompt(1);
  EXPECT_EQ(one.size_bytes(), sizeof(EncodedPrompt) + 4 + (6 + 2) * sizeof(float));
  EXPECT_EQ(one.at("states").dim(), 2);
  EXPECT_EQ(one.at("caption").dim(), 1);
  try {
    one.at("pooled");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), HN_INTERNAL);
    EXPECT_THAT(error.what(), testing::HasSubstr("expected a tensor pooled"));
  }
}

TEST(DistinctPromptsTest, TakesEachHandleOnceInTheOrderOfFirstUse) {
  const EncodedPrompt a = prompt(1), b = prompt(2), c = prompt(3);
  const auto of = [](const std::vector<const Cond*>& prompts) {
    return distinct_prompts(prompts, at::kCPU);
  };
  const auto shared = of({&a});
  EXPECT_EQ(shared.prompts.size(), 1u);
  EXPECT_FALSE(shared.of_sample.defined());
  EXPECT_FALSE(of({&a, &a, &a}).of_sample.defined()) << "one prompt, whatever the batch";
  EXPECT_FALSE(of({&a, &b, &c}).of_sample.defined()) << "one a sample";

  const auto mixed = of({&b, &a, &b});
  ASSERT_EQ(mixed.prompts.size(), 2u);
  EXPECT_EQ(mixed.prompts[0], &b);
  EXPECT_TRUE(at::equal(mixed.of_sample, at::tensor({0, 1, 0}, at::kLong)));
  const auto states = mixed.stacked("states");
  EXPECT_EQ(states.sizes(), (std::vector<std::int64_t>{2, 2, 3}));
  EXPECT_EQ(states[0][0][0].item<double>(), 2);
  EXPECT_EQ(mixed.tensors("caption").size(), 2u);
}

TEST(CheckStepsTest, NamesTheRange) {
  EXPECT_NO_THROW(check_steps("gen", 1, 4));
  EXPECT_NO_THROW(check_steps("gen", 4, 4));
  for (const std::int64_t steps : {0, 5}) {
    try {
      check_steps("gen", steps, 4);
      FAIL() << "expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), HN_INVALID_ARGUMENT);
      EXPECT_EQ(std::string(error.what()),
                "[gen] steps: expected 1 to 4, got " + std::to_string(steps));
    }
  }
}

}  // namespace
}  // namespace hn
