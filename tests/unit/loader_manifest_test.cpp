// Manifests: what a good one gives, and where there is none.
#include "loader/manifest.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::AllOf;
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

}  // namespace
}  // namespace hn::host
