// hnhost pull and hnhost inspect --weights, as their users run them.
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "cli/weights_folder.hpp"
#include "cli_support.hpp"
#include "support/fake_hub.hpp"

namespace hn::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const fs::path kEmoji = HN_SOURCE_DIR "/plugins/generators/sana_sprint/weights/emoji-sprint";
const fs::path kClip = HN_SOURCE_DIR "/plugins/rewards/clip/weights/tiny-clip";

// A copy of a published folder that a test may spoil.
class Weights : public ::testing::Test {
 protected:
  fs::path copy(const fs::path& from) {
    const fs::path to = folder_.path() / from.filename();
    copy_weights(from, to);
    return to;
  }
  static nlohmann::json row(const Outcome& outcome, const std::string& plugin) {
    const auto all = outcome.json();
    for (const auto& each : all.at("read_by"))
      if (each.at("plugin") == plugin) return each;
    ADD_FAILURE() << "no row of " << plugin;
    return {};
  }
  static nlohmann::json component(const nlohmann::json& row, const std::string& name) {
    for (const auto& each : row.at("components"))
      if (each.at("model").get<std::string>().find(name) != std::string::npos) return each;
    ADD_FAILURE() << "no component " << name << " in " << row.dump();
    return {};
  }
  TestFolder folder_;
};

TEST_F(Weights, AGoodFolderIsExplained) {
  const Outcome outcome = hnhost({"inspect", "--weights", kEmoji.string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  const auto all = outcome.json();
  EXPECT_EQ(all.at("kind"), "diffusers pipeline");
  EXPECT_EQ(all.at("class"), "SanaSprintPipeline");
  EXPECT_EQ(all.at("components").size(), 5u);
  const auto sana = row(outcome, "sana_sprint");
  EXPECT_EQ(sana.at("status"), "fits");
  EXPECT_EQ(sana.at("components").size(), 3u);
  EXPECT_EQ(row(outcome, "clip").at("status"), "refused");
  const Outcome text = hnhost({"inspect", "--weights", kEmoji.string()});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("SanaTransformer2DModel"),
                              HasSubstr("generator sana_sprint"), HasSubstr("fits")));
}

TEST_F(Weights, ARewardsFolderIsFound) {
  const Outcome outcome = hnhost({"inspect", "--weights", kClip.string(), "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  EXPECT_EQ(outcome.json().at("kind"), "model");
  EXPECT_EQ(row(outcome, "clip").at("status"), "fits");
}

TEST_F(Weights, MissingExtraAndMisshapenTensorsOfEachComponentAreListed) {
  const fs::path folder = copy(kEmoji);
  std::string gone, bent;
  rewrite_weights(folder / "transformer/diffusion_pytorch_model.safetensors", [&](auto& tensors) {
    gone = tensors.front().name;
    tensors.erase(tensors.begin());
    tensors.front().shape = {3};
    bent = tensors.front().name;
  });
  rewrite_weights(folder / "vae/diffusion_pytorch_model.safetensors", [&](auto& tensors) {
    TensorToWrite more = tensors.front();
    more.name = "decoder.odd.weight";
    tensors.push_back(more);
  });
  const Outcome outcome =
      hnhost({"inspect", "sana-sprint", "--weights", folder.string(), "--json"});
  EXPECT_EQ(outcome.code, 1);
  const auto sana = row(outcome, "sana_sprint");
  EXPECT_EQ(sana.at("status"), "does not fit");
  EXPECT_THAT(component(sana, "transformer").at("missing").dump(), HasSubstr(gone));
  EXPECT_THAT(component(sana, "transformer").at("wrong_shape").dump(),
              AllOf(HasSubstr(bent), HasSubstr("[3]")));
  EXPECT_THAT(component(sana, "vae").at("unexpected").dump(), HasSubstr("decoder.odd.weight"));
  EXPECT_THAT(component(sana, "text_encoder").at("missing"), IsEmpty());
  const Outcome text = hnhost({"inspect", "--weights", folder.string()});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.out, AllOf(HasSubstr("missing (1)"), HasSubstr("wrong shape (1)"),
                              HasSubstr("unexpected (1)"), HasSubstr(gone)));
}

TEST_F(Weights, MixedFoldersAreNamed) {
  const fs::path folder = copy(kEmoji);
  fs::copy_file(kClip / "config.json", folder / "text_encoder/config.json",
                fs::copy_options::overwrite_existing);
  const Outcome outcome = hnhost({"inspect", "--weights", folder.string(), "--json"});
  EXPECT_EQ(outcome.code, 1);
  bool told = false;
  const auto all = outcome.json();
  for (const auto& each : all.at("components"))
    if (each.at("name") == "text_encoder")
      told = each.value("problem", "")
                 .find(
                     "model_index.json names the class Gemma2Model, its own configuration "
                     "CLIPModel") != std::string::npos;
  EXPECT_TRUE(told) << outcome.out;
  EXPECT_EQ(row(outcome, "sana_sprint").at("status"), "refused");
  EXPECT_THAT(row(outcome, "sana_sprint").at("message").get<std::string>(),
              HasSubstr("text_encoder"));
}

TEST_F(Weights, DamagedAndMissingFilesAreTold) {
  const fs::path folder = copy(kEmoji);
  const fs::path file = folder / "vae/diffusion_pytorch_model.safetensors";
  fs::resize_file(file, fs::file_size(file) / 2);
  std::ofstream(folder / "transformer/diffusion_pytorch_model.safetensors.index.json")
      << R"({"weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.safetensors"}})";
  fs::remove(folder / "transformer/diffusion_pytorch_model.safetensors");
  fs::remove_all(folder / "scheduler");
  const Outcome outcome = hnhost({"inspect", "--weights", folder.string(), "--json"});
  EXPECT_EQ(outcome.code, 1);
  std::map<std::string, std::string> problems;
  const auto all = outcome.json();
  for (const auto& each : all.at("components")) {
    problems[each.at("name")] += each.value("problem", "");
    for (const auto& set : each.at("weights"))
      problems[each.at("name")] += set.value("problem", "");
  }
  EXPECT_THAT(problems["vae"], HasSubstr("diffusion_pytorch_model.safetensors"));
  EXPECT_THAT(problems["transformer"],
              HasSubstr("diffusion_pytorch_model-00001-of-00001.safetensors"));
  EXPECT_THAT(problems["scheduler"], HasSubstr("its folder is missing"));
  EXPECT_EQ(row(outcome, "sana_sprint").at("status"), "refused");
}

TEST_F(Weights, AdaptersAndOtherThings) {
  const Outcome lora =
      hnhost({"inspect", "--weights", HN_SOURCE_DIR "/tests/golden/lora/peft_patterns", "--json"});
  EXPECT_EQ(lora.code, 0) << lora.err;
  EXPECT_EQ(lora.json().at("kind"), "lora");
  const Outcome none = hnhost({"inspect", "--weights", (folder_.path() / "none").string()});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("does not exist"));
  EXPECT_EQ(hnhost({"inspect"}).code, 2);
  const Outcome unknown = hnhost({"inspect", "sana-sprnt", "--weights", kEmoji.string()});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("or 'sana-sprint'"));
}

TEST_F(Weights, TheLayersThatCarryALoraAreListed) {
  const Outcome outcome = hnhost({"inspect", "emoji-sprint", "--layers", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto all = outcome.json();
  EXPECT_EQ(all.at("plugin"), "sana_sprint");
  EXPECT_EQ(all.at("layers").size(), 75u);
  const auto& first = all.at("layers").front();
  EXPECT_EQ(first.at("name"), "patch_embed.proj");
  EXPECT_EQ(first.at("kind"), "conv2d");
  EXPECT_EQ(first.at("kernel"), (nlohmann::json{2, 2}));
  EXPECT_EQ(first.at("functions").size(), 2u) << "noise_net and generate share the network";
  EXPECT_EQ(all.at("layers").back().at("name"), "proj_out");
  const Outcome text =
      hnhost({"inspect", "emoji-sprint", "--layers", "--weights", kEmoji.string()});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("transformer_blocks.0.attn1.to_q"), HasSubstr("2x2")));

  const Outcome none = hnhost({"inspect", "sd-turbo", "--layers"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("expected --weights PATH"));
  const Outcome reward = hnhost({"inspect", "clip", "--layers"});
  EXPECT_EQ(reward.code, 1);
  EXPECT_THAT(reward.err, HasSubstr("no layers that carry a LoRA"));
  const Outcome gone = hnhost({"inspect", "sd-turbo", "--layers", "--weights", "/no/such/folder"});
  EXPECT_EQ(gone.code, 1);
  EXPECT_THAT(gone.err, HasSubstr("/no/such/folder"));
  EXPECT_EQ(hnhost({"inspect", "--layers"}).code, 2);
}

TEST_F(Weights, PullFetchesAsksAndFinds) {
  const FakeHub hub({{"config.json", "{}"}, {"w.safetensors", std::string(200'000, 'x')}});
  ::setenv("HF_ENDPOINT", hub.url().c_str(), 1);
  ::setenv("HF_HUB_CACHE", (folder_.path() / "hub").c_str(), 1);
  const fs::path list = folder_.path() / "list.toml";
  std::ofstream(list) << "schema = 1\n[[models]]\nname = \"tiny\"\nrepo = \"o/n\"\nfiles = "
                         "[\"*\"]\nlicence = \"Strict\"\n";
  const std::vector<std::string> base = {"pull", "tiny", "--list", list.string()};
  const Outcome refused = hnhost(base);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("licence: Strict"), HasSubstr("has to be accepted")));
  const Outcome dry = hnhost(base + std::vector<std::string>{"--dry-run", "--json"});
  EXPECT_EQ(dry.code, 0);
  EXPECT_EQ(dry.json().at("missing_bytes"), 200'002);
  const Outcome done = hnhost(base + std::vector<std::string>{"--accept-licence"});
  ASSERT_EQ(done.code, 0) << done.err;
  const std::string snapshot = done.out.substr(0, done.out.find('\n'));
  EXPECT_TRUE(fs::exists(fs::path(snapshot) / "w.safetensors"));
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  const Outcome offline = hnhost(base);
  ::unsetenv("HF_HUB_OFFLINE");
  EXPECT_EQ(offline.out, snapshot + "\n");
  const Outcome listed = hnhost({"pull", "--list", list.string(), "--json"});
  EXPECT_EQ(listed.json().at("models").at(0).at("weights"), snapshot);
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("HF_HUB_CACHE");
}

// The installed list's entry of two repositories, from a hub that has a small model under its
// names: what was pulled is what the reward opens, and nothing has to be named.
TEST_F(Weights, APulledAestheticScoresWithoutBeingNamed) {
  const fs::path model = HN_BUILD_DIR "/golden/clip_rewards/aesthetic_mlp";
  std::map<std::string, std::string> files = {
      {"aesthetic-model.pth", read_bytes(model / "sac+logos+ava1-l14-linearMSE.pth")}};
  for (const char* name : {"config.json", "model.safetensors", "preprocessor_config.json"})
    files[name] = read_bytes(model / name);
  const FakeHub hub(files);
  ::setenv("HF_ENDPOINT", hub.url().c_str(), 1);
  ::setenv("HF_HUB_CACHE", (folder_.path() / "hub").c_str(), 1);
  const std::vector<std::string> score = {
      "score", "--reward", "aesthetic", "--threads",
      "1",     "--json",   "--image",   HN_SOURCE_DIR "/tests/golden/images/photo.jpg"};
  const Outcome none = hnhost(score);
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("`hnhost pull aesthetic`"));
  const Outcome refused = hnhost({"pull", "aesthetic"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("trl-lib/ddpo-aesthetic-predictor"),
                    HasSubstr("openai/clip-vit-large-patch14"), HasSubstr("has to be accepted")));
  const Outcome pulled = hnhost({"pull", "aesthetic", "--accept-licence"});
  ASSERT_EQ(pulled.code, 0) << pulled.err;
  EXPECT_THAT(pulled.out, HasSubstr("models--trl-lib--ddpo-aesthetic-predictor"));
  EXPECT_THAT(pulled.err, HasSubstr("option clip: "));
  const Outcome listed = hnhost({"pull"});
  EXPECT_THAT(listed.out,
              HasSubstr("trl-lib/ddpo-aesthetic-predictor + openai/clip-vit-large-patch14"));
  const Outcome scored = hnhost(score);
  ASSERT_EQ(scored.code, 0) << scored.err;
  const Outcome named =
      hnhost(score + std::vector<std::string>{"--weights", "aesthetic=" + model.string()});
  EXPECT_EQ(scored.json().at("rewards"), named.json().at("rewards"));
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("HF_HUB_CACHE");
}

}  // namespace
}  // namespace hn::test
