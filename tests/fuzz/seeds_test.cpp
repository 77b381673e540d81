// Every fuzz target once over its seeds: targets and seeds stay good without clang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <hn/cpp/error.hpp>
#include <iterator>
#include <stdexcept>

#include "fuzz/fuzz.hpp"

namespace hn::fuzz {
namespace {

namespace fs = std::filesystem;

const fs::path kSeeds = fs::path(HN_SOURCE_DIR) / "tests/fuzz/seeds";

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(FuzzSeeds, EveryTargetTakesSomeOfItsSeeds) {
  ASSERT_FALSE(targets().empty());
  for (const Target& target : targets()) {
    const fs::path seeds = kSeeds / target.name;
    ASSERT_TRUE(fs::is_directory(seeds)) << seeds << " (tests/fuzz/make_seeds.py makes it)";
    const std::size_t before = taken();
    for (const auto& seed : fs::directory_iterator(seeds)) {
      SCOPED_TRACE(seed.path());
      EXPECT_NO_THROW(target.run(bytes_of(seed.path())));
    }
    EXPECT_GT(taken(), before) << target.name << ": no seed was read to its end";
  }
}

TEST(FuzzSeeds, EveryFolderHasATarget) {
  for (const auto& entry : fs::directory_iterator(kSeeds)) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(std::any_of(targets().begin(), targets().end(), [&](const Target& target) {
      return target.name == name;
    })) << entry.path();
  }
}

TEST(FuzzParts, ALineNamesEachFile) {
  const auto parts =
      parts_of("first\n%% b\nB\nB\n%% other\nno\n%% c\n\n\n%% d\n%% e", {"a", "b", "c", "d", "e"});
  const std::map<std::string, std::string> expected = {
      {"a", "first"}, {"b", "B\nB"}, {"c", "\n"}, {"d", ""}, {"e", ""}};
  EXPECT_EQ(parts, expected);
  EXPECT_TRUE(parts_of("", {"a"}).empty());
}

TEST(FuzzRead, ARefusalHasToSayWhatIsWrong) {
  EXPECT_TRUE(read([] {}));
  EXPECT_FALSE(read([] { throw Error(HN_DATA_LOSS, "expected 1, got 2"); }));
  EXPECT_THROW(read([] { throw Error(HN_DATA_LOSS, ""); }), std::logic_error);
  EXPECT_FALSE(read([] { throw Error(HN_DATA_LOSS, "got \xff"); })) << "the caller gets UTF-8";
  EXPECT_THROW(read([] { throw Error(HN_INTERNAL, "oops"); }), std::logic_error);
  EXPECT_THROW(read([] { throw Error(HN_DATA_LOSS, std::string(1 << 20, 'x')); }),
               std::logic_error);
  EXPECT_THROW(read([] { throw std::out_of_range("oops"); }), std::out_of_range);
}

}  // namespace
}  // namespace hn::fuzz
