// Names: what they stand for, who wins, what is said when there is none.
#include "registry/registry.hpp"

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

class Registries : public ::testing::Test {
 protected:
  void bundle(const std::string& path, const std::string& text) {
    make_bundle(folder_ / path, text);
  }
  Registry registry(const std::vector<std::string>& names = {"p"}) {
    std::vector<SearchFolder> folders;
    for (const std::string& name : names) folders.push_back({folder_ / name, true});
    return Registry(folders, folder_ / "models");
  }
  const BundleRow& row(const Registry& registry, const std::string& path) {
    for (const BundleRow& each : registry.rows())
      if (each.path == folder_ / path) return each;
    throw std::runtime_error("no row " + path);
  }
  TempFolder folder_;
};

TEST_F(Registries, NamesAliasesIdsModelsAndPaths) {
  bundle("p/hps.hnp", replaced(reward_text("hpsv2"), "aliases = []", "aliases = [\"hps\"]"));
  bundle("p/gen.hnp", generator_text());
  const Registry r = registry();
  for (const char* name : {"hpsv2", "hps", "test.reward.hpsv2"})
    EXPECT_EQ(r.reward(name).plugin->id, "test.reward.hpsv2") << name;
  EXPECT_EQ(r.reward((folder_ / "p/hps.hnp").string()).plugin->id, "test.reward.hpsv2");
  EXPECT_EQ(r.generator("gen").model->name, "gen-small");
  EXPECT_EQ(r.generator("gen-large").model->name, "gen-large");
  EXPECT_EQ(r.find("gen-large").plugin->name, "gen");
}

TEST_F(Registries, APathOutsideTheSearchPath) {
  bundle("p/a.hnp", reward_text("a"));
  bundle("elsewhere/b.hnp", reward_text("b"));
  const Registry r = registry();
  const Choice first = r.reward((folder_ / "elsewhere/b.hnp").string());
  EXPECT_EQ(first.plugin->name, "b");
  EXPECT_EQ(r.reward((folder_ / "elsewhere/./b.hnp").string()).plugin, first.plugin);
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward((folder_ / "no.hnp").string()); }),
              HasSubstr("no such bundle"));
}

TEST_F(Registries, AnUnknownNameListsTheNearest) {
  bundle("p/a.hnp", reward_text("redness"));
  bundle("p/b.hnp", reward_text("clip"));
  bundle("p/g.hnp", generator_text());
  const Registry r = registry();
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward("rednes"); }),
              AllOf(HasSubstr("no reward 'rednes'; did you mean 'redness'?"), HasSubstr("clip")));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward("zzzzzz"); }),
              HasSubstr("known: clip, redness"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.generator("clip"); }), HasSubstr("it is a reward"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward("gen"); }), HasSubstr("it is a generator"));
}

TEST_F(Registries, WithNothingFoundTheFoldersAreNamed) {
  const Registry r = registry();
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward("clip"); }),
              AllOf(HasSubstr("none was found in"), HasSubstr((folder_ / "p").string())));
}

TEST_F(Registries, ABrokenBundleGivesItsReason) {
  write_text(folder_ / "p/clip.hnp/plugin.toml", "schema = 7\n");
  const Registry r = registry();
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward("clip"); }),
              AllOf(HasSubstr("its bundle is broken"), HasSubstr("expected 1, got 7")));
}

TEST_F(Registries, ABrokenBundleIsNotReplacedByALaterOneOfItsName) {
  bundle("q/a.hnp", replaced(reward_text("a"), "aliases = []", "aliases = [\"first\"]"));
  bundle("q/c.hnp", reward_text("c"));
  const auto broken = [&](const std::string& path, const std::string& text) {
    write_text(folder_ / path, text);
    const Registry r = registry({"p", "q"});
    EXPECT_EQ(row(r, "q/a.hnp").status, "shadowed") << text;
    EXPECT_THAT(row(r, "q/a.hnp").reason,
                AllOf(HasSubstr("a broken bundle of its name stands in front of it"),
                      HasSubstr((folder_ / path).parent_path().string())));
    EXPECT_EQ(row(r, "q/c.hnp").status, "ok");
    for (const char* name : {"a", "first", "test.reward.a"})
      EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward(name); }),
                  HasSubstr("no reward '" + std::string(name) + "'"));
    std::filesystem::remove_all(folder_ / "p");
    return message_of(HN_NOT_FOUND, [&] { r.reward("a"); });
  };
  const std::string text = broken("p/other.hnp/plugin.toml", "schema = 9\nname = \"a\"\n");
  EXPECT_THAT(text, AllOf(HasSubstr("its bundle is broken"), HasSubstr("p/other.hnp"),
                          HasSubstr("q/a.hnp of the same name is not used in its place")));
  broken("p/x.hnp/plugin.toml", "id = 'test.reward.a'\n[[[");
  broken("p/x.hnp/plugin.toml", "name = \"x\"\n[[models]]\nname = \"m\"\naliases = [\"first\"]\n");
  broken("p/a.hnp/plugin.toml", "");
  std::filesystem::create_directories(folder_ / "p/a.hnp");
  EXPECT_EQ(row(registry({"p", "q"}), "q/a.hnp").status, "shadowed") << "without a plugin.toml";
  EXPECT_EQ(registry({"q", "p"}).reward("a").plugin->bundle, folder_ / "q/a.hnp")
      << "in front of the broken one";
}

TEST_F(Registries, AFolderThatIsNotThereIsTold) {
  bundle("q/a.hnp", reward_text("a"));
  const Registry r = registry({"typo", "q"});
  ASSERT_EQ(r.missing_folders().size(), 1u);
  EXPECT_THAT(r.missing_folders()[0], HasSubstr("typo: cannot be searched"));
  EXPECT_TRUE(registry({"q"}).missing_folders().empty());
}

TEST_F(Registries, TheFirstOfTwoWins) {
  bundle("p/a.hnp", reward_text("a"));
  bundle("q/a.hnp", reward_text("a"));
  bundle("q/b.hnp", replaced(reward_text("b"), "aliases = []", "aliases = [\"a\"]"));
  const Registry r = registry({"p", "q"});
  EXPECT_EQ(r.reward("a").plugin->bundle, folder_ / "p/a.hnp");
  EXPECT_EQ(row(r, "p/a.hnp").status, "ok");
  EXPECT_EQ(row(r, "q/a.hnp").status, "shadowed");
  EXPECT_THAT(row(r, "q/a.hnp").reason, HasSubstr("id test.reward.a is taken by"));
  EXPECT_EQ(row(r, "q/b.hnp").status, "shadowed");
  EXPECT_THAT(row(r, "q/b.hnp").reason, HasSubstr("the name 'a' is taken by"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { r.reward("b"); }), HasSubstr("no reward 'b'"));
}

TEST_F(Registries, UserModels) {
  bundle("p/g.hnp", generator_text());
  write_text(folder_ / "models/mine.toml",
             "schema = 1\n[[models]]\nname = \"mine\"\nplugin = \"gen\"\nweights = \"w\"\n"
             "options = { guidance = 2 }\n");
  const Registry r = registry();
  const Choice mine = r.generator("mine");
  EXPECT_EQ(mine.plugin->name, "gen");
  EXPECT_EQ(mine.model->weights, folder_ / "models/w");
  EXPECT_EQ(std::get<double>(mine.model->options.at("guidance")), 2.0);
  EXPECT_EQ(r.generator("gen").model->name, "gen-small") << "the default stays the plugin's";
}

TEST_F(Registries, BadUserModelsAreRows) {
  bundle("p/g.hnp", generator_text());
  const auto reason = [&](const std::string& text) {
    write_text(folder_ / "models/mine.toml", "schema = 1\n[[models]]\n" + text);
    const Registry r = registry();
    EXPECT_EQ(row(r, "models/mine.toml").status, "broken");
    return row(r, "models/mine.toml").reason;
  };
  EXPECT_THAT(
      reason("name = \"m\"\nplugin = \"gne\"\nweights = \"w\"\n"),
      AllOf(HasSubstr("mine.toml:4: [models m] plugin: "), HasSubstr("did you mean 'gen'")));
  EXPECT_THAT(reason("name = \"gen-large\"\nplugin = \"gen\"\nweights = \"w\"\n"),
              HasSubstr("the name 'gen-large' is taken already"));
  EXPECT_THAT(reason("name = \"m\"\nplugin = \"gen\"\nweights = \"w\"\noption = 3\n"),
              HasSubstr("unknown key; did you mean 'options'?"));
}

TEST_F(Registries, AModelMustBeChosenWhenNoneIsTheDefault) {
  bundle("p/g.hnp", replaced(generator_text(), "default = true\n", ""));
  const Registry r = registry();
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { r.generator("gen"); }),
              HasSubstr("name one of gen-small, gen-large"));
}

}  // namespace
}  // namespace hn::host
