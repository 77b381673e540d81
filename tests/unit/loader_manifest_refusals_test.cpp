// Manifests: one clear reason for every kind of bad one.
#include "loader/manifest.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::generator_text;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::ours;
using testing::replaced;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

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

}  // namespace
}  // namespace hn::host
