// What loading a SANA-Sprint folder says to bad input: each message names the file, what was wanted
// and what came.
#include "unit/sana_support.hpp"

namespace hn::test {
namespace {

void expect_refused(const ModelCopy& copy, hn_status code, const std::vector<std::string>& texts) {
  const Outcome got = SanaSprint::try_create({{"weights", copy.root().string()}});
  EXPECT_EQ(got.status, code) << got.text;
  for (const auto& text : texts)
    EXPECT_NE(got.text.find(text), std::string::npos) << "no '" << text << "' in: " << got.text;
}

TEST(SanaLoad, AnUnspoiltCopyLoads) {
  const SanaCopy copy;
  EXPECT_EQ(SanaSprint::try_create({{"weights", copy.root().string()}}).text, "");
}

TEST(SanaLoad, MissingUnexpectedAndWrongShapesAreAllListedAtOnce) {
  const SanaCopy copy;
  copy.edit_weights(
      "transformer/diffusion_pytorch_model.safetensors", [](std::vector<TensorToWrite>& all) {
        for (auto& t : all) {
          if (t.name == "proj_out.bias") t.name = "proj_out.offset";
          if (t.name == "patch_embed.proj.bias") t.shape = {1, t.shape[0]};
        }
        std::erase_if(all, [](const TensorToWrite& t) { return t.name == "caption_norm.weight"; });
      });
  expect_refused(copy, HN_DATA_LOSS,
                 {"transformer", "missing (2)", "caption_norm.weight [32]", "proj_out.bias [4]",
                  "wrong shape (1)", "patch_embed.proj.bias: expected [32], got [1,32]",
                  "unexpected (1)", "proj_out.offset"});
}

TEST(SanaLoad, EachPartChecksItsWeights) {
  for (const std::string file :
       {"vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"}) {
    const SanaCopy copy;
    std::string gone;
    copy.edit_weights(file, [&](std::vector<TensorToWrite>& all) {
      gone = all.back().name;
      all.pop_back();
    });
    expect_refused(copy, HN_DATA_LOSS, {"missing (1)", gone});
  }
}

TEST(SanaLoad, FilesThatAreNotThere) {
  EXPECT_EQ(SanaSprint::try_create({{"weights", std::string("/nonexistent/model")}}).status,
            HN_NOT_FOUND);
  for (const std::string file :
       {"transformer/config.json", "vae/config.json", "scheduler/scheduler_config.json",
        "text_encoder/config.json", "tokenizer/tokenizer.json",
        "vae/diffusion_pytorch_model.safetensors"}) {
    const SanaCopy copy;
    fs::remove(copy.root() / file);
    expect_refused(copy, HN_NOT_FOUND, {fs::path(file).parent_path().string()});
  }
}

TEST(SanaLoad, TruncatedWeights) {
  const SanaCopy copy;
  const auto file = copy.root() / "vae/diffusion_pytorch_model.safetensors";
  fs::resize_file(file, fs::file_size(file) / 2);
  expect_refused(copy, HN_DATA_LOSS, {"vae"});
}

TEST(SanaLoad, ConfigurationsOfOtherClassesAndUnsupportedValuesAreNamed) {
  struct Case {
    std::string file, key;
    nlohmann::json value;
    hn_status code;
    std::string text;
  };
  const std::vector<Case> cases{
      {"transformer/config.json", "_class_name", "FluxTransformer2DModel", HN_UNSUPPORTED,
       "expected SanaTransformer2DModel"},
      {"transformer/config.json", "qk_norm", "layer_norm", HN_UNSUPPORTED,
       "rms_norm_across_heads, got layer_norm"},
      {"transformer/config.json", "num_layer", 3, HN_DATA_LOSS, "num_layers"},
      {"transformer/config.json", "num_layers", "two", HN_DATA_LOSS, "num_layers"},
      {"transformer/config.json", "cross_attention_dim", 48, HN_DATA_LOSS, "width 32"},
      {"transformer/config.json", "caption_channels", 20, HN_DATA_LOSS,
       "caption_projection.linear_1.weight"},
      {"transformer/config.json", "out_channels", 8, HN_DATA_LOSS, "out_channels"},
      {"vae/config.json", "_class_name", "AutoencoderKL", HN_UNSUPPORTED, "expected AutoencoderDC"},
      {"vae/config.json", "decoder_block_types", "DownBlock", HN_UNSUPPORTED,
       "EfficientViTBlock, got DownBlock"},
      {"vae/config.json", "decoder_norm_types", "layer_norm", HN_UNSUPPORTED,
       "batch_norm, got layer_norm"},
      {"vae/config.json", "decoder_act_fns", "tanh", HN_UNSUPPORTED,
       "decoder_act_fns: expected silu, swish, mish, gelu or relu, got tanh"},
      {"vae/config.json", "upsample_block_type", "bilinear", HN_UNSUPPORTED,
       "interpolate, got bilinear"},
      {"vae/config.json", "downsample_block_type", "max", HN_UNSUPPORTED, "conv, got max"},
      {"vae/config.json",
       "decoder_layers_per_block",
       {1, 2},
       HN_DATA_LOSS,
       "decoder_layers_per_block"},
      {"vae/config.json", "decoder_qkv_multiscales", nlohmann::json::parse("[[], [], [4]]"),
       HN_DATA_LOSS, "odd kernel"},
      {"vae/config.json", "latent_channels", 5, HN_DATA_LOSS, "latent_channels"},
      {"scheduler/scheduler_config.json", "_class_name", "EulerDiscreteScheduler", HN_UNSUPPORTED,
       "expected SCMScheduler"},
      {"scheduler/scheduler_config.json", "prediction_type", "epsilon", HN_UNSUPPORTED,
       "trigflow, got epsilon"},
      {"text_encoder/config.json", "model_type", "llama", HN_UNSUPPORTED, "gemma2, got llama"},
      {"text_encoder/config.json",
       "rope_parameters",
       {{"rope_type", "yarn"}},
       HN_UNSUPPORTED,
       "default, got yarn"},
      {"text_encoder/config.json", "use_bidirectional_attention", true, HN_UNSUPPORTED,
       "use_bidirectional_attention"},
      {"text_encoder/config.json", "layer_types", {"full_attention"}, HN_DATA_LOSS, "layer_types"},
      {"text_encoder/config.json", "vocab_size", 512, HN_DATA_LOSS, "embed_tokens.weight"},
      {"text_encoder/config.json", "attention_sinks", 4, HN_DATA_LOSS, "\"attention_sinks\""},
      {"text_encoder/config.json",
       "rope_parameters",
       {{"rope_type", "default"}, {"factor", 2}},
       HN_DATA_LOSS,
       "\"factor\""},
  };
  for (const Case& c : cases) {
    const SanaCopy copy;
    copy.edit_json(c.file, [&](nlohmann::json& json) { json[c.key] = c.value; });
    SCOPED_TRACE(c.file + " " + c.key);
    expect_refused(copy, c.code, {c.text, fs::path(c.file).parent_path().string()});
  }
}

TEST(SanaLoad, AnotherPipelineIsRefused) {
  const SanaCopy copy;
  std::ofstream(copy.root() / "model_index.json") << R"({"_class_name": "FluxPipeline"})";
  expect_refused(copy, HN_UNSUPPORTED, {"expected SanaSprintPipeline, got FluxPipeline"});
  std::ofstream(copy.root() / "model_index.json")
      << R"({"_class_name": "SanaSprintPipeline", "scheduler": ["diffusers", "LCMScheduler"]})";
  expect_refused(copy, HN_UNSUPPORTED,
                 {"model_index.json: scheduler: expected SCMScheduler, got LCMScheduler"});
  std::ofstream(copy.root() / "model_index.json")
      << R"({"_class_name": "SanaSprintPipeline", "vae": "AutoencoderDC"})";
  expect_refused(copy, HN_DATA_LOSS, {"model_index.json: vae"});
}

TEST(SanaLoad, ShardsAndVariantsLoadAsOneFileDoes) {
  const SanaCopy copy;
  const auto folder = copy.root() / "transformer";
  const auto whole = SafetensorsFile::open(folder / "diffusion_pytorch_model.safetensors");
  nlohmann::json map;
  for (int shard = 0; shard < 2; ++shard) {
    const std::string name =
        "diffusion_pytorch_model-0000" + std::to_string(shard + 1) + "-of-00002.safetensors";
    std::vector<TensorToWrite> part;
    for (std::size_t i = 0; i < whole.tensors().size(); ++i) {
      if (static_cast<int>(i % 2) != shard) continue;
      const auto& t = whole.tensors()[i];
      part.push_back({t.name, t.dtype, t.shape, t.data, t.nbytes});
      map[t.name] = name;
    }
    write_safetensors(folder / name, part);
  }
  std::ofstream(folder / "diffusion_pytorch_model.safetensors.index.json")
      << nlohmann::json{{"metadata", {{"total_size", 0}}}, {"weight_map", map}};
  fs::remove(folder / "diffusion_pytorch_model.safetensors");
  EXPECT_EQ(SanaSprint::try_create({{"weights", copy.root().string()}}).text, "");

  const SanaCopy variant;
  fs::rename(variant.root() / "vae/diffusion_pytorch_model.safetensors",
             variant.root() / "vae/diffusion_pytorch_model.bf16.safetensors");
  EXPECT_EQ(SanaSprint::try_create({{"weights", variant.root().string()}}).text, "");
}

TEST(SanaLoad, PromptOptions) {
  const Outcome short_limit = SanaSprint::try_create(
      {{"weights", kEmoji.string()}, {"max_sequence_length", std::int64_t{1}}});
  EXPECT_EQ(short_limit.status, HN_INVALID_ARGUMENT);
  SanaSprint tiny({{"weights", kEmoji.string()}, {"max_sequence_length", std::int64_t{4}}});
  tiny.prompts({std::string(5000, 'x') + "\xff", "",
                "\xf0\x9f\x8d\x8e"});  // cut, empty but for <bos>, outside of the vocabulary
  Opened generate(tiny, "generate");
  const auto r = generate.run({at::zeros({3, 16, 8, 8})});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_TRUE(at::isfinite(r.outputs[0]).all().item<bool>());
}

}  // namespace
}  // namespace hn::test
