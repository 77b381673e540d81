// A published checkpoint, by the names and shapes that the references' classes give its tensors:
// nothing is missing, nothing is left over, every size agrees. No weights are needed. Lists and
// configurations: published/ of the generator's folder, made by its published.py or make.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden/generator/case.hpp"

namespace golden {
namespace {

Construct construct_of(const Published& part) {
  for (const auto& [name, construct] : parts())
    if (name == part.part) return construct;
  throw std::runtime_error("no part " + part.part);
}

hn::WeightMap dry(TensorList tensors, const Published& part) {
  return hn::WeightMap::dry(std::move(tensors), at::kBFloat16, part.part, part.prefix);
}

class PublishedPart : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    part = published()[GetParam()];
    tensors = hn::test::read_tensor_list(part.tensors);
  }
  Published part;
  TensorList tensors;
};

TEST_P(PublishedPart, HasEveryTensorByNameAndShape) {
  EXPECT_EQ(hn::test::count_numbers(tensors), part.numbers);
  auto weights = dry(tensors, part);
  EXPECT_EQ(construct_of(part)(part.config, weights), part.layers);
  weights.finish(part.ignored);
  EXPECT_EQ(hn::test::count_numbers(weights.requested()), part.numbers);
}

TEST_P(PublishedPart, MayHaveAPrefixAndWhatStandsBesideTheWeights) {
  if (part.prefix.empty() && part.beside.empty()) GTEST_SKIP() << "files have the names alone";
  for (auto& tensor : tensors) tensor.name = part.prefix + tensor.name;
  tensors.insert(tensors.end(), part.beside.begin(), part.beside.end());
  auto weights = dry(tensors, part);
  construct_of(part)(part.config, weights);
  weights.finish(part.ignored);
}

TEST_P(PublishedPart, ATensorThatIsMissingOrOfAnotherShapeIsNamed) {
  const std::string missing = tensors.back().name, misshapen = tensors.front().name;
  tensors.back().name = "a.foreign.name";
  tensors.front().shape.push_back(7);
  auto weights = dry(tensors, part);
  construct_of(part)(part.config, weights);
  try {
    weights.finish(part.ignored);
    ADD_FAILURE() << "accepted";
  } catch (const hn::Error& error) {
    EXPECT_THAT(
        error.what(),
        testing::AllOf(testing::HasSubstr("missing (1)"), testing::HasSubstr(missing + " ["),
                       testing::HasSubstr(misshapen + ": expected ["),
                       testing::HasSubstr("unexpected (1)"), testing::HasSubstr("a.foreign.name")));
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, PublishedPart, testing::Range(std::size_t{0}, published().size()),
                         [](const auto& info) {
                           return published()[info.param].part + std::to_string(info.param);
                         });

}  // namespace
}  // namespace golden
