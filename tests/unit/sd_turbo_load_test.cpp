// Folders that the SD-Turbo plugin opens, and folders that it refuses with what is wrong.
#include "unit/sd_turbo_support.hpp"

namespace hn::test {
namespace {

constexpr const char* kVae = "vae/diffusion_pytorch_model.fp16.safetensors";
constexpr const char* kText = "text_encoder/model.fp16.safetensors";
constexpr const char* kUnet = "unet/diffusion_pytorch_model.fp16.safetensors";

void expect_refused(const ModelCopy& copy, hn_status code, const std::vector<std::string>& texts) {
  const Outcome got = SdTurbo::try_create({{"weights", copy.root().string()}});
  EXPECT_EQ(got.status, code) << got.text;
  for (const auto& text : texts) EXPECT_NE(got.text.find(text), std::string::npos) << got.text;
}

TEST(SdTurboLoad, AFolderAsSavePretrainedWritesItOpens) {
  const SdCopy copy;
  EXPECT_EQ(SdTurbo::try_create({{"weights", copy.root().string()}}).text, "");
  EXPECT_EQ(SdTurbo::try_create({{"weights", copy.root().string()},
                                 {"variant", std::string("fp16")},
                                 {"dtype", std::string("bfloat16")}})
                .text,
            "");
  std::ofstream(copy.root() / "model_index.json")
      << R"({"_class_name": "StableDiffusionPipeline", "safety_checker": [null, null]})";
  EXPECT_EQ(SdTurbo::try_create({{"weights", copy.root().string()}}).text, "");
}

TEST(SdTurboLoad, NamesOfOlderFilesAreRead) {
  const SdCopy copy;
  // transformers up to 4 put text_model. in front, and a buffer beside the weights.
  const std::vector<std::int64_t> ids(16);
  copy.edit_weights(kText, [&](std::vector<TensorToWrite>& tensors) {
    for (auto& t : tensors) t.name = "text_model." + t.name;
    tensors.push_back({"text_model.embeddings.position_ids",
                       TensorDtype::kI64,
                       {1, 16},
                       ids.data(),
                       ids.size() * sizeof(std::int64_t)});
  });
  // diffusers up to 0.11 called the autoencoder's attention so.
  copy.edit_weights(kVae, [](std::vector<TensorToWrite>& tensors) {
    const std::map<std::string, std::string> old{
        {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
    for (auto& t : tensors)
      for (const auto& [now, then] : old)
        if (const auto at = t.name.find("attentions.0." + now + "."); at != std::string::npos)
          t.name.replace(at + 13, now.size(), then);
  });
  EXPECT_EQ(SdTurbo::try_create({{"weights", copy.root().string()}}).text, "");
}

TEST(SdTurboLoad, ShardsLoadAsOneFileDoes) {
  const SdCopy copy;
  const auto whole = SafetensorsFile::open(copy.root() / kUnet);
  nlohmann::json map;
  for (int shard = 0; shard < 2; ++shard) {
    const std::string name =
        "diffusion_pytorch_model-0000" + std::to_string(shard + 1) + "-of-00002.safetensors";
    std::vector<TensorToWrite> part;
    for (std::size_t i = static_cast<std::size_t>(shard); i < whole.tensors().size(); i += 2) {
      const auto& t = whole.tensors()[i];
      part.push_back({t.name, t.dtype, t.shape, t.data, t.nbytes});
      map[t.name] = name;
    }
    write_safetensors(copy.root() / "unet" / name, part);
  }
  std::ofstream(copy.root() / "unet/diffusion_pytorch_model.safetensors.index.json")
      << nlohmann::json{{"metadata", {{"total_size", 0}}}, {"weight_map", map}};
  fs::remove(copy.root() / kUnet);
  EXPECT_EQ(SdTurbo::try_create({{"weights", copy.root().string()}}).text, "");
}

TEST(SdTurboLoad, TorchsOwnFilesAreFound) {
  // What is in them is the reader's own test; here they are taken where there is nothing else.
  const SdCopy copy;
  fs::remove(copy.root() / kVae);
  for (const std::string variant : {"", "fp16"}) {
    const std::string file =
        "diffusion_pytorch_model." + (variant.empty() ? "" : variant + ".") + "bin";
    std::ofstream(copy.root() / "vae" / file) << "no zip archive";
    const Outcome got =
        SdTurbo::try_create({{"weights", copy.root().string()}, {"variant", variant}});
    EXPECT_EQ(got.status, HN_DATA_LOSS) << got.text;
    EXPECT_NE(got.text.find(file), std::string::npos) << got.text;
    fs::remove(copy.root() / "vae" / file);
  }
}

TEST(SdTurboLoad, MissingFoldersAndFilesAreNamed) {
  const Outcome none = SdTurbo::try_create({});
  EXPECT_EQ(none.status, HN_NOT_FOUND);
  EXPECT_NE(none.text.find("Stable Diffusion folder in diffusers layout, got nothing"),
            std::string::npos)
      << none.text;
  EXPECT_EQ(SdTurbo::try_create({{"weights", std::string("/no/such/folder")}}).status,
            HN_NOT_FOUND);
  for (const char* file : {"unet/config.json", "vae/config.json", "scheduler/scheduler_config.json",
                           "text_encoder/config.json", "tokenizer/merges.txt", kUnet}) {
    const SdCopy copy;
    fs::remove(copy.root() / file);
    SCOPED_TRACE(file);
    expect_refused(copy, HN_NOT_FOUND, {fs::path(file).filename().string()});
  }
}

TEST(SdTurboLoad, AnotherPipelineIsRefused) {
  const SdCopy copy;
  std::ofstream(copy.root() / "model_index.json")
      << R"({"_class_name": "StableDiffusionXLPipeline"})";
  expect_refused(copy, HN_UNSUPPORTED,
                 {"expected StableDiffusionPipeline, got StableDiffusionXLPipeline"});
}

TEST(SdTurboLoad, EveryWrongTensorIsListedAtOnce) {
  const SdCopy copy;
  copy.edit_weights(kUnet, [](std::vector<TensorToWrite>& tensors) {
    for (auto& t : tensors)
      if (t.name == "conv_in.bias") t.shape = {1, 4};
  });
  copy.edit_weights(kVae, [](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const TensorToWrite& t) {
      return t.name == "encoder.conv_in.weight" || t.name == "quant_conv.bias";
    });
    for (auto& t : tensors)
      if (t.name == "decoder.conv_in.bias") t.name = "decoder.conv_inn.bias";
  });
  expect_refused(copy, HN_DATA_LOSS,
                 {"sd_turbo unet", "wrong shape (1)", "conv_in.bias: expected [4], got [1,4]"});
  const SdCopy vae;
  vae.edit_weights(kVae, [](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const TensorToWrite& t) {
      return t.name == "encoder.conv_in.weight" || t.name == "quant_conv.bias";
    });
    for (auto& t : tensors)
      if (t.name == "decoder.conv_in.bias") t.name = "decoder.conv_inn.bias";
  });
  expect_refused(
      vae, HN_DATA_LOSS,
      {"sd_turbo vae", "missing (3)", "encoder.conv_in.weight [4,3,3,3]", "quant_conv.bias [8]",
       "decoder.conv_in.bias [8]", "unexpected (1)", "decoder.conv_inn.bias"});
}

TEST(SdTurboLoad, PartsOfAnotherModelAreRefused) {
  struct Case {
    const char *file, *key;
    nlohmann::json value;
    hn_status code;
    const char* text;
  };
  const std::vector<Case> cases{
      {"unet/config.json", "_class_name", "SanaTransformer2DModel", HN_UNSUPPORTED,
       "expected UNet2DConditionModel, got SanaTransformer2DModel"},
      {"unet/config.json", "attn_dropout", 1, HN_DATA_LOSS, "\"attn_dropout\""},
      {"unet/config.json",
       "down_block_types",
       {"CrossAttnDownBlock2D", "AttnDownBlock2D"},
       HN_UNSUPPORTED,
       "AttnDownBlock2D"},
      {"unet/config.json", "down_block_types", {"DownBlock2D"}, HN_DATA_LOSS, "down_block_types"},
      {"unet/config.json", "mid_block_type", "UNetMidBlock2DSimpleCrossAttn", HN_UNSUPPORTED,
       "UNetMidBlock2DSimpleCrossAttn"},
      {"unet/config.json", "class_embed_type", "timestep", HN_UNSUPPORTED, "class_embed_type"},
      {"unet/config.json", "addition_embed_type", "text_time", HN_UNSUPPORTED,
       "addition_embed_type"},
      {"unet/config.json", "encoder_hid_dim", 8, HN_UNSUPPORTED, "encoder_hid_dim"},
      {"unet/config.json", "num_class_embeds", 4, HN_UNSUPPORTED, "num_class_embeds"},
      {"unet/config.json", "time_cond_proj_dim", 4, HN_UNSUPPORTED, "time_cond_proj_dim"},
      {"unet/config.json", "time_embedding_type", "fourier", HN_UNSUPPORTED, "fourier"},
      {"unet/config.json", "dual_cross_attention", true, HN_UNSUPPORTED, "dual_cross_attention"},
      {"unet/config.json", "act_fn", "elu", HN_UNSUPPORTED, "elu"},
      {"unet/config.json", "resnet_time_scale_shift", "ada_group", HN_UNSUPPORTED, "ada_group"},
      {"unet/config.json", "attention_head_dim", 3, HN_DATA_LOSS, "attention_head_dim"},
      {"unet/config.json", "attention_head_dim", {1, 2, 3}, HN_DATA_LOSS, "attention_head_dim"},
      {"unet/config.json", "only_cross_attention", {true}, HN_DATA_LOSS, "only_cross_attention"},
      {"unet/config.json", "norm_num_groups", 3, HN_DATA_LOSS, "norm_num_groups"},
      {"unet/config.json", "transformer_layers_per_block", 0, HN_DATA_LOSS,
       "transformer_layers_per_block"},
      {"unet/config.json", "conv_in_kernel", 2, HN_DATA_LOSS, "conv_in_kernel"},
      {"unet/config.json", "downsample_padding", 2, HN_DATA_LOSS, "downsample_padding"},
      {"unet/config.json", "out_channels", 8, HN_DATA_LOSS, "out_channels"},
      {"unet/config.json", "cross_attention_dim", 12, HN_DATA_LOSS,
       "the text encoder is 8 wide, the U-Net's cross_attention_dim is 12"},
      {"unet/config.json", "sample_size", {8, 8, 8}, HN_DATA_LOSS, "sample_size"},
      {"unet/config.json", "sample_size", nullptr, HN_DATA_LOSS, "sample_size: expected a number"},
      {"vae/config.json", "_class_name", "AutoencoderDC", HN_UNSUPPORTED,
       "expected AutoencoderKL, got AutoencoderDC"},
      {"vae/config.json", "latent_channels", 8, HN_DATA_LOSS,
       "the U-Net has 4 channels, the VAE's latents have 8"},
      {"vae/config.json",
       "down_block_types",
       {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"},
       HN_UNSUPPORTED,
       "AttnDownEncoderBlock2D"},
      {"vae/config.json", "up_block_types", {"UpDecoderBlock2D"}, HN_DATA_LOSS, "up_block_types"},
      {"vae/config.json", "latents_mean", {0, 0, 0, 0}, HN_UNSUPPORTED, "latents_mean"},
      {"vae/config.json", "in_channels", 4, HN_UNSUPPORTED, "in_channels"},
      {"vae/config.json", "norm_num_groups", 3, HN_DATA_LOSS, "norm_num_groups"},
      {"vae/config.json", "scaling_factor", 0, HN_DATA_LOSS, "scaling_factor"},
      {"scheduler/scheduler_config.json", "_class_name", "DDIMScheduler", HN_UNSUPPORTED,
       "expected EulerDiscreteScheduler, got DDIMScheduler"},
      {"scheduler/scheduler_config.json", "prediction_type", "sample", HN_UNSUPPORTED,
       "epsilon or v_prediction, got sample"},
      {"scheduler/scheduler_config.json", "use_karras_sigmas", true, HN_UNSUPPORTED,
       "use_karras_sigmas"},
      {"scheduler/scheduler_config.json", "beta_schedule", "squaredcos_cap_v2", HN_UNSUPPORTED,
       "linear or scaled_linear, got squaredcos_cap_v2"},
      {"scheduler/scheduler_config.json", "timestep_type", "continuous", HN_UNSUPPORTED,
       "discrete, got continuous"},
      {"scheduler/scheduler_config.json", "interpolation_type", "log_linear", HN_UNSUPPORTED,
       "log_linear"},
      {"scheduler/scheduler_config.json", "trained_betas", {0.1}, HN_UNSUPPORTED, "trained_betas"},
      {"scheduler/scheduler_config.json", "beta_end", 0.0001, HN_DATA_LOSS, "beta_end"},
      {"text_encoder/config.json", "model_type", "t5", HN_UNSUPPORTED, "clip_text_model"},
      {"text_encoder/config.json",
       "architectures",
       {"CLIPTextModelWithProjection"},
       HN_UNSUPPORTED,
       "CLIPTextModelWithProjection"},
      {"text_encoder/config.json", "use_attention_mask", true, HN_UNSUPPORTED,
       "use_attention_mask"},
      {"text_encoder/config.json", "vocab_size", 512, HN_DATA_LOSS, "token_embedding.weight"},
      {"tokenizer/tokenizer_config.json", "model_max_length", 77, HN_DATA_LOSS,
       "model_max_length is 77, the text encoder has 16 positions"},
      // As upstream, a padding token that the vocabulary lacks gets the next id.
      {"tokenizer/tokenizer_config.json", "pad_token", "<none>", HN_DATA_LOSS,
       "the tokenizer has 805 ids, the text encoder's vocabulary only 804"},
      {"tokenizer/tokenizer_config.json", "pad_token", 7, HN_DATA_LOSS, "pad_token"},
  };
  for (const Case& c : cases) {
    const SdCopy copy;
    copy.edit_json(c.file, [&](nlohmann::json& json) { json[c.key] = c.value; });
    SCOPED_TRACE(std::string(c.file) + " " + c.key);
    expect_refused(copy, c.code, {c.text});
  }
}

TEST(SdTurboLoad, DamagedJsonNamesItsFile) {
  const SdCopy copy;
  std::ofstream(copy.root() / "vae/config.json") << "{\"act_fn\": ";
  expect_refused(copy, HN_DATA_LOSS, {"vae/config.json"});
}

}  // namespace
}  // namespace hn::test
