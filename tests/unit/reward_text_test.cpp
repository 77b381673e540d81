// hn/reward/text_reward: handles, shapes, what a wrong embed() says.
#include <ATen/ATen.h>

#include <hn/reward/text_reward.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn::test {
namespace {

// Length and first byte of each text.
class Letters final : public TextReward {
 public:
  using TextReward::prompts;
  using TextReward::TextReward;
  at::Tensor embed(std::span<const Prompt> given) override {
    EXPECT_FALSE(at::GradMode::is_enabled());
    std::vector<float> numbers;
    for (const Prompt& each : given) {
      const std::string_view text = each.text();
      numbers.push_back(static_cast<float>(text.size()));
      numbers.push_back(text.empty() ? 0.0f : static_cast<float>(text[0]));
    }
    return at::tensor(numbers).view({-1, columns});
  }
  std::uint64_t embedding_size() const override { return 2; }
  at::Tensor score(const at::Tensor& image, const Call& call) override {
    return image.sum({1, 2, 3}) + prompts(call).sum(1);
  }
  std::int64_t columns = 2;
};

class TextRewards : public ::testing::Test {
 protected:
  const hn_stream cpu_{kDLCPU, 0, 0};
  Letters reward_{Host(nullptr)};
  std::vector<std::unique_ptr<Cond>> encode(std::vector<std::string_view> texts) {
    std::vector<Prompt> given;
    for (const std::string_view text : texts) given.emplace_back(text);
    return reward_.encode(given, cpu_);
  }
  // The vectors that a call of `batch` samples with these handles gets.
  at::Tensor prompts(const std::vector<std::unique_ptr<Cond>>& handles, std::int64_t batch) {
    std::vector<const hn_cond*> raw;
    for (const auto& handle : handles)
      raw.push_back(reinterpret_cast<const hn_cond*>(handle.get()));
    std::int64_t shape[1] = {batch}, stride[1] = {1};
    std::vector<float> room(static_cast<std::size_t>(batch) + 1);
    const DLTensor tensor{room.data(), {kDLCPU, 0}, 1, kFloat32, shape, stride, 0};
    const DLTensor* in[1] = {&tensor};
    hn_call call{};
    call.struct_size = sizeof call;
    call.stream = cpu_;
    call.in = in;
    call.n_in = 1;
    call.cond = raw.data();
    call.n_cond = raw.size();
    const std::vector<SlotSpec> slots = {{"x", "column", {HN_DIM_BATCH}}};
    return reward_.prompts(Call(&call, slots, {}, HN_FN_NEEDS_COND));
  }
};

TEST_F(TextRewards, AHandleKeepsItsOwnVector) {
  const auto handles = encode({"red", "a"});
  ASSERT_EQ(handles.size(), 2u);
  EXPECT_GE(handles[0]->size_bytes(), 2 * sizeof(float));
  EXPECT_LT(handles[0]->size_bytes(), 200u);  // not the whole batch's
  const at::Tensor rows = prompts(handles, 2);
  EXPECT_TRUE(at::equal(rows, at::tensor({3.0f, 114.0f, 1.0f, 97.0f}).view({2, 2})));
  EXPECT_TRUE(encode({}).empty());
}

TEST_F(TextRewards, OnePromptServesAllAndAnEmptyBatchHasNone) {
  const auto one = encode({"red"});
  EXPECT_EQ(prompts(one, 5).sizes(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(prompts(one, 1).sizes(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(prompts({}, 0).sizes(), (std::vector<std::int64_t>{0, 2}));
}

TEST_F(TextRewards, TheEmbeddingIsWrittenOut) {
  const auto handles = encode({"red"});
  std::vector<float> room(3);
  std::int64_t shape[1] = {2}, stride[1] = {1};
  DLTensor out{room.data(), {kDLCPU, 0}, 1, kFloat32, shape, stride, 0};
  reward_.embedding(*handles[0], cpu_, out);
  EXPECT_EQ(room, (std::vector<float>{3.0f, 114.0f, 0.0f}));
  shape[0] = 3;
  expect_error(HN_INVALID_ARGUMENT, {"[embedding] expected float32 [2]", "[3]"},
               [&] { reward_.embedding(*handles[0], cpu_, out); });
}

TEST_F(TextRewards, AnEmbedOfAnotherShapeIsNamed) {
  reward_.columns = 1;
  expect_error(HN_INTERNAL, {"[embed] expected [2, 2], one row a prompt, got [4, 1]"}, [&] {
    encode({"red", "a"});
  });
}

}  // namespace
}  // namespace hn::test
