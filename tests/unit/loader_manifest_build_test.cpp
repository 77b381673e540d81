// Manifests of other versions and other people, and what the build makes of the author's.
#include "loader/finish_manifest.hpp"
#include "loader/manifest.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using testing::build_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::ours;
using testing::replaced;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

// A bundle of a newer hn runs in an older host, which says what it passed over.
TEST(Manifest, WhatIsNotUnderstoodIsNoted) {
  TempFolder folder;
  std::string text = replaced(ours(reward_text()), "summary =", "sumary = \"x\"\nsummary =");
  text = replaced(text, "text_limit", "gamma = 2.0\ntext_limit");
  text = replaced(text, "help = \"Crop.\"", "help = \"Crop.\"\nunit = \"pixels\"");
  const auto bundle =
      make_bundle(folder / "x.hnp", text + "[novelty]\nkey = 1\n[[novelties]]\nkey = 1\n");
  const Manifest m = read_manifest(bundle);
  EXPECT_THAT(m.notes, ElementsAre(HasSubstr("[reward] gamma: unknown key"),
                                   HasSubstr("[options] unit: unknown key"), HasSubstr("novelties"),
                                   HasSubstr("novelty: unknown key"),
                                   HasSubstr(":7: sumary: unknown key; did you mean 'summary'?")));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle, Reading::kStrict); }),
              HasSubstr("gamma: unknown key"));
}

TEST(Manifest, ATableOfNearlyItsNameIsNamed) {
  TempFolder folder;
  const auto bundle =
      make_bundle(folder / "x.hnp", replaced(reward_text(), "[reward]", "[rewards]"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle); }),
              HasSubstr("rewards: unknown key; did you mean 'reward'? (the table [reward] is "
                        "missing)"));
}

class MustUnderstand : public ::testing::Test {
 protected:
  fs::path bundle(const std::string& list) {
    return make_bundle(
        folder_ / "x.hnp",
        replaced(replaced(ours(reward_text()), "text_limit", "gamma = 2\ntext_limit"),
                 "summary =", "must_understand = [" + list + "]\nsummary =") +
            "[x.\"org.example\"]\nanything = 1\n");
  }
  std::string refused(const std::string& list) {
    const auto made = bundle(list);
    return message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(made); });
  }
  TempFolder folder_;
};

TEST_F(MustUnderstand, WhatThisHnKnowsIsFine) {
  const Manifest m =
      read_manifest(bundle("\"reward\", \"reward.loss.form\", \"options.min\", \"licence\""));
  EXPECT_THAT(m.notes, ElementsAre(HasSubstr("gamma"))) << "and the table of a third party is not";
}

TEST_F(MustUnderstand, WhatItDoesNotKnowIsRefusedByName) {
  EXPECT_THAT(refused("\"reward.gamma\""),
              AllOf(HasSubstr("plugin.toml:7: must_understand: "), HasSubstr("'reward.gamma'"),
                    HasSubstr("a newer hn is needed")));
  EXPECT_THAT(refused("\"gamma\""), HasSubstr("no key 'gamma' stands in this file"));
  EXPECT_THAT(refused("\"source.paper\""), HasSubstr("no key 'source.paper' stands in this file"));
  EXPECT_THAT(refused("\"x.org.example\""), HasSubstr("x is for third parties"));
  EXPECT_THAT(refused("1"), HasSubstr("expected a list of texts"));
}

TEST(Manifest, TablesOfThirdPartiesHaveADomain) {
  TempFolder folder;
  const auto bundle = make_bundle(folder / "x.hnp", ours(reward_text()) + "[x.mine]\nkey = 1\n");
  EXPECT_THAT(read_manifest(bundle).notes, ElementsAre(HasSubstr("[x] mine: expected a reverse")));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle, Reading::kStrict); }),
              HasSubstr("[x.\"org.example\"]"));
}

TEST(Manifest, WordsWithoutADotAreHns) {
  TempFolder folder;
  const auto bundle = make_bundle(
      folder / "x.hnp", replaced(reward_text(), "[\"score\"]", "[\"score\", \"generat\"]"));
  EXPECT_THAT(read_manifest(bundle).notes,
              ElementsAre(HasSubstr("functions: 'generat' has no dot, and such words are hn's: "
                                    "expected \"test.reward.generat\", or is 'generate' meant?"),
                          HasSubstr("[options] key: 'crop' has no dot"),
                          HasSubstr("expected \"test.reward.strength\"")));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle, Reading::kStrict); }),
              HasSubstr("'generat' has no dot"));
  std::string text = replaced(reward_text(), "\"crop\"", "\"test.crop\"");
  text = replaced(text, "\"strength\"", "\"dtype\"");
  text = replaced(text, "type = \"float\"\nmin = 0\nmax = 1", "type = \"str\"");
  EXPECT_NO_THROW(read_manifest(make_bundle(folder / "y.hnp", text), Reading::kStrict));
}

TEST(Manifest, ASourceFolderSaysBuildFirst) {
  TempFolder folder;
  write_text(folder / "mine/plugin.toml", reward_text());
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(folder / "mine"); }),
              AllOf(HasSubstr("build first"), HasSubstr("build/lib/hn/plugins/fake.hnp")));
}

TEST(Manifest, TheAuthorsFileIsCheckedByTheBuild) {
  TempFolder folder;
  const auto check = [&](const std::string& text, PluginKind kind = PluginKind::kReward) {
    write_text(folder / "plugin.toml", text);
    return message_of(HN_INVALID_ARGUMENT,
                      [&] { check_author_manifest(folder / "plugin.toml", kind); });
  };
  const std::string good = ours(reward_text());
  write_text(folder / "plugin.toml", good);
  EXPECT_NO_THROW(check_author_manifest(folder / "plugin.toml", PluginKind::kReward));
  EXPECT_THAT(check(good, PluginKind::kGenerator), HasSubstr("as in hn_add_plugin"));
  EXPECT_THAT(check(good + build_text(std::string(64, 'a'))),
              AllOf(HasSubstr("abi: the build writes this table"), HasSubstr("plugin.toml:")));
  EXPECT_THAT(check(replaced(good, "licence", "license")),
              HasSubstr(":8: license: unknown key; did you mean 'licence'?"));
}

TEST(FinishManifest, WritesWhatOnlyTheBuildKnows) {
  TempFolder folder;
  const fs::path library = fs::path(HN_FAKES) / "libfake_good.so";
  write_text(folder / "plugin.toml", ours(reward_text()));
  fs::create_directories(folder / "fake.hnp");
  fs::copy_file(library, folder / "fake.hnp/libfake_good.so");
  const Finish finish{folder / "plugin.toml",          library,
                      folder / "fake.hnp/plugin.toml", PluginKind::kReward,
                      std::string(platform_name()),    "none"};
  finish_manifest(finish);
  const Manifest m = read_manifest(folder / "fake.hnp", Reading::kStrict);
  EXPECT_EQ(m.abi_major, 1);
  EXPECT_EQ(m.abi_min_minor, 0);
  EXPECT_EQ(m.library_sha256, sha256_file(library));
  const auto written = fs::last_write_time(finish.out);
  finish_manifest(finish);
  EXPECT_EQ(fs::last_write_time(finish.out), written) << "nothing changed";
  // What is wrong leaves no manifest of an earlier build behind.
  write_text(folder / "plugin.toml", replaced(ours(reward_text()), "summary", "sumary"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { finish_manifest(finish); }),
              HasSubstr("did you mean 'summary'?"));
  EXPECT_FALSE(fs::exists(finish.out));
}

TEST(FinishManifest, TheAbiIsThatOfTheLibrary) {
  TempFolder folder;
  write_text(folder / "plugin.toml", ours(reward_text()));
  Finish finish{folder / "plugin.toml", fs::path(HN_FAKES) / "libfake_newer_minor.so",
                folder / "out.toml",    PluginKind::kReward,
                "linux-riscv64",        "none"};
  finish_manifest(finish);
  EXPECT_THAT(read_file(finish.out), AllOf(::testing::Not(HasSubstr("min_minor = 0")),
                                           HasSubstr("[library.linux-riscv64]")));
  finish.library = fs::path(HN_FAKES) / "libfake_no_entry.so";
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { finish_manifest(finish); }),
              HasSubstr("is HN_PLUGIN(...) in one of its files?"));
  EXPECT_FALSE(fs::exists(finish.out));
}

}  // namespace
}  // namespace hn::host
