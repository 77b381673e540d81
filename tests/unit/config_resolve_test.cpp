// Resolving against plugins: defaults from manifests, and names, options and paths that are wrong.
#include <cstdlib>

#include "config/run_config.hpp"
#include "registry/registry.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::generator_text;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::replaced;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

class Resolve : public ::testing::Test {
 protected:
  Resolve() {
    make_bundle(folder_ / "p/fake.hnp", reward_text());
    make_bundle(folder_ / "p/judge.hnp",
                replaced(reward_text("judge"), "differentiable = true", "differentiable = false"));
    make_bundle(folder_ / "p/gen.hnp", generator_text());
    write_text(folder_ / "p/gen.hnp/prompts/train.txt", "one\ntwo\n");
    write_text(folder_ / "p/gen.hnp/prompts/heldout.txt", "three\n");
    registry_ = std::make_unique<Registry>(std::vector<SearchFolder>{{folder_ / "p", true}}, "");
  }
  RunConfig resolved(const std::string& text) {
    RunConfig config = parse_config(text);
    resolve_config(config, *registry_);
    return config;
  }
  std::string refused(const std::string& text, hn_status code = HN_INVALID_ARGUMENT) {
    return message_of(code, [&] { resolved(text); });
  }
  TempFolder folder_;
  std::unique_ptr<Registry> registry_;
};

TEST_F(Resolve, FillsWhatTheManifestsKnow) {
  const RunConfig c = resolved("generator = \"gen\"\n[[reward]]\nname = \"fake\"\n");
  EXPECT_EQ(c.rewards[0].weight, 2.5);
  EXPECT_EQ(c.dtype, "bfloat16") << "the model's";
  EXPECT_EQ(c.train.prompts, "model:train");
  EXPECT_EQ(c.eval.prompts, "model:heldout");
  EXPECT_EQ(c.train.sample_prompts, "model:heldout") << "no demo list";
  EXPECT_THAT(core::texts_of(load_prompts(c, *registry_, c.train.prompts)),
              ElementsAre("one", "two"));
}

TEST_F(Resolve, IsStable) {
  const RunConfig once = resolved(
      "generator = \"gen\"\n[[reward]]\nname = \"fake\"\noptions = { strength = 1 }\n"
      "[run]\ndir = \"here\"\n");
  EXPECT_EQ(to_toml(resolved(to_toml(once))), to_toml(once));
  EXPECT_TRUE(std::filesystem::path(once.run.dir).is_absolute());
}

TEST_F(Resolve, TwoFormsOfAPromptAreCheckedAndNameTheCurve) {
  const auto with = [](const std::string& forms) {
    return "generator = \"gen\"\n[[reward]]\nname = \"fake\"\n[[reward]]\nname = \"fake\"\n"
           "relative = " +
           forms + "\n[eval]\nrewards = [\"fake\"]\n";
  };
  const RunConfig c = resolved(with("[\"vivid, {}\", \"dull, {}\"]"));
  const core::SessionSpec spec = session_spec(c, *registry_);
  ASSERT_EQ(spec.rewards.size(), 2u) << "the plain one is there already";
  EXPECT_EQ(spec.rewards[1].name, "fake-relative");
  EXPECT_EQ(spec.rewards[1].relative->bad, "dull, {}");
  EXPECT_FALSE(spec.rewards[0].relative);
  EXPECT_EQ(to_toml(resolved(to_toml(c))), to_toml(c));
  EXPECT_THAT(refused(with("[\"{}\"]")), HasSubstr("the good and the bad one, got 1"));
  EXPECT_THAT(refused(with("[\"vivid\", \"dull {}\"]")), HasSubstr("one {} in each form"));
  EXPECT_THAT(refused(with("[\"{} {}\", \"dull {}\"]")), HasSubstr("got '{} {}'"));
  EXPECT_THAT(refused(with("[\"{}\", \"{}\"]")), HasSubstr("always 0"));
}

TEST_F(Resolve, AWeightThatIsGivenStays) {
  EXPECT_EQ(
      resolved("generator = \"gen\"\n[[reward]]\nname = \"fake\"\nweight = 1\n").rewards[0].weight,
      1);
}

TEST_F(Resolve, TheModelsKlWeightStandsInForOneThatIsNotGiven) {
  const std::string key = "default = true\n";
  const auto model = [&](const std::string& line) {
    make_bundle(folder_ / "p/gen.hnp", replaced(generator_text(), key, key + line));
    registry_ = std::make_unique<Registry>(std::vector<SearchFolder>{{folder_ / "p", true}}, "");
  };
  EXPECT_EQ(resolved("generator = \"gen\"").train.spec.reg_weight, 1) << "the model names none";
  model("reg_weight = 6.0\n");
  const RunConfig own = resolved("generator = \"gen\"");
  EXPECT_EQ(own.train.spec.reg_weight, 6);
  EXPECT_EQ(to_toml(resolved(to_toml(own))), to_toml(own));
  const std::string train = "generator = \"gen\"\n[train]\n";
  EXPECT_EQ(resolved(train + "reg_weight = 1.0").train.spec.reg_weight, 1) << "given";
  EXPECT_EQ(resolved(train + "reg = \"paper\"").train.spec.reg_weight, 1) << "another form";
  const auto problem = [&](const std::string& text, const std::string& where) {
    make_bundle(folder_ / where, text);
    return message_of(HN_INVALID_ARGUMENT, [&] { (void)read_manifest(folder_ / where); });
  };
  EXPECT_THAT(problem(replaced(generator_text(), key, key + "reg_weight = -1.0\n"), "q/gen.hnp"),
              HasSubstr("expected 0 or more, got -1"));
  EXPECT_THAT(
      problem(reward_text() + "\n[[models]]\nname = \"m\"\nweights = \"w\"\nreg_weight = 1.0\n",
              "q/fake.hnp"),
      HasSubstr("only models of a generator have this key"));
}

TEST_F(Resolve, BadNames) {
  EXPECT_THAT(refused("generator = \"gem\"", HN_NOT_FOUND), HasSubstr("did you mean 'gen'"));
  EXPECT_THAT(refused("generator = \"gen\"\n[[reward]]\nname = \"fak\"", HN_NOT_FOUND),
              HasSubstr("no reward 'fak'; did you mean 'fake'?"));
  EXPECT_THAT(refused("generator = \"gen\"\n[eval]\nrewards = [\"juge\"]", HN_NOT_FOUND),
              HasSubstr("did you mean 'judge'?"));
}

TEST_F(Resolve, MoreSamplesThanNumbersAreRefused) {
  EXPECT_THAT(refused("generator = \"gen\"\n[train]\nsteps = 1000000000\nbatch = 1048576\n"
                      "accumulation = 1048576\n"),
              HasSubstr("steps * batch * accumulation = 1000000000 * 1048576 * 1048576"));
}

TEST_F(Resolve, DevicesAreCountedPlainly) {
  for (const char* device : {"cuda:", "cuda:01", "cuda:128", "cuda:99999999999", "cuda:-1",
                             "cuda:+1", "cuda:1 ", "cuda:0x1"})
    EXPECT_THAT(refused(std::string("generator = \"gen\"\ndevice = \"") + device + "\""),
                HasSubstr("expected device \"cpu\", \"cuda\" or \"cuda:N\""))
        << device;
}

TEST_F(Resolve, BadValues) {
  EXPECT_THAT(
      refused("generator = \"gen\"\n[generator_options]\nguidence = 1"),
      HasSubstr("[generator gen] option guidence: unknown to gen; did you mean 'guidance'?"));
  EXPECT_THAT(refused("generator = \"gen\"\n[generator_options]\ndtype = \"float32\""),
              HasSubstr("has a key of its own"));
  EXPECT_THAT(refused("generator = \"gen\"\ndtype = \"float16\""),
              HasSubstr("expected dtype float32 or bfloat16, got 'float16'"));
  EXPECT_THAT(refused("generator = \"gen\"\ndevice = \"gpu\""), HasSubstr("got 'gpu'"));
  EXPECT_THAT(refused("generator = \"gen\"\ndevice = \"cuda:1\""),
              HasSubstr("runs on cpu, not on cuda:1"));
  EXPECT_THAT(refused("generator = \"gen-large\""), HasSubstr("needs weights"));
  EXPECT_THAT(refused("generator = \"gen\"\nweights = \"/no/where\"", HN_NOT_FOUND),
              HasSubstr("/no/where does not exist"));
  EXPECT_THAT(refused("generator = \"gen\"\n[[reward]]\nname = \"judge\""),
              AllOf(HasSubstr("[reward judge] is score-only"), HasSubstr("[eval] rewards")));
  EXPECT_THAT(refused("generator = \"gen\"\n[train]\nprompts = \"model:trian\"", HN_NOT_FOUND),
              HasSubstr("gen-small has no prompt list 'trian'; did you mean 'train'?"));
  EXPECT_THAT(refused("generator = \"gen\"\n[train]\nbatch = 4\nmicro_batch = 8"),
              HasSubstr("micro_batch <= batch"));
}

TEST_F(Resolve, AGeneratorWithoutNoiseNetworkCannotBeAHypernet) {
  make_bundle(folder_ / "p/plain.hnp",
              replaced(generator_text("plain"), "[\"generate\", \"noise_net\"]", "[\"generate\"]"));
  registry_ = std::make_unique<Registry>(std::vector<SearchFolder>{{folder_ / "p", true}}, "");
  EXPECT_THAT(refused("generator = \"plain\""), HasSubstr("has no noise network"));
  for (const char* kind : {"finetune", "low-frequency", "constant", "none"})
    EXPECT_EQ(
        resolved("generator = \"plain\"\n[net]\nkind = \"" + std::string(kind) + "\"").generator,
        "plain");
}

// An offset moves by lr itself, so it needs another one than a network's weights.
TEST_F(Resolve, TheRateFollowsTheKindOfNetwork) {
  const auto rate = [&](const std::string& rest) {
    return resolved("generator = \"gen\"\n" + rest).train.spec.lr;
  };
  EXPECT_EQ(rate(""), 1e-3);
  EXPECT_EQ(rate("[net]\nkind = \"low-frequency\""), 1e-3);
  EXPECT_EQ(rate("[net]\nkind = \"constant\""), 0.02);
  EXPECT_EQ(rate("[net]\nkind = \"constant\"\n[train]\nlr = 0.001"), 1e-3);
  EXPECT_EQ(rate("[net]\nkind = \"constant\"\n[train]\noptimiser = \"sgd\""), 1e-3);
}

// What `hnhost pull` left in the cache is the weights and, of another repository, the option that
// wants it.
TEST_F(Resolve, PulledPartsBecomeOptions) {
  make_bundle(folder_ / "p/two.hnp",
              reward_text("two") +
                  "[[options]]\nkey = \"tower\"\ntype = \"str\"\ndefault = \"\"\nhelp = \"T.\"\n"
                  "[[models]]\nname = \"two-big\"\nweights = \"required\"\ndefault = true\n");
  registry_ = std::make_unique<Registry>(std::vector<SearchFolder>{{folder_ / "p", true}}, "");
  write_text(folder_ / "config/hn/weights.toml",
             "schema = 1\n[[models]]\nname = \"two-big\"\nrepo = \"o/head\"\nfiles = [\"head\"]\n"
             "licence = \"L\"\n[[models.parts]]\noption = \"tower\"\nrepo = \"o/tower\"\n"
             "files = [\"w\"]\nlicence = \"L\"\n");
  const std::string commit(40, 'a');
  const auto in_cache = [&](const std::string& repo, const std::string& file) {
    const std::filesystem::path place = folder_ / ("hub/models--o--" + repo);
    write_text(place / "refs/main", commit);
    write_text(place / "snapshots" / commit / file, "x");
    return (place / "snapshots" / commit).string();
  };
  ::setenv("XDG_CONFIG_HOME", (folder_ / "config").c_str(), 1);
  ::setenv("HF_HUB_CACHE", (folder_ / "hub").c_str(), 1);
  const std::string text = "[[reward]]\nname = \"two\"\n";
  EXPECT_THAT(refused("generator = \"gen\"\n" + text), HasSubstr("`hnhost pull two-big`"));
  const std::string head = in_cache("head", "head");
  EXPECT_THAT(refused("generator = \"gen\"\n" + text), HasSubstr("`hnhost pull two-big`"))
      << "the tower is not there yet";
  const std::string tower = in_cache("tower", "w");
  const RunConfig c = resolved("generator = \"gen\"\n" + text);
  EXPECT_EQ(c.rewards[0].weights, head);
  EXPECT_EQ(std::get<std::string>(c.rewards[0].options.at("tower")), tower);
  const RunConfig own =
      resolved("generator = \"gen\"\n" + text + "options = { tower = \"mine\" }\n");
  EXPECT_EQ(std::get<std::string>(own.rewards[0].options.at("tower")), "mine");
  const auto measured =
      session_spec(resolved("generator = \"gen\"\n[eval]\nrewards = [\"two\"]\n"), *registry_);
  EXPECT_EQ(std::get<std::string>(measured.rewards.at(0).options.at("tower")), tower);
  ::unsetenv("XDG_CONFIG_HOME");
  ::unsetenv("HF_HUB_CACHE");
}

TEST_F(Resolve, AModelWithoutPromptsTakesTheHosts) {
  const std::string head =
      "generator = \"gen-large\"\nweights = \"" + folder_.path().string() + "\"\n";
  const RunConfig c = resolved(head);
  EXPECT_EQ(c.train.prompts, "general:train");
  EXPECT_EQ(c.eval.prompts, "general:heldout");
  EXPECT_EQ(c.train.sample_prompts, "general:demo");
  const auto train = core::texts_of(load_prompts(c, *registry_, c.train.prompts));
  std::set<std::string> distinct(train.begin(), train.end());
  EXPECT_EQ(distinct.size(), 1200u);
  for (const std::string& list : {c.eval.prompts, c.train.sample_prompts})
    for (const std::string& prompt : core::texts_of(load_prompts(c, *registry_, list)))
      EXPECT_TRUE(distinct.insert(prompt).second) << prompt << " stands twice";

  write_text(folder_ / "mine.txt", "a cat\n");
  const RunConfig own =
      resolved(head + "[train]\nprompts = \"" + (folder_ / "mine.txt").string() + "\"\n");
  EXPECT_EQ(own.eval.prompts, own.train.prompts) << "the host's lists are not mixed with a file";
  EXPECT_THAT(message_of(HN_NOT_FOUND,
                         [&] { resolved(head + "[train]\nprompts = \"general:nothing\"\n"); }),
              HasSubstr("expected general:train, general:heldout or general:demo"));
}

TEST_F(Resolve, TheSessionsOptions) {
  const RunConfig c = resolved(
      "generator = \"gen\"\nseed = 5\n[generator_options]\nwidth = 32\n"
      "[[reward]]\nname = \"fake\"\n[eval]\nrewards = [\"judge\", \"fake\"]\n");
  const core::SessionSpec spec = session_spec(c, *registry_);
  EXPECT_EQ(std::get<std::int64_t>(spec.generator.options.at("width")), 32)
      << "over the model's 64";
  EXPECT_EQ(std::get<std::string>(spec.generator.options.at("weights")),
            (folder_ / "p/gen.hnp/weights/small").string());
  EXPECT_EQ(std::get<std::string>(spec.generator.options.at("dtype")), "bfloat16");
  ASSERT_EQ(spec.rewards.size(), 2u);
  EXPECT_EQ(spec.rewards[0].loss_target, 3);
  EXPECT_TRUE(spec.rewards[0].train);
  EXPECT_EQ(spec.rewards[1].name, "judge");
  EXPECT_FALSE(spec.rewards[1].train);
  EXPECT_EQ(spec.seed, 5u);
  EXPECT_EQ(spec.prompt_cache_bytes, 256u << 20);
}

}  // namespace
}  // namespace hn::host
