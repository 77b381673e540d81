#include <limits>

#include "scoring/scores_file.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;

StoredScores scores() {
  Scores before;
  before.kl = 0.5;
  // An order that no sorting gives.
  before.columns = {{"redness", {0.1, 0.25}},
                    {"clip", {1.0, std::numeric_limits<double>::quiet_NaN()}},
                    {"clip.part", {-3.0, 4.0}}};
  StoredScores stored;
  stored.prompts = {"a", "b"};
  stored.seeds = {1};
  stored.before = before;
  return stored;
}

// A resume reads the file and writes it again.
TEST(ScoresFile, ReadAndWrittenAgainItIsTheSame) {
  const TestFolder folder;
  const auto file = folder.path() / "scores.json";
  StoredScores stored = scores();
  write_scores(file, stored);
  const std::string first = read_bytes(file);
  write_scores(file, read_scores(file));
  EXPECT_EQ(read_bytes(file), first);
  EXPECT_LT(first.find("\"prompts\""), first.find("\"before\""));
  EXPECT_LT(first.find("\"redness\""), first.find("\"clip\""));
  stored = read_scores(file);
  EXPECT_FALSE(stored.after.has_value());
  EXPECT_EQ(stored.before->columns[2].first, "clip.part");
}

TEST(ScoresFile, EveryDamageIsNamed) {
  const TestFolder folder;
  const auto file = folder.path() / "scores.json";
  write_scores(file, scores());
  const std::string whole = read_bytes(file);
  const auto refused = [&](const std::string& text, const std::string& what) {
    folder.write("scores.json", text);
    expect_error(HN_DATA_LOSS, {file.string(), what, "remove it"}, [&] { read_scores(file); });
  };
  refused("", "expected JSON");
  refused("{}", "the key prompts");
  refused("[]", "expected an object");
  refused(whole.substr(0, whole.size() / 2), "expected JSON");
  refused("{\"prompts\":[\"a\"],\"seeds\":[1]}", "the key before");
  refused("{\"prompts\":[3],\"seeds\":[1],\"before\":{}}", "list of texts");
  refused("{\"prompts\":[\"a\"],\"seeds\":[1],\"before\":{}}", "kl and columns");
  refused("{\"prompts\":[\"a\"],\"seeds\":[1],\"before\":{\"kl\":0,\"columns\":{\"clip\":[1,2]}}}",
          "expected 1 scores (prompts x seeds) in column clip, got 2");
}

}  // namespace
}  // namespace hn::host
