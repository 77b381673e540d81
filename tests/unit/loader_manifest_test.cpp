// Manifests: what a good one gives, and one clear reason for every kind of bad one.
#include "loader/finish_manifest.hpp"
#include "loader/manifest.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using testing::build_text;
using ::testing::ElementsAre;
using testing::generator_text;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::replaced;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

TEST(Manifest, ReadsAReward) {
  TempFolder folder;
  const Manifest m = read_manifest(make_bundle(folder / "fake.hnp", reward_text()));
  EXPECT_EQ(m.id, "test.reward.fake");
  EXPECT_EQ(m.version, "1.2.3");
  EXPECT_EQ(m.kind, PluginKind::kReward);
  EXPECT_EQ(m.library, folder / "fake.hnp/libfake.so");
  EXPECT_EQ(m.libtorch, "none");
  ASSERT_TRUE(m.reward);
  EXPECT_EQ(m.reward->min, -1.0);
  EXPECT_EQ(m.reward->default_weight, 2.5);
  EXPECT_EQ(m.reward->loss_target, 3.0);
  EXPECT_EQ(m.reward->loss_form, "3 - s");
  EXPECT_EQ(m.reward->text_limit, 77);
  ASSERT_EQ(m.options.size(), 2u);
  EXPECT_EQ(std::get<bool>(*m.options[0].fallback), true);
  EXPECT_FALSE(m.options[1].fallback);
  EXPECT_EQ(m.default_model(), nullptr);
}

TEST(Manifest, ReadsAGenerator) {
  TempFolder folder;
  const Manifest m = read_manifest(make_bundle(folder / "gen.hnp", generator_text()));
  ASSERT_EQ(m.models.size(), 2u);
  EXPECT_EQ(m.default_model(), &m.models[0]);
  EXPECT_EQ(m.models[0].weights, folder / "gen.hnp/weights/small");
  EXPECT_EQ(m.models[0].prompts.at("train"), folder / "gen.hnp/prompts/train.txt");
  EXPECT_EQ(std::get<std::int64_t>(m.models[0].options.at("width")), 64);
  EXPECT_TRUE(m.models[1].weights_required);
}

TEST(Manifest, AModelChangesFactsOfItsReward) {
  TempFolder folder;
  const std::string text = reward_text() +
                           "[[models]]\nname = \"a\"\nweights = \"w\"\n"
                           "reward = { default_weight = 9, loss = { target = 1.0 } }\n";
  const Manifest m = read_manifest(make_bundle(folder / "fake.hnp", text));
  ASSERT_TRUE(m.models.at(0).reward);
  EXPECT_EQ(m.models[0].reward->default_weight, 9);
  EXPECT_EQ(m.models[0].reward->loss_target, 1);
  EXPECT_EQ(m.models[0].reward->loss_form, "3 - s");
  EXPECT_TRUE(m.models[0].is_default) << "a single model is the default";
}

TEST(Manifest, LowerIsBetterTurnsTheLoss) {
  TempFolder folder;
  std::string text = replaced(reward_text(), "\"higher\"", "\"lower\"");
  text = replaced(text, "loss = { target = 3.0, scale = 1.0, form = \"3 - s\" }\n", "");
  const Manifest m = read_manifest(make_bundle(folder / "fake.hnp", text));
  EXPECT_EQ(m.reward->loss_scale, -1);
}

// docs/manifest.md is what authors copy from: its example must load.
TEST(Manifest, TheDocumentedExamplesLoad) {
  const std::string doc = read_file(HN_SOURCE_DIR "/docs/manifest.md");
  std::vector<std::string> blocks;
  for (std::size_t at = 0; (at = doc.find("```toml\n", at)) != std::string::npos;) {
    const std::size_t end = doc.find("```", at + 8);
    blocks.push_back(doc.substr(at + 8, end - at - 8));
    at = end + 3;
  }
  ASSERT_EQ(blocks.size(), 3u);
  for (const std::size_t i : {0u, 1u}) {
    TempFolder folder;
    const Manifest m = read_manifest(make_bundle(folder / "x.hnp", blocks[i]), Reading::kStrict);
    EXPECT_EQ(m.kind, i == 0 ? PluginKind::kReward : PluginKind::kGenerator);
  }
  TempFolder folder;
  const auto bundle = make_bundle(folder / "x.hnp", blocks[0]);
  std::string build =
      replaced(blocks[2], "\"...\"", "\"" + sha256_file(bundle / "libfake.so") + "\"");
  build = replaced(build, "libclip.so", "libfake.so");
  write_text(bundle / "plugin.toml", blocks[0] + build);
  EXPECT_EQ(read_manifest(bundle).abi_major, 1);
}

// Every manifest of this tree, with what the build would append.
TEST(Manifest, ThoseOfTheTreeLoad) {
  std::size_t found = 0;
  for (const char* part : {"/plugins/generators", "/plugins/rewards", "/templates"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(HN_SOURCE_DIR) + part)) {
      const auto file = entry.path() / "plugin.toml";
      if (!std::filesystem::exists(file)) continue;
      TempFolder folder;
      EXPECT_NO_THROW(
          read_manifest(make_bundle(folder / "x.hnp", read_file(file)), Reading::kStrict))
          << file;
      ++found;
    }
  }
  EXPECT_GE(found, 4u);
}

TEST(Manifest, AbsentThings) {
  TempFolder folder;
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { read_manifest(folder / "no.hnp"); }),
              HasSubstr("no.hnp: no such bundle"));
  std::filesystem::create_directories(folder / "empty.hnp");
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { read_manifest(folder / "empty.hnp"); }),
              AllOf(HasSubstr("plugin.toml"), HasSubstr("No such file")));
  write_text(folder / "file.hnp", "text");
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(folder / "file.hnp"); }),
              HasSubstr("expected a folder"));
  const auto bundle = make_bundle(folder / "x.hnp", reward_text());
  std::filesystem::remove(bundle / "libfake.so");
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { read_manifest(bundle); }),
              HasSubstr("libfake.so does not exist"));
}

TEST(Manifest, AnotherPlatformOnly) {
  TempFolder folder;
  const auto bundle = make_bundle(folder / "x.hnp", reward_text());
  write_text(bundle / "plugin.toml", replaced(read_file(bundle / "plugin.toml"),
                                              "[library.linux-x86_64]", "[library.plan9-mips]"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { read_manifest(bundle); }),
              HasSubstr("no library for this platform"));
}

// As if the plugin were one of hn's, whose options are words without a dot.
std::string ours(const std::string& text) {
  return text.find("test.reward.fake") != std::string::npos
             ? replaced(text, "test.reward.fake", "hn.test.fake")
             : replaced(text, "test.generator.gen", "hn.test.gen");
}

// One change to a good manifest, and what the message must hold.
struct Bad {
  const char* name;
  const char* from;
  const char* to;
  const char* message;
};

class BadManifest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadManifest, IsRefusedWithItsReason) {
  TempFolder folder;
  const auto bundle = make_bundle(folder / "x.hnp", reward_text());
  const std::string text =
      replaced(ours(read_file(bundle / "plugin.toml")), GetParam().from, GetParam().to);
  write_text(bundle / "plugin.toml", text);
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle, Reading::kStrict); }),
              AllOf(HasSubstr("plugin.toml:"), HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadManifest,
    ::testing::Values(
        Bad{"Corrupt", "schema = 1", "schema = = 1", ":1: not TOML"},
        Bad{"Binary", "schema = 1",
            "\x7f"
            "ELF\x01\x02",
            "not TOML"},
        Bad{"Schema", "schema = 1", "schema = 2", ":1: schema: expected 1, got 2"},
        Bad{"NoSchema", "schema = 1", "", "the key 'schema' is missing"},
        Bad{"SchemaType", "schema = 1", "schema = \"1\"", "expected an integer, got text"},
        Bad{"UnknownKey", "summary =", "sumary = \"x\"\nsummary =",
            ":7: sumary: unknown key; did you mean 'summary'?"},
        Bad{"UnknownKeyInTable", "text_limit", "text_limits",
            "[reward] text_limits: unknown key; did you mean 'text_limit'?"},
        Bad{"Kind", "\"reward\"\n", "\"rewards\"\n", "did you mean 'reward'?"},
        Bad{"Id", "hn.test.fake", "fake", "expected a reverse domain"},
        Bad{"Version", "1.2.3", "1.2", "expected MAJOR.MINOR.PATCH, got '1.2'"},
        Bad{"Name", "name = \"fake\"", "name = \"Fa ke\"", "expected lower-case letters"},
        Bad{"Functions", "[\"score\"]", "[\"generate\"]", "to hold \"score\""},
        Bad{"NoReward", "[reward]", "[source]", "[source] "},
        Bad{"Direction", "\"higher\"", "\"up\"", "expected \"higher\" or \"lower\", got 'up'"},
        Bad{"Bounds", "max = 1.0\n", "max = -7.0\n", "expected min <= max"},
        Bad{"InfiniteWeight", "default_weight = 2.5", "default_weight = inf", "finite"},
        Bad{"OptionType", "type = \"bool\"", "type = \"boolean\"",
            "[options] type: expected one of"},
        Bad{"OptionDefault", "default = true", "default = 3",
            "expected true or false, got an integer"},
        Bad{"OptionTwice", "\"strength\"", "\"crop\"", "'crop' is given twice"},
        Bad{"OptionOfTheHost", "\"strength\"", "\"lora.rank\"", "belongs to the host"},
        Bad{"AbiMissing", "[abi]\nmajor = 1\nmin_minor = 0\n", "", "the table [abi] is missing"},
        Bad{"AbiMajor", "major = 1", "major = 0", "expected 1 or more, got 0"},
        Bad{"HashShort", "sha256 = \"", "sha256 = \"ab", "expected 64 lower-case hex digits"},
        Bad{"Escapes", "libfake.so", "../libfake.so", "a relative path that stays inside"},
        Bad{"Absolute", "libfake.so", "/lib/x.so", "a relative path that stays inside"},
        Bad{"Libtorch", "libtorch = \"none\"", "libtorch = \"2.11\"",
            "expected \"none\" or a build id"},
        Bad{"RequiresUnknown", "libtorch = \"none\"", "libtorch = \"none\"\ncude = \"13\"",
            "did you mean 'cuda'?"}),
    [](const auto& param) { return std::string(param.param.name); });

constexpr const char* kSelfTest = R"(
[[known_values]]
prompt = "a cat"
file = "cat.png"
score = 0.25
tolerance = 1e-3
version = "reference 1.0"
options = { crop = false }

[[detectors]]
score = -0.5
tolerance = 0.01
means = "broken"
)";

TEST(Manifest, ReadsTheSelfTestAndPitfalls) {
  TempFolder folder;
  const std::string text =
      replaced(reward_text(), "text_limit = 77", "text_limit = 77\npitfalls = [\"a\", \"b\"]");
  const std::string model =
      "[[models]]\nname = \"m\"\nweights = \"w\"\nreward = { pitfalls = [\"c\"] }\n";
  const Manifest m = read_manifest(make_bundle(folder / "fake.hnp", text + model + kSelfTest));
  EXPECT_EQ(m.reward->pitfalls, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(m.models.at(0).reward->pitfalls, std::vector<std::string>{"c"});
  ASSERT_EQ(m.known_values.size(), 1u);
  EXPECT_EQ(m.known_values[0].file, "cat.png");
  EXPECT_EQ(m.known_values[0].score, 0.25);
  EXPECT_EQ(m.known_values[0].tolerance, 1e-3);
  EXPECT_EQ(std::get<bool>(m.known_values[0].options.at("crop")), false);
  ASSERT_EQ(m.detectors.size(), 1u);
  EXPECT_EQ(m.detectors[0].score, -0.5);
  EXPECT_EQ(m.detectors[0].means, "broken");
}

class BadSelfTest : public BadManifest {};

TEST_P(BadSelfTest, IsRefusedWithItsReason) {
  TempFolder folder;
  const std::string text = replaced(kSelfTest, GetParam().from, GetParam().to);
  const auto bundle = make_bundle(folder / "x.hnp", ours(reward_text()) + text);
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle, Reading::kStrict); }),
              AllOf(HasSubstr("plugin.toml:"), HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadSelfTest,
    ::testing::Values(
        Bad{"NoScore", "score = 0.25\n", "", "[known_values] the key 'score' is missing"},
        Bad{"Tolerance", "tolerance = 1e-3", "tolerance = 0", "expected above 0, got 0"},
        Bad{"Model", "prompt =", "model = \"x\"\nprompt =", "no [[models]] entry 'x'"},
        Bad{"File", "cat.png", "../cat.png", "a relative path that stays inside"},
        Bad{"Hash", "score = 0.25", "score = 0.25\nsha256 = \"ab\"", "64 lower-case hex digits"},
        Bad{"Options", "crop = false", "crops = false", "did you mean 'crop'?"},
        Bad{"Version", "reference 1.0", "", "expected a package and its version"},
        Bad{"UnknownKey", "means", "mean = 1\nmeans", "did you mean 'means'?"},
        Bad{"Means", "\"broken\"", "\"\"", "expected what the score says"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(Manifest, PitfallsAreLines) {
  TempFolder folder;
  const auto bundle = make_bundle(
      folder / "x.hnp", replaced(reward_text(), "text_limit = 77", "pitfalls = [\"a\\nb\"]"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle); }),
              HasSubstr("expected texts of one line each"));
}

TEST(Manifest, OnlyARewardHasASelfTest) {
  TempFolder folder;
  const auto bundle = make_bundle(folder / "x.hnp", generator_text() + kSelfTest);
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle); }),
              HasSubstr("only a reward has this table"));
}

TEST(Manifest, AGeneratorNeedsModels) {
  TempFolder folder;
  std::string text = generator_text();
  text.resize(text.find("[[models]]"));
  const auto bundle = make_bundle(folder / "x.hnp", text);
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle); }),
              HasSubstr("at least one [[models]] entry"));
}

TEST(Manifest, ModelsOfOneNameAreRefused) {
  TempFolder folder;
  const auto bundle =
      make_bundle(folder / "x.hnp", replaced(generator_text(), "gen-large", "gen-small"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle); }),
              HasSubstr("'gen-small' is given twice"));
}

TEST(Manifest, OptionsOfAModelAreChecked) {
  TempFolder folder;
  const auto bundle =
      make_bundle(folder / "x.hnp", replaced(ours(generator_text()), "width", "widht"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { read_manifest(bundle, Reading::kStrict); }),
              HasSubstr("did you mean 'width'?"));
  const Manifest m = read_manifest(bundle);
  EXPECT_TRUE(m.models.at(0).options.contains("widht")) << "a newer plugin may know it";
  EXPECT_THAT(m.notes, ElementsAre(HasSubstr("did you mean 'width'?")));
}

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
