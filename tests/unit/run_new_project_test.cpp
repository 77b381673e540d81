#include "run/new_project.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;
namespace fs = std::filesystem;

class NewProject : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(templates() / "reward" / "src");
    std::ofstream(templates() / "reward" / "src" / "my_reward.cpp")
        << "class MyReward; // my-reward, MY_REWARD_H, my_reward_test\n";
    std::ofstream(templates() / "reward" / "run.sh") << "#!/bin/sh\n";
    fs::permissions(templates() / "reward" / "run.sh", fs::perms::owner_all);
    fs::create_directories(templates() / "generator");
  }
  fs::path templates() const { return folder_.path() / "templates"; }
  TestFolder folder_;
};

TEST_F(NewProject, PutsTheNameInEverywhere) {
  const fs::path to = folder_.path() / "out";
  new_project(templates(), "reward", "red_sky", to);
  EXPECT_EQ(read_bytes(to / "src" / "red_sky.cpp"),
            "class RedSky; // red-sky, RED_SKY_H, red_sky_test\n");
  EXPECT_NE(fs::status(to / "run.sh").permissions() & fs::perms::owner_exec, fs::perms::none);
}

TEST_F(NewProject, UnknownKindsAndNames) {
  expect_error(HN_NOT_FOUND, {"generator, reward", "rewrad"},
               [&] { new_project(templates(), "rewrad", "x", folder_.path() / "out"); });
  for (const char* name : {"", "Red", "1red", "a-b", "a b", "../x", "a/b"})
    expect_error(HN_INVALID_ARGUMENT, {"lower-case"},
                 [&] { new_project(templates(), "reward", name, folder_.path() / "out"); });
  EXPECT_FALSE(fs::exists(folder_.path() / "out"));
}

TEST_F(NewProject, NothingIsOverwritten) {
  const fs::path to = folder_.path() / "out";
  fs::create_directories(to);
  std::ofstream(to / "mine.txt") << "x";
  expect_error(HN_INVALID_ARGUMENT, {"is empty", to.string()},
               [&] { new_project(templates(), "reward", "x", to); });
  EXPECT_EQ(read_bytes(to / "mine.txt"), "x");
}

TEST_F(NewProject, AFailureLeavesNothing) {
  const fs::path to = "/proc/hn-new";
  expect_error(HN_INTERNAL, {"/proc/hn-new"}, [&] { new_project(templates(), "reward", "x", to); });
  const std::size_t before = folder_.file_count();
  new_project(templates(), "reward", "x", folder_.path() / "ok");
  EXPECT_EQ(folder_.file_count(), before + 1);
}

}  // namespace
}  // namespace hn::host
