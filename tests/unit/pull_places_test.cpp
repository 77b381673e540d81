// The environment, the list, names.
#include <hn/formats/json_file.hpp>

#include "pull/hub_places.hpp"
#include "pull/repo_cache.hpp"
#include "pull/weights_list.hpp"
#include "support/files.hpp"
#include "support/toml_table.hpp"
#include "unit/pull_support.hpp"

namespace hn::pull::test {
namespace {

// Sets variables, and puts the former values back.
class Environment {
 public:
  Environment() {
    for (const char* name :
         {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME",
          "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
          "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
          "HF_HUB_DISABLE_SYMLINKS", "SCRATCH", "SCRATCH_2", "NONE", "A", "B", "V"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name,
                           value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(name);
    }
    set("HOME", "/home/me");
  }
  ~Environment() {
    for (const auto& [name, value] : before_)
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST(PullPlaces, TheCacheIsWherePythonHasIt) {
  const Environment environment;
  EXPECT_EQ(hub_places().cache, "/home/me/.cache/huggingface/hub");
  Environment::set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(hub_places().cache, "/x/huggingface/hub");
  Environment::set("HF_HOME", "~/hf/");
  EXPECT_EQ(hub_places().cache, "/home/me/hf/hub");
  Environment::set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(hub_places().cache, "/old");
  Environment::set("HF_HUB_CACHE", "/c/");
  EXPECT_EQ(hub_places().cache, "/c");
}

TEST(PullPlaces, EndpointTokenAndOffline) {
  const Environment environment;
  const host::testing::TempFolder folder;
  EXPECT_EQ(hub_places().endpoint, "https://huggingface.co");
  EXPECT_EQ(hub_places().token, "");
  EXPECT_FALSE(hub_places().offline);
  Environment::set("HF_ENDPOINT", "https://mirror.example//");
  EXPECT_EQ(hub_places().endpoint, "https://mirror.example");
  Environment::set("HF_HOME", folder.path());
  write_text(folder / "token", "from_home\n");
  EXPECT_EQ(hub_places().token, "from_home");
  write_text(folder / "t", " from_path \n");
  Environment::set("HF_TOKEN_PATH", folder / "t");
  EXPECT_EQ(hub_places().token, "from_path");
  Environment::set("HUGGING_FACE_HUB_TOKEN", "older");
  EXPECT_EQ(hub_places().token, "older");
  Environment::set("HF_TOKEN", " tok\n");
  EXPECT_EQ(hub_places().token, "tok");
  Environment::set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(hub_places().token, "") << "none is sent that was not given for this call";
  for (const char* on : {"1", "on", "Yes", "TRUE"}) {
    Environment::set("HF_HUB_OFFLINE", on);
    EXPECT_TRUE(hub_places().offline) << on;
  }
  Environment::set("HF_HUB_OFFLINE", "0");
  EXPECT_FALSE(hub_places().offline);
}

// What huggingface_hub itself makes of many environments (tests/golden/hub/make.py).
TEST(PullPlaces, EnvironmentsAreReadAsPythonReadsThem) {
  const auto rows = read_json_file(HN_SOURCE_DIR "/tests/golden/hub/places.json");
  EXPECT_GE(rows.size(), 40u);
  for (const auto& row : rows) {
    const Environment environment;
    for (const auto& [name, value] : row.at("environment").items())
      Environment::set(name.c_str(), value.get<std::string>());
    const HubPlaces places = hub_places();
    const std::string what = row.at("environment").dump();
    EXPECT_EQ(places.cache, host::tidy(row.at("cache").get<std::string>())) << what;
    EXPECT_EQ(places.token_file, host::tidy(row.at("token_path").get<std::string>())) << what;
    EXPECT_EQ(places.endpoint, row.at("endpoint")) << what;
    EXPECT_EQ(places.offline, row.at("offline")) << what;
    EXPECT_EQ(places.symlinks, row.at("symlinks")) << what;
    EXPECT_EQ(places.token, row.at("token")) << what;
  }
}

TEST(PullPlaces, WithoutHomeTheListOfUsersTellsIt) {
  const Environment environment;
  ::unsetenv("HOME");
  EXPECT_TRUE(hub_places().cache.string().ends_with("/.cache/huggingface/hub"));
  Environment::set("HF_HOME", "~nobody_of_this_name/x");
  EXPECT_TRUE(hub_places().cache.string().ends_with("/~nobody_of_this_name/x/hub"));
}

TEST(PullPlaces, NamesInAddressesAreEscapedAsPythonEscapesThem) {
  for (const auto& row : read_json_file(HN_SOURCE_DIR "/tests/golden/hub/addresses.json"))
    EXPECT_EQ("https://hub/o/n/resolve/" + escaped_part(row.at("revision")) + "/" +
                  escaped_path(row.at("file")),
              row.at("url"));
}

TEST(PullPlaces, RevisionsStayInTheirFolder) {
  for (const char* good : {"main", "refs/pr/1", "v1.0", "feature/a b#c?", "a..b"})
    EXPECT_NO_THROW(check_revision(good));
  for (const char* bad : {"", "../x", "a/../b", "/a", "a//b", "a/", ".", "a\nb", "a\\b"})
    EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { check_revision(bad); }),
                HasSubstr("expected a branch, a tag or a commit"));
}

TEST(PullPlaces, OriginsAndPaths) {
  EXPECT_EQ(origin_of("https://Hub.example/a?b"), "https://hub.example:443");
  EXPECT_EQ(origin_of("http://hub.example"), "http://hub.example:80");
  EXPECT_EQ(origin_of("http://hub.example:8080/x"), "http://hub.example:8080");
  EXPECT_NE(origin_of("https://hub.example@evil.example/"), origin_of("https://hub.example/"));
  EXPECT_EQ(origin_of("nothing"), "");
  EXPECT_EQ(escaped_path("a b/ü+c.json"), "a%20b/%C3%BC%2Bc.json");
}

class Lists : public ::testing::Test {
 protected:
  WeightsList read(const std::string& models) {
    write_text(folder_ / "w.toml", "schema = 1\n" + models);
    return WeightsList::read({folder_ / "w.toml"});
  }
  std::string refused(const std::string& models) {
    return message_of(HN_INVALID_ARGUMENT, [&] { read(models); });
  }
  host::testing::TempFolder folder_;
};

constexpr const char* kModel =
    "[[models]]\nname = \"m\"\nrepo = \"o/n\"\nfiles = [\"*\"]\nlicence = \"L\"\n";

TEST_F(Lists, TheInstalledListIsGood) {
  const WeightsList list = WeightsList::read({HN_SOURCE_DIR "/host/data/weights.toml"});
  for (const char* name : {"sana-sprint", "sd-turbo", "flux-schnell", "hps", "imagereward",
                           "pickscore", "clip-h", "aesthetic"}) {
    const ListedModel& model = list.need(name);
    EXPECT_FALSE(model.licence_url.empty()) << name;
    EXPECT_FALSE(model.patterns("").empty()) << name;
  }
  EXPECT_EQ(list.need("hps").weights, "HPS_v2.1_compressed.pt");
  EXPECT_THAT(list.need("sd-turbo").patterns("fp16"),
              Contains("unet/diffusion_pytorch_model.fp16.safetensors"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { list.need("sdturbo"); }),
              HasSubstr("did you mean 'sd-turbo'"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { list.need("sd-turbo").patterns("fp61"); }),
              HasSubstr("did you mean 'fp16'"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { list.need("hps").patterns("fp16"); }),
              HasSubstr("there are none"));
}

// A plugin's manifest names its weight files and their repository; one file of several stands for
// all where they are listed by patterns. What it opens beside them is spelled out here.
TEST_F(Lists, TheInstalledListHasWhatThePluginsOpen) {
  const WeightsList list = WeightsList::read({HN_SOURCE_DIR "/host/data/weights.toml"});
  const auto lists = [&](const std::string& model, const std::string& repo,
                         const std::string& file) {
    const ListedModel* entry = list.find(model);
    if (entry == nullptr) return false;
    std::vector<const ListedModel*> all = {entry};
    for (const ListedModel& part : entry->parts) all.push_back(&part);
    return std::any_of(all.begin(), all.end(), [&](const ListedModel* each) {
      const auto patterns = each->patterns("");
      return each->repo == repo &&
             std::any_of(patterns.begin(), patterns.end(),
                         [&](const auto& pattern) { return matches(pattern, file); });
    });
  };
  int checked = 0;
  for (const auto& found : fs::recursive_directory_iterator(HN_SOURCE_DIR "/plugins")) {
    if (found.path().filename() != "plugin.toml") continue;
    auto manifest = host::TomlTable::parse(test::read(found.path()), found.path().string());
    for (auto& weights : manifest.find_tables("weights")) {
      const std::string repo = weights.need_str("repo"), file = weights.need_str("file");
      if (repo == "embedded" || repo.starts_with("https://")) continue;  // there is nothing to pull
      EXPECT_TRUE(lists(weights.need_str("model"), repo, file)) << found.path() << " " << file;
      ++checked;
    }
  }
  EXPECT_GE(checked, 8);
  const std::map<std::string, std::vector<std::string>> beside = {
      {"sana-sprint",
       {"model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
        "text_encoder/model.safetensors.index.json",
        "text_encoder/model-00001-of-00002.safetensors", "tokenizer/tokenizer.json",
        "transformer/config.json", "vae/config.json"}},
      {"sd-turbo",
       {"scheduler/scheduler_config.json", "text_encoder/model.safetensors", "tokenizer/vocab.json",
        "tokenizer/merges.txt", "unet/config.json", "vae/diffusion_pytorch_model.safetensors"}},
      {"flux-schnell",
       {"transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
        "text_encoder/model.safetensors", "tokenizer_2/tokenizer.json",
        "text_encoder_2/model.safetensors.index.json", "tokenizer/merges.txt"}},
      {"pickscore", {"config.json", "vocab.json", "merges.txt", "preprocessor_config.json"}},
      {"clip-h14", {"config.json", "vocab.json", "merges.txt", "preprocessor_config.json"}}};
  for (const auto& [model, files] : beside)
    for (const std::string& file : files)
      EXPECT_TRUE(lists(model, list.need(model).repo, file)) << model << " " << file;
}

TEST_F(Lists, PartsHaveRepositoriesOfTheirOwn) {
  const WeightsList list = WeightsList::read({HN_SOURCE_DIR "/host/data/weights.toml"});
  const ListedModel& aesthetic = list.need("aesthetic-v2");
  ASSERT_EQ(aesthetic.parts.size(), 1u);
  EXPECT_EQ(aesthetic.parts[0].option, "clip");
  EXPECT_EQ(aesthetic.parts[0].repo, "openai/clip-vit-large-patch14");
  EXPECT_EQ(aesthetic.parts[0].revision, "main");

  const std::string part =
      "[[models.parts]]\noption = \"clip\"\nrepo = \"p/q\"\nfiles = [\"*\"]\nlicence = \"P\"\n";
  const auto with = [&](const std::string& from, const std::string& to) {
    return kModel + host::testing::replaced(part, from, to);
  };
  EXPECT_EQ(read(kModel + part).need("m").parts.at(0).licence, "P");
  EXPECT_THAT(refused(with("option = \"clip\"\n", "")),
              AllOf(HasSubstr("w.toml:7"), HasSubstr("option")));
  EXPECT_THAT(refused(with("\"clip\"", "\"weights\"")), HasSubstr("the plugin's option"));
  EXPECT_THAT(refused(with("p/q", "pq")), HasSubstr("expected OWNER/NAME"));
  EXPECT_THAT(refused(with("[\"*\"]", "[]")), HasSubstr("at least one pattern"));
  EXPECT_THAT(refused(with("licence = \"P\"\n", "")), HasSubstr("licence"));
  EXPECT_THAT(refused(kModel + part + part), HasSubstr("'clip' is given twice"));
  EXPECT_THAT(refused(kModel + part + "aliases = []\n"), HasSubstr("aliases"));
}

TEST_F(Lists, LaterFilesReplaceEntries) {
  write_text(folder_ / "a.toml", std::string("schema = 1\n") + kModel);
  write_text(folder_ / "b.toml", "schema = 1\n" + host::testing::replaced(kModel, "o/n", "mine/n") +
                                     host::testing::replaced(kModel, "\"m\"", "\"k\""));
  const WeightsList list =
      WeightsList::read({folder_ / "a.toml", folder_ / "b.toml", folder_ / "none.toml"});
  ASSERT_EQ(list.models().size(), 2u);
  EXPECT_EQ(list.need("m").repo, "mine/n");
  EXPECT_EQ(list.need("m").revision, "main");
}

TEST_F(Lists, MistakesAreNamedWithTheirLine) {
  const auto with = [](const std::string& from, const std::string& to) {
    return host::testing::replaced(kModel, from, to);
  };
  EXPECT_THAT(refused(with("o/n", "../n")),
              AllOf(HasSubstr("w.toml:4"), HasSubstr("expected OWNER/NAME")));
  EXPECT_THAT(refused(with("o/n", "o/n/x")), HasSubstr("expected OWNER/NAME"));
  EXPECT_THAT(refused(with("o/n", "on")), HasSubstr("expected OWNER/NAME"));
  EXPECT_THAT(refused(with("files", "file")), HasSubstr("w.toml"));
  EXPECT_THAT(refused(with("licence = \"L\"\n", "")), HasSubstr("licence"));
  EXPECT_THAT(refused(std::string(kModel) + "revision = \"../x\"\n"),
              HasSubstr("expected a branch"));
  EXPECT_THAT(refused(std::string(kModel) + "[models.known.\"a\"]\nsha256 = \"12\"\n"),
              HasSubstr("64 lower-case hex digits"));
  EXPECT_THAT(refused(std::string(kModel) + "[models.known.\"a\"]\nbytes = -1\n"),
              HasSubstr("expected 0 or more"));
  EXPECT_THAT(refused(std::string(kModel) + "license = 1\n"), HasSubstr("did you mean 'licence'"));
  write_text(folder_ / "w.toml", "schema = 2\n");
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { WeightsList::read({folder_ / "w.toml"}); }),
              HasSubstr("expected 1, got 2"));
}

TEST_F(Lists, PatternsAlsoCrossSlashes) {
  EXPECT_TRUE(matches("unet/*", "unet/a/b.json"));
  EXPECT_TRUE(matches("*.json", "a/b.json"));
  EXPECT_FALSE(matches("*.json", "a.jsonl"));
  const WeightsList list = read(std::string(kModel) + "except = [\"*.bin\"]\n");
  EXPECT_TRUE(list.need("m").leaves_out("a/b.bin"));
  EXPECT_FALSE(list.need("m").leaves_out("a/b.json"));
}

TEST_F(Lists, RefsKeepWhatABranchStoodFor) {
  const RepoCache cache(folder_.path(), "o/n");
  EXPECT_FALSE(cache.commit_of("main"));
  cache.write_ref("refs/pr/1", FakeHub::kCommit);
  EXPECT_EQ(cache.commit_of("refs/pr/1"), FakeHub::kCommit);
  EXPECT_EQ(cache.commit_of(FakeHub::kCommit), FakeHub::kCommit);
  write_text(cache.folder() / "refs/main", "junk");
  EXPECT_FALSE(cache.commit_of("main"));
}

TEST(PullModule, AMissingModuleSaysWhatToInstall) {
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [] { http_module("/none/libhnhost_http.so"); }),
              AllOf(HasSubstr("/none/libhnhost_http.so"), HasSubstr("libcurl4-openssl-dev")));
}

}  // namespace
}  // namespace hn::pull::test
