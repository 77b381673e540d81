// Two sets of pictures, pair by pair.
#include "scoring/picture_pairs.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<ScoreItem> side(const std::string& folder, const std::vector<std::string>& names) {
  std::vector<ScoreItem> items;
  for (const std::string& name : names)
    items.push_back({name, std::filesystem::path(folder) / name, ""});
  return items;
}

std::vector<std::string> pairs_of(const PicturePairs& pairs) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < pairs.a.size(); ++i)
    out.push_back(pairs.a[i].image + " " + pairs.b[i].image);
  return out;
}

TEST(PicturePairs, ByThePathWithoutTheEnding) {
  std::vector<std::string> notes;
  const auto pairs = pair_up(side("/a", {"x/1.png", "10.png", "2.png", "only.png"}),
                             side("/b", {"2.jpg", "x/1.webp", "10.png"}), notes);
  EXPECT_THAT(pairs_of(pairs), ElementsAre("2.png 2.jpg", "10.png 10.png", "x/1.png x/1.webp"));
  EXPECT_EQ(pairs.only_a, 1u);
  EXPECT_EQ(pairs.only_b, 0u);
  EXPECT_THAT(notes, ElementsAre(HasSubstr("1 of A, the first only.png")));
}

TEST(PicturePairs, AbsolutePathsCountFromTheSharedFolder) {
  std::vector<std::string> notes;
  const auto pairs = pair_up(side("", {"/m1/0/s/0.png", "/m1/1/s/0.png"}),
                             side("", {"/other/m2/1/s/0.png", "/other/m2/0/s/0.png"}), notes);
  EXPECT_THAT(pairs_of(pairs), ElementsAre("/m1/0/s/0.png /other/m2/0/s/0.png",
                                           "/m1/1/s/0.png /other/m2/1/s/0.png"));
  EXPECT_THAT(pairs_of(pair_up(side("", {"/m1/0.png"}), side("/b", {"0.png"}), notes)),
              ElementsAre("/m1/0.png 0.png"));
}

TEST(PicturePairs, OneNameTwiceOnASideIsRefused) {
  std::vector<std::string> notes;
  expect_error(HN_INVALID_ARGUMENT, {"once in A", "a.jpg", "a.png"}, [&] {
    pair_up(side("/a", {"a.jpg", "a.png"}), side("/b", {"a.png"}), notes);
  });
  std::vector<ScoreItem> twice = side("/b", {"a.png", "./a.png"});
  EXPECT_EQ(pair_up(side("/a", {"a.png"}), twice, notes).a.size(), 1u) << "one file, one prompt";
  twice[0].prompt = "a cat";
  expect_error(HN_INVALID_ARGUMENT, {"once in B", "a cat"},
               [&] { pair_up(side("/a", {"a.png"}), twice, notes); });
}

TEST(PicturePairs, PromptsAreThePairs) {
  std::vector<std::string> notes;
  std::vector<ScoreItem> a = side("/a", {"1.png", "2.png"}), b = side("/b", {"1.png", "2.png"});
  a[0].prompt = "one";
  b[1].prompt = "two";
  const auto pairs = pair_up(a, b, notes);
  EXPECT_EQ(pairs.b[0].prompt, "one");
  EXPECT_EQ(pairs.a[1].prompt, "two");
  b[0].prompt = "other";
  expect_error(HN_INVALID_ARGUMENT, {"1.png", "'one'", "'other'"}, [&] { pair_up(a, b, notes); });
  b[0].prompt = "one";
  b[0].prompt.json = R"({"tag":"colors"})";
  expect_error(HN_INVALID_ARGUMENT, {"1.png", "metadata"}, [&] { pair_up(a, b, notes); });
  expect_error(HN_INVALID_ARGUMENT, {"got none"},
               [&] { pair_up(side("/a", {"1.png"}), side("/b", {"3.png"}), notes); });
}

}  // namespace
}  // namespace hn::host
