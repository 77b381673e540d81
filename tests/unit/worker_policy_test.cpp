// Where a plugin runs, by the host's policy and the configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <hn/cpp/error.hpp>

#include "unit/sdk_test_files.hpp"
#include "worker/policy.hpp"

namespace hn::worker {
namespace {

using core::Isolation;
using ::testing::HasSubstr;

class WorkerPolicy : public ::testing::Test {
 protected:
  WorkerPolicy() {
    manifest_.name = "some";
    manifest_.libtorch = "none";
    manifest_.bundle = folder_.path() / "plugins" / "some.hnp";
    std::filesystem::create_directories(manifest_.bundle);
    manifest_.library = manifest_.bundle / "libsome.so";
    std::ofstream(manifest_.library) << "x";
    std::ofstream(manifest_.bundle / "plugin.toml") << "x";
  }
  Placement placed(Policy policy, Isolation wanted = Isolation::kAuto) {
    return place(policy, wanted, manifest_, "aaaa", installed_);
  }
  Isolation where(Policy policy, Isolation wanted = Isolation::kAuto) {
    return placed(policy, wanted).where;
  }
  std::string refusal(Policy policy, Isolation wanted) {
    try {
      placed(policy, wanted);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_PERMISSION);
      return e.what();
    }
    return "";
  }

  test::TestFolder folder_;
  std::filesystem::path installed_ = folder_.path() / "plugins";
  host::Manifest manifest_;
};

TEST_F(WorkerPolicy, AnInstalledPluginRunsHereUnlessSomebodySaysElse) {
  EXPECT_EQ(where(Policy::kNever), Isolation::kNone);
  EXPECT_EQ(where(Policy::kNeeded), Isolation::kNone);
  EXPECT_EQ(where(Policy::kUntrusted), Isolation::kNone);
  EXPECT_EQ(where(Policy::kAlways), Isolation::kProcess);
  for (const Isolation each : {Isolation::kProcess, Isolation::kSandbox})
    for (const Policy policy : {Policy::kNeeded, Policy::kUntrusted, Policy::kAlways})
      EXPECT_EQ(where(policy, each), each);
}

TEST_F(WorkerPolicy, AnotherLibtorchGoesToAWorkerAndIsTold) {
  manifest_.libtorch = "bbbb";
  EXPECT_EQ(where(Policy::kNever), Isolation::kNone) << "the loader then refuses it";
  const Placement needed = placed(Policy::kNeeded);
  EXPECT_EQ(needed.where, Isolation::kProcess);
  EXPECT_THAT(needed.why, HasSubstr("bbbb"));
  manifest_.libtorch = "aaaa";
  EXPECT_EQ(where(Policy::kNeeded), Isolation::kNone);
}

TEST_F(WorkerPolicy, WhatIsNotTrustedGoesToASandbox) {
  installed_ = folder_.path() / "elsewhere";
  for (const Policy policy : {Policy::kUntrusted, Policy::kAlways}) {
    EXPECT_EQ(where(policy), Isolation::kSandbox);
    EXPECT_THAT(placed(policy).why, HasSubstr("elsewhere"));
    EXPECT_THAT(refusal(policy, Isolation::kProcess), HasSubstr("demands a sandbox"));
    EXPECT_THAT(refusal(policy, Isolation::kNone), HasSubstr("some"));
  }
  EXPECT_EQ(where(Policy::kNeeded), Isolation::kNone);
  installed_ = folder_.path() / "plug";
  EXPECT_EQ(where(Policy::kUntrusted), Isolation::kSandbox) << "a beginning of a name is no folder";
}

TEST_F(WorkerPolicy, ABundleThatOthersCanChangeIsNotTrusted) {
  std::filesystem::permissions(manifest_.library, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(where(Policy::kUntrusted), Isolation::kSandbox);
  EXPECT_EQ(where(Policy::kNeeded), Isolation::kNone);
}

TEST_F(WorkerPolicy, ConfigurationAndPolicyThatContradictAreRefused) {
  EXPECT_THAT(refusal(Policy::kNever, Isolation::kProcess), HasSubstr("never"));
  EXPECT_THAT(refusal(Policy::kNever, Isolation::kSandbox), HasSubstr("never"));
  EXPECT_THAT(refusal(Policy::kAlways, Isolation::kNone), HasSubstr("always"));
}

TEST(WorkerPolicyName, IsReadFromTheHostsOptionOrTheEnvironment) {
  ::unsetenv("HN_ISOLATION");
  EXPECT_EQ(parse_policy(""), Policy::kNeeded);
  EXPECT_EQ(parse_policy("untrusted"), Policy::kUntrusted);
  ::setenv("HN_ISOLATION", "always", 1);
  EXPECT_EQ(parse_policy(""), Policy::kAlways);
  EXPECT_EQ(parse_policy("never"), Policy::kNever) << "the option comes first";
  ::setenv("HN_ISOLATION", "sometimes", 1);
  EXPECT_THROW(parse_policy(""), Error);
  ::unsetenv("HN_ISOLATION");
}

}  // namespace
}  // namespace hn::worker
