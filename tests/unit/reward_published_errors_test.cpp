// hps, pickscore, aesthetic and clip in OpenCLIP's layout: what they refuse, each by its reason,
// and the ways in which weights may be named.
#include "unit/reward_published_support.hpp"

namespace hn::test {
namespace {

Outcome create(const std::string& reward, const Options& options) {
  return Reward::create_outcome(reward, options);
}

TEST(PublishedWeights, MustBeNamed) {
  for (const char* reward : {"hps", "pickscore", "aesthetic"}) {
    const Outcome nothing = create(reward, {});
    EXPECT_EQ(nothing.status, HN_NOT_FOUND) << reward;
    EXPECT_THAT(nothing.text, testing::HasSubstr("[option weights] expected")) << reward;
    EXPECT_EQ(create(reward, {{"weights", "/no/such/folder"}}).status, HN_NOT_FOUND) << reward;
  }
}

TEST(Hps, TakesTheFileItself) {
  const PublishedCopy copy("hps_derived");
  EXPECT_EQ(create("hps", {{"weights", (copy.path() / "HPS_v2.1_compressed.pt").string()}}).status,
            HN_OK);
}

TEST(Hps, RefusesTheOtherVersionsFile) {
  const PublishedCopy old("hps_legacy"), now("hps_derived");
  old.expect_refused(
      "hps", HN_INVALID_ARGUMENT,
      {"HPS_v2.1_compressed.pt for version 2.1", "HPS_v2_compressed.pt of version 2.0"});
  old.expect_refused("hps", HN_INVALID_ARGUMENT, {"version 2.0"},
                     {{"weights", (old.path() / "HPS_v2_compressed.pt").string()}});
  now.expect_refused("hps", HN_INVALID_ARGUMENT, {"HPS_v2_compressed.pt for version 2.0"},
                     {{"version", "2.0"}});
  now.expect_refused("hps", HN_INVALID_ARGUMENT, {"[option version]", "2.1, 2.0"},
                     {{"version", "3"}});
}

TEST(Hps, TellsApartTwoVersionsInOneFolder) {
  const PublishedCopy both("hps_derived");
  fs::copy(published("hps_legacy") / "HPS_v2_compressed.pt", both.path());
  EXPECT_EQ(create("hps", {{"weights", both.path().string()}}).status, HN_OK);
}

TEST(Hps, NamesFilesItCouldChooseBetween) {
  const PublishedCopy copy("hps_quick");
  fs::copy(copy.path() / "any_name.pt", copy.path() / "other.pt");
  copy.expect_refused("hps", HN_NOT_FOUND,
                      {"HPS_v2.1_compressed.pt", "any_name.pt, other.pt", "name one"});
}

TEST(Hps, RefusesDamagedAndForeignFiles) {
  const PublishedCopy copy("hps_derived");
  const fs::path file = copy.path() / "HPS_v2.1_compressed.pt";
  fs::resize_file(file, fs::file_size(file) / 2);
  copy.expect_refused("hps", HN_DATA_LOSS, {"HPS_v2.1_compressed.pt", "truncated"});
  std::ofstream(file) << "version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
  copy.expect_refused("hps", HN_DATA_LOSS, {"Git LFS pointer"});
  fs::copy_file(published("aesthetic_mlp") / "sac+logos+ava1-l14-linearMSE.pth", file,
                fs::copy_options::overwrite_existing);
  copy.expect_refused("hps", HN_DATA_LOSS, {"expected a CLIP model", "visual.conv1.weight"});
}

// Messages say OpenCLIP's names, which is what the user's file has.
TEST(Hps, ListsTensorsInTheFilesSpelling) {
  const PublishedCopy copy("hps_legacy");
  copy.edit_json("open_clip_config.json", [](auto& j) {
    j["model_cfg"]["vision_cfg"]["layers"] = 3;
    j["model_cfg"]["text_cfg"]["layers"] = 1;
    j["model_cfg"]["embed_dim"] = 21;
  });
  copy.expect_refused("hps", HN_DATA_LOSS,
                      {"visual.transformer.resblocks.2.ln_1.weight",
                       "visual.transformer.resblocks.2.attn.in_proj_weight", "unexpected",
                       "transformer.resblocks.1.mlp.c_fc.bias", "wrong shape (2)", "visual.proj",
                       "text_projection", "[21,36], got [20,36]"},
                      {{"version", "2.0"}});
}

TEST(OpenClipConfig, RefusesWhatItDoesNotBuild) {
  const PublishedCopy copy("clip_open");
  const nlohmann::json whole =
      nlohmann::json::parse(std::ifstream(copy.path() / "open_clip_config.json"));
  struct Case {
    const char *part, *key;
    nlohmann::json value;
    hn_status status;
    const char* text;
  };
  const std::vector<Case> cases = {
      {"vision_cfg", "timm_model_name", "vit_base", HN_UNSUPPORTED, "timm_model_name"},
      {"vision_cfg", "layers", {3, 4, 6, 3}, HN_UNSUPPORTED, "ResNets"},
      {"vision_cfg", "attentional_pool", true, HN_UNSUPPORTED, "attentional_pool"},
      {"vision_cfg", "pool_type", "avg", HN_UNSUPPORTED, "pool_type: expected \"tok\""},
      {"vision_cfg", "ls_init_value", 0.1, HN_UNSUPPORTED, "ls_init_value"},
      {"vision_cfg", "no_ln_pre", true, HN_UNSUPPORTED, "no_ln_pre"},
      {"vision_cfg", "final_ln_after_pool", true, HN_UNSUPPORTED, "final_ln_after_pool"},
      {"vision_cfg", "act_kwargs", {{"approximate", "tanh"}}, HN_UNSUPPORTED, "act_kwargs"},
      {"vision_cfg", "image_size", {28, 30}, HN_UNSUPPORTED, "a square size"},
      {"vision_cfg", "head_width", 7, HN_DATA_LOSS, "a divisor of the width 32"},
      {"vision_cfg", "patch_size", 99, HN_DATA_LOSS, "at most the image_size 28"},
      {"vision_cfg", "mlp_ratio", -1.0, HN_DATA_LOSS, "mlp_ratio"},
      {"vision_cfg", "widht", 32, HN_DATA_LOSS, "width"},
      {"text_cfg", "hf_model_name", "roberta-base", HN_UNSUPPORTED, "hf_model_name"},
      {"text_cfg", "pool_type", "eos", HN_UNSUPPORTED, "argmax"},
      {"text_cfg", "embed_cls", true, HN_UNSUPPORTED, "embed_cls"},
      {"text_cfg", "no_causal_mask", true, HN_UNSUPPORTED, "no_causal_mask"},
      {"text_cfg", "proj_type", "none", HN_UNSUPPORTED, "proj_type"},
      {"text_cfg", "heads", 3, HN_DATA_LOSS, "a divisor of the width 20"},
  };
  for (const Case& c : cases) {
    copy.edit_json("open_clip_config.json", [&](auto& j) {
      j = whole;
      j["model_cfg"][c.part][c.key] = c.value;
    });
    copy.expect_refused("clip", c.status, {"open_clip_config.json", c.part, c.text});
  }
  const std::vector<Case> processing = {
      {"", "resize_mode", "longest", HN_UNSUPPORTED, "resize_mode"},
      {"", "interpolation", "random", HN_UNSUPPORTED, "bicubic or bilinear"},
      {"", "size", 32, HN_DATA_LOSS, "the tower's image_size 28"},
      {"", "std", {0.1, 0.0, 0.1}, HN_DATA_LOSS, "numbers above 0"},
      {"", "mean", {0.1}, HN_DATA_LOSS, "three numbers"},
  };
  for (const Case& c : processing) {
    copy.edit_json("open_clip_config.json", [&](auto& j) {
      j = whole;
      j["preprocess_cfg"][c.key] = c.value;
    });
    copy.expect_refused("clip", c.status, {"preprocess_cfg", c.text});
  }
}

// A bare model_cfg, as OpenCLIP keeps its own, and the training-only keys of published configs.
TEST(OpenClipConfig, ReadsOtherFormsOfTheSame) {
  const PublishedCopy copy("clip_open");
  const Tensor image({1, 3, 30, 40}, 0.4f);
  const auto score = [&] {
    Reward reward("clip", {{"weights", copy.path().string()}});
    EXPECT_EQ(reward.set_prompts({"a dog"}).status, HN_OK);
    return reward.score(image);
  };
  const auto want = score();
  copy.edit_json("open_clip_config.json", [](auto& j) {
    j = nlohmann::json(j["model_cfg"]);
    j["vision_cfg"]["patch_dropout"] = 0.5;
    j["vision_cfg"]["image_size"] = {28, 28};
    j["vision_cfg"]["ls_init_value"] = nullptr;
    j["text_cfg"]["norm_kwargs"] = {{"eps", 1e-5}};
    j["custom_text"] = false;
  });
  EXPECT_EQ(score(), want);
}

// The configuration that the tensors have is the one that the file says, where heads are 64 wide.
TEST(OpenClipConfig, TensorsSayTheSame) {
  const PublishedCopy copy("hps_derived");
  const Tensor image({1, 3, 30, 40}, 0.4f);
  const auto score = [&](Options options) {
    options["weights"] = copy.path().string();
    Reward reward("hps", options);
    EXPECT_EQ(reward.set_prompts({"a dog"}).status, HN_OK);
    return reward.score(image);
  };
  const auto want = score({});
  EXPECT_EQ(score({{"activation", "gelu"}}), want);
  EXPECT_NE(score({{"activation", "quick_gelu"}}), want);
  std::ofstream(copy.path() / "open_clip_config.json")
      << R"({"model_cfg": {"embed_dim": 24, "vision_cfg": {"image_size": 24, "layers": 1, "width": 64,
             "head_width": 64, "patch_size": 8, "mlp_ratio": 1.0}, "text_cfg": {"width": 64,
             "heads": 1, "layers": 1}}})";
  EXPECT_EQ(score({}), want);
  copy.expect_refused("hps", HN_INVALID_ARGUMENT, {"[option activation]", "quick_gelu"},
                      {{"activation", "relu"}});
}

TEST(OpenClipConfig, HeadsCannotBeGuessedFromOddWidths) {
  const PublishedCopy copy("clip_open");
  fs::remove(copy.path() / "open_clip_config.json");
  copy.expect_refused("clip", HN_DATA_LOSS,
                      {"heads of 64", "got 32", "a config beside the weights"});
}

TEST(PickScore, NeedsItsTokenizerAndConfig) {
  const PublishedCopy copy("pickscore_safe");
  fs::remove(copy.path() / "merges.txt");
  copy.expect_refused("pickscore", HN_NOT_FOUND, {"no merges.txt"});
  fs::remove(copy.path() / "config.json");
  copy.expect_refused("pickscore", HN_DATA_LOSS, {"heads of 64"});
}

TEST(PickScore, NamesMissingShardsAndLies) {
  const PublishedCopy copy("pickscore_shards");
  copy.edit_json("pytorch_model.bin.index.json", [](auto& j) {
    auto& shard = j["weight_map"]["logit_scale"];
    shard = shard == "pytorch_model-00001-of-00002.bin" ? "pytorch_model-00002-of-00002.bin"
                                                        : "pytorch_model-00001-of-00002.bin";
  });
  copy.expect_refused("pickscore", HN_DATA_LOSS, {"\"logit_scale\" is not in"});
  copy.edit_json("pytorch_model.bin.index.json",
                 [](auto& j) { j["weight_map"]["logit_scale"] = "../weights.bin"; });
  copy.expect_refused("pickscore", HN_DATA_LOSS, {"a file name in the same folder"});
  copy.edit_json("pytorch_model.bin.index.json",
                 [](auto& j) { j["weight_map"]["logit_scale"] = "none.bin"; });
  copy.expect_refused("pickscore", HN_NOT_FOUND, {"none.bin"});
}

TEST(Aesthetic, FindsItsHead) {
  const PublishedCopy copy("aesthetic_mlp");
  copy.expect_refused("aesthetic", HN_NOT_FOUND, {"[option head] there is no", "x.pth"},
                      {{"head", "x.pth"}});
  copy.expect_refused("aesthetic", HN_INVALID_ARGUMENT, {"expected a folder"},
                      {{"weights", (copy.path() / "model.safetensors").string()}});
  const fs::path head = copy.path() / "sac+logos+ava1-l14-linearMSE.pth";
  fs::rename(head, copy.path() / "a.pth");
  EXPECT_EQ(create("aesthetic", {{"weights", copy.path().string()}}).status, HN_OK);
  fs::copy(copy.path() / "a.pth", copy.path() / "b.pth");
  copy.expect_refused("aesthetic", HN_NOT_FOUND, {"got 2 .pth files", "option head"});
  EXPECT_EQ(create("aesthetic", {{"weights", copy.path().string()}, {"head", "b.pth"}}).status,
            HN_OK);
  fs::copy_file(published("aesthetic_linear") / "sa_0_4_vit_l_14_linear.pth", head);
  EXPECT_EQ(create("aesthetic", {{"weights", copy.path().string()}}).status, HN_OK);
}

TEST(Aesthetic, TakesItsTowerFromElsewhere) {
  const PublishedCopy copy("aesthetic_mlp");
  const fs::path tower = copy.path() / "elsewhere";
  fs::create_directory(tower);
  for (const auto& item : fs::directory_iterator(published("aesthetic_mlp")))
    if (item.path().extension() == ".json" || item.path().extension() == ".safetensors")
      fs::rename(copy.path() / item.path().filename(), tower / item.path().filename());
  EXPECT_EQ(
      create("aesthetic", {{"weights", copy.path().string()}, {"clip", tower.string()}}).status,
      HN_OK);
  copy.expect_refused("aesthetic", HN_NOT_FOUND, {"[option clip] there is no", "/no/tower"},
                      {{"clip", std::string("/no/tower")}});
}

TEST(Aesthetic, RefusesHeadsThatDoNotFit) {
  const PublishedCopy copy("aesthetic_mlp");
  const fs::path head = copy.path() / "sac+logos+ava1-l14-linearMSE.pth";
  const auto take = [&](const fs::path& from) {
    fs::copy_file(from, head, fs::copy_options::overwrite_existing);
  };
  take(published("aesthetic_inner") / "other.pth");  // for another tower: 32 wide, not 24
  copy.expect_refused("aesthetic", HN_DATA_LOSS,
                      {"aesthetic head", "layers.0.weight: expected [40,24], got [40,32]"});
  take(published("hps_legacy") / "HPS_v2_compressed.pt");
  copy.expect_refused("aesthetic", HN_DATA_LOSS, {"expected a head", "tensors of other names"});
}

TEST(Aesthetic, ReadsTheImageTowerAlone) {
  const PublishedCopy copy("aesthetic_mlp");
  const SafetensorsFile file =
      SafetensorsFile::open(published("aesthetic_mlp") / "model.safetensors");
  std::vector<TensorToWrite> kept;
  for (const TensorView& v : file.tensors())
    if (v.name.starts_with("vision_model.") || v.name.starts_with("visual_projection"))
      kept.push_back({v.name, v.dtype, v.shape, v.data, v.nbytes});
  ASSERT_LT(kept.size(), file.tensors().size());
  fs::remove(copy.path() / "model.safetensors");
  write_safetensors(copy.path() / "model.safetensors", kept);
  EXPECT_EQ(create("aesthetic", {{"weights", copy.path().string()}}).status, HN_OK);
}

TEST(Aesthetic, RefusesWrongTensors) {
  Reward reward("aesthetic", {{"weights", published("aesthetic_mlp").string()}});
  EXPECT_EQ(reward.cond_table(), nullptr);  // reads no prompt
  Tensor empty({1, 3, 0, 8}), out({1});
  const Outcome o = reward.run(
      {.in = {&empty}, .out = {&out}, .cotangent = {}, .grad = {}, .accumulate = {}, .n_cond = {}});
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("H and W above 0"));
  EXPECT_TRUE(reward.score(Tensor({0, 3, 8, 8})).empty());
}

}  // namespace
}  // namespace hn::test
