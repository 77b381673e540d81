// Folders that the generators open, and folders that they refuse: each message names the file, what
// was wanted and what came.
#include <algorithm>
#include <functional>
#include <hn/formats/json_file.hpp>

#include "unit/generator_support.hpp"

namespace hn::test {
namespace {

// What a generator's folder has to be spoiled in.
struct LoadCase {
  std::string plugin;
  std::string folder;      // what a message calls the folder that is missing
  std::string class_name;  // of model_index.json
  std::string network;     // the denoiser's part
  std::string network_weights;
  std::vector<std::string> weights;  // of the autoencoder and each text encoder
  std::string bias, missing;         // tensors of the network: one dimension long, and any other
  std::string vocabulary;            // a file of a tokenizer that has to be there
};
std::ostream& operator<<(std::ostream& out, const LoadCase& c) { return out << c.plugin; }

// A value of a part's configuration, and what is said to it.
struct Spoilt {
  std::string file, key;
  nlohmann::json value;
  hn_status code;
  std::string text;
};

void expect_refused(const GeneratorCopy& copy, hn_status code,
                    const std::vector<std::string>& texts) {
  const Outcome got = copy.create();
  EXPECT_EQ(got.status, code) << got.text;
  for (const auto& text : texts)
    EXPECT_NE(got.text.find(text), std::string::npos) << "no '" << text << "' in: " << got.text;
}

// visit(leaf) with each value of `json` that is no list and no table.
void for_each_leaf(nlohmann::json& json, const std::function<void(nlohmann::json& leaf)>& visit) {
  if (!json.is_structured()) return visit(json);
  for (auto& inner : json) for_each_leaf(inner, visit);
}

// Values of another size, sign or spelling than a configuration's.
std::vector<nlohmann::json> spoilt(const nlohmann::json& leaf) {
  if (leaf.is_boolean()) return {!leaf.get<bool>()};
  if (leaf.is_number_integer()) {
    const auto value = leaf.get<std::int64_t>();
    return {0, -value, value + 1, 3 * value + 1, 1'000'003, std::int64_t{1} << 40};
  }
  if (leaf.is_number()) return {0.0, -leaf.get<double>(), 1e300};
  if (leaf.is_string()) return {leaf.get<std::string>() + "x"};
  return {};
}

void expect_all_refused(const std::string& plugin, const std::vector<Spoilt>& all) {
  for (const Spoilt& c : all) {
    const GeneratorCopy copy(plugin);
    copy.edit_json(c.file, [&](nlohmann::json& json) { json[c.key] = c.value; });
    SCOPED_TRACE(c.file + " " + c.key);
    expect_refused(copy, c.code, {c.text});
  }
}

std::vector<LoadCase> load_cases() {
  return {{"sana_sprint",
           "a folder in diffusers layout",
           "SanaSprintPipeline",
           "transformer",
           "transformer/diffusion_pytorch_model",
           {"vae/diffusion_pytorch_model", "text_encoder/model"},
           "patch_embed.proj.bias",
           "proj_out.weight",
           "tokenizer/tokenizer.json"},
          {"sd_turbo",
           "a Stable Diffusion folder in diffusers layout",
           "StableDiffusionPipeline",
           "unet",
           "unet/diffusion_pytorch_model.fp16",
           {"vae/diffusion_pytorch_model.fp16", "text_encoder/model.fp16"},
           "conv_in.bias",
           "conv_out.weight",
           "tokenizer/merges.txt"},
          {"flux_schnell",
           "a FLUX folder in diffusers layout",
           "FluxPipeline",
           "transformer",
           "transformer/diffusion_pytorch_model",
           {"vae/diffusion_pytorch_model", "text_encoder/model", "text_encoder_2/model"},
           "x_embedder.bias",
           "proj_out.weight",
           "tokenizer_2/spiece.model"}};
}

class GeneratorLoad : public testing::TestWithParam<LoadCase> {
 protected:
  const LoadCase& c = GetParam();
  std::string network_file() const { return c.network_weights + ".safetensors"; }
};

TEST_P(GeneratorLoad, AFolderAsSavePretrainedWritesItOpens) {
  const GeneratorCopy copy(c.plugin);
  EXPECT_EQ(copy.create().text, "");
  EXPECT_EQ(copy.create({{"dtype", std::string("bfloat16")}}).text, "");
  std::ofstream(copy.root() / "model_index.json")
      << nlohmann::json{{"_class_name", c.class_name}, {"safety_checker", {nullptr, nullptr}}};
  EXPECT_EQ(copy.create().text, "");
}

TEST_P(GeneratorLoad, MissingUnexpectedAndWrongShapesAreAllListedAtOnce) {
  const GeneratorCopy copy(c.plugin);
  copy.edit_weights(network_file(), [&](std::vector<TensorToWrite>& all) {
    for (auto& t : all) {
      if (t.name == c.missing) t.name = "a.foreign.name";
      if (t.name == c.bias) t.shape = {1, t.shape[0]};
    }
  });
  expect_refused(copy, HN_DATA_LOSS,
                 {c.plugin + " " + c.network, "missing (1)", c.missing + " [", "wrong shape (1)",
                  c.bias + ": expected [", ", got [1,", "unexpected (1)", "a.foreign.name"});
}

TEST_P(GeneratorLoad, EachPartChecksItsWeightsAndAllAreToldTogether) {
  const GeneratorCopy copy(c.plugin);
  std::vector<std::string> texts{std::to_string(c.weights.size()) + " things are wrong"};
  for (const std::string& file : c.weights) {
    copy.edit_weights(file + ".safetensors", [&](std::vector<TensorToWrite>& all) {
      texts.push_back(all.back().name);
      all.pop_back();
    });
    texts.push_back(c.plugin + " " + fs::path(file).parent_path().string());
  }
  expect_refused(copy, HN_DATA_LOSS, texts);
}

TEST_P(GeneratorLoad, FilesThatAreNotThereAreNamed) {
  const Outcome nowhere =
      Generator::try_create(c.plugin, {{"weights", std::string("/no/such/folder")}});
  EXPECT_EQ(nowhere.status, HN_NOT_FOUND);
  EXPECT_NE(nowhere.text.find("/no/such/folder"), std::string::npos) << nowhere.text;
  if (c.plugin != "sana_sprint") {  // which brings a model of its own
    const Outcome none = Generator::try_create(c.plugin, {});
    EXPECT_EQ(none.status, HN_NOT_FOUND);
    EXPECT_NE(none.text.find(c.folder + ", got nothing"), std::string::npos) << none.text;
  }
  std::vector<std::string> files{
      c.network + "/config.json", "vae/config.json", "scheduler/scheduler_config.json",
      "text_encoder/config.json", c.vocabulary,      network_file()};
  for (const std::string& weights : c.weights) files.push_back(weights + ".safetensors");
  for (const std::string& file : files) {
    const GeneratorCopy copy(c.plugin);
    fs::remove(copy.root() / file);
    SCOPED_TRACE(file);
    expect_refused(copy, HN_NOT_FOUND, {fs::path(file).parent_path().string()});
  }
}

TEST_P(GeneratorLoad, DamagedFilesAreNamed) {
  const GeneratorCopy json(c.plugin);
  std::ofstream(json.root() / "vae/config.json") << "{\"act_fn\": ";
  expect_refused(json, HN_DATA_LOSS, {"vae/config.json"});
  const GeneratorCopy copy(c.plugin);
  const auto file = copy.root() / (c.weights[0] + ".safetensors");
  fs::resize_file(file, fs::file_size(file) / 2);
  expect_refused(copy, HN_DATA_LOSS, {"vae"});
}

TEST_P(GeneratorLoad, AnotherPipelineIsRefused) {
  const GeneratorCopy copy(c.plugin);
  const auto index = [&](nlohmann::json json) {
    json.emplace("_class_name", c.class_name);
    std::ofstream(copy.root() / "model_index.json") << json;
  };
  index({{"_class_name", "PixArtAlphaPipeline"}});
  expect_refused(copy, HN_UNSUPPORTED, {"expected " + c.class_name + ", got PixArtAlphaPipeline"});
  index({{"scheduler", {"diffusers", "LCMScheduler"}}});
  expect_refused(copy, HN_UNSUPPORTED,
                 {"model_index.json: scheduler: expected ", ", got LCMScheduler"});
  index({{"vae", "AutoencoderKL"}});
  expect_refused(copy, HN_DATA_LOSS, {"model_index.json: vae"});
}

TEST_P(GeneratorLoad, ShardsAndVariantsLoadAsOneFileDoes) {
  const GeneratorCopy copy(c.plugin);
  const auto folder = copy.root() / c.network;
  const auto whole = SafetensorsFile::open(copy.root() / network_file());
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
    write_safetensors(folder / name, part);
  }
  std::ofstream(folder / "diffusion_pytorch_model.safetensors.index.json")
      << nlohmann::json{{"metadata", {{"total_size", 0}}}, {"weight_map", map}};
  fs::remove(copy.root() / network_file());
  fs::rename(copy.root() / (c.weights[0] + ".safetensors"),
             copy.root() / "vae/diffusion_pytorch_model.bf16.safetensors");
  EXPECT_EQ(copy.create().text, "");
}

TEST_P(GeneratorLoad, TorchsOwnFilesAreFound) {
  // What is in them is the reader's own test; here they are taken where there is nothing else.
  const GeneratorCopy copy(c.plugin);
  fs::remove(copy.root() / (c.weights[0] + ".safetensors"));
  for (const std::string variant : {"", "fp16"}) {
    const std::string file =
        "diffusion_pytorch_model." + (variant.empty() ? "" : variant + ".") + "bin";
    std::ofstream(copy.root() / "vae" / file) << "no zip archive";
    const Outcome got = copy.create({{"variant", variant}});
    EXPECT_NE(got.text.find(file), std::string::npos) << got.text;
    fs::remove(copy.root() / "vae" / file);
  }
}

TEST_P(GeneratorLoad, AFreedTextEncodersWeightsAreStillChecked) {
  const GeneratorCopy copy(c.plugin);
  copy.edit_weights(c.weights.back() + ".safetensors",
                    [](std::vector<TensorToWrite>& all) { all.pop_back(); });
  const Outcome got =
      copy.create({{"text_encoder", std::string("free")}, {"prompt_cache", std::string("off")}});
  EXPECT_EQ(got.status, HN_DATA_LOSS);
  EXPECT_NE(got.text.find("missing (1)"), std::string::npos) << got.text;
}

// Each value of each configuration, spoilt: it opens, or what refuses it names the file, the
// weights that do not fit it, or (between two parts) the folder.
TEST_P(GeneratorLoad, WhateverASpoiltConfigurationBreaksIsNamed) {
  const GeneratorCopy copy(c.plugin);
  std::vector<std::string> files{c.network + "/config.json", "vae/config.json",
                                 "scheduler/scheduler_config.json"};
  for (std::size_t i = 1; i < c.weights.size(); ++i)
    files.push_back(fs::path(c.weights[i]).parent_path().string() + "/config.json");
  int refused = 0;
  for (const std::string& file : files) {
    auto json = read_json_file(copy.root() / file);
    for_each_leaf(json, [&](nlohmann::json& leaf) {
      const nlohmann::json whole = leaf;
      for (const nlohmann::json& value : spoilt(whole)) {
        leaf = value;
        std::ofstream(copy.root() / file) << json;
        const Outcome got = copy.create();
        if (got.status == HN_OK) continue;
        ++refused;
        EXPECT_TRUE(got.text.find((copy.root() / file).string()) != std::string::npos ||
                    got.text.find((copy.root() / file).parent_path().string()) !=
                        std::string::npos ||
                    got.text.find("] " + copy.root().string() + ": ") != std::string::npos)
            << file << ": " << whole << " became " << value << ": " << got.text;
        EXPECT_TRUE(got.status == HN_DATA_LOSS || got.status == HN_UNSUPPORTED)
            << file << ": " << whole << " became " << value << ": " << got.text;
      }
      leaf = whole;
    });
    std::ofstream(copy.root() / file) << json;
  }
  EXPECT_GT(refused, 100);
  EXPECT_EQ(copy.create().text, "");
}

INSTANTIATE_TEST_SUITE_P(All, GeneratorLoad, testing::ValuesIn(load_cases()),
                         [](const auto& info) { return info.param.plugin; });

TEST(SanaLoad, PartsOfAnotherModelAreRefused) {
  expect_all_refused(
      "sana_sprint",
      {
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
          {"vae/config.json", "_class_name", "AutoencoderKL", HN_UNSUPPORTED,
           "expected AutoencoderDC"},
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
          {"scheduler/scheduler_config.json", "_class_name", "EulerDiscreteScheduler",
           HN_UNSUPPORTED, "expected SCMScheduler"},
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
          {"text_encoder/config.json", "hidden_activation", "gelu_pytorch_tinh", HN_UNSUPPORTED,
           "text_encoder/config.json: [gemma2] hidden_activation: expected silu"},
          {"text_encoder/config.json",
           "layer_types",
           {"full_attention"},
           HN_DATA_LOSS,
           "layer_types"},
          {"text_encoder/config.json", "vocab_size", 512, HN_DATA_LOSS, "embed_tokens.weight"},
          {"text_encoder/config.json", "attention_sinks", 4, HN_DATA_LOSS, "\"attention_sinks\""},
          {"text_encoder/config.json",
           "rope_parameters",
           {{"rope_type", "default"}, {"factor", 2}},
           HN_DATA_LOSS,
           "\"factor\""},
      });
}

TEST(SdTurboLoad, PartsOfAnotherModelAreRefused) {
  expect_all_refused(
      "sd_turbo",
      {
          {"unet/config.json", "_class_name", "SanaTransformer2DModel", HN_UNSUPPORTED,
           "expected UNet2DConditionModel, got SanaTransformer2DModel"},
          {"unet/config.json", "attn_dropout", 1, HN_DATA_LOSS, "\"attn_dropout\""},
          {"unet/config.json",
           "down_block_types",
           {"CrossAttnDownBlock2D", "AttnDownBlock2D"},
           HN_UNSUPPORTED,
           "AttnDownBlock2D"},
          {"unet/config.json",
           "down_block_types",
           {"DownBlock2D"},
           HN_DATA_LOSS,
           "down_block_types"},
          {"unet/config.json", "mid_block_type", "UNetMidBlock2DSimpleCrossAttn", HN_UNSUPPORTED,
           "UNetMidBlock2DSimpleCrossAttn"},
          {"unet/config.json", "class_embed_type", "timestep", HN_UNSUPPORTED, "class_embed_type"},
          {"unet/config.json", "addition_embed_type", "text_time", HN_UNSUPPORTED,
           "addition_embed_type"},
          {"unet/config.json", "encoder_hid_dim", 8, HN_UNSUPPORTED, "encoder_hid_dim"},
          {"unet/config.json", "num_class_embeds", 4, HN_UNSUPPORTED, "num_class_embeds"},
          {"unet/config.json", "time_cond_proj_dim", 4, HN_UNSUPPORTED, "time_cond_proj_dim"},
          {"unet/config.json", "time_embedding_type", "fourier", HN_UNSUPPORTED, "fourier"},
          {"unet/config.json", "dual_cross_attention", true, HN_UNSUPPORTED,
           "dual_cross_attention"},
          {"unet/config.json", "act_fn", "elu", HN_UNSUPPORTED, "elu"},
          {"unet/config.json", "resnet_time_scale_shift", "ada_group", HN_UNSUPPORTED, "ada_group"},
          {"unet/config.json", "attention_head_dim", 3, HN_DATA_LOSS, "attention_head_dim"},
          {"unet/config.json", "attention_head_dim", {1, 2, 3}, HN_DATA_LOSS, "attention_head_dim"},
          {"unet/config.json",
           "only_cross_attention",
           {true},
           HN_DATA_LOSS,
           "only_cross_attention"},
          {"unet/config.json", "norm_num_groups", 3, HN_DATA_LOSS, "norm_num_groups"},
          {"unet/config.json", "transformer_layers_per_block", 0, HN_DATA_LOSS,
           "transformer_layers_per_block"},
          {"unet/config.json", "conv_in_kernel", 2, HN_DATA_LOSS, "conv_in_kernel"},
          {"unet/config.json", "downsample_padding", 2, HN_DATA_LOSS, "downsample_padding"},
          {"unet/config.json", "out_channels", 8, HN_DATA_LOSS, "out_channels"},
          {"unet/config.json", "cross_attention_dim", 12, HN_DATA_LOSS,
           "the text encoder is 8 wide, the U-Net's cross_attention_dim is 12"},
          {"unet/config.json", "sample_size", {8, 8, 8}, HN_DATA_LOSS, "sample_size"},
          {"unet/config.json", "sample_size", nullptr, HN_DATA_LOSS,
           "sample_size: expected a number"},
          {"vae/config.json", "_class_name", "AutoencoderDC", HN_UNSUPPORTED,
           "expected AutoencoderKL, got AutoencoderDC"},
          {"vae/config.json", "latent_channels", 8, HN_DATA_LOSS,
           "the U-Net has 4 channels, the VAE's latents have 8"},
          {"vae/config.json",
           "down_block_types",
           {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"},
           HN_UNSUPPORTED,
           "AttnDownEncoderBlock2D"},
          {"vae/config.json",
           "up_block_types",
           {"UpDecoderBlock2D"},
           HN_DATA_LOSS,
           "up_block_types"},
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
          {"scheduler/scheduler_config.json",
           "trained_betas",
           {0.1},
           HN_UNSUPPORTED,
           "trained_betas"},
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
           "tokenizer has 805 ids, text_encoder's vocabulary only 804"},
          {"tokenizer/tokenizer_config.json", "pad_token", 7, HN_DATA_LOSS, "pad_token"},
      });
}

TEST(FluxLoad, PartsOfAnotherModelAreRefused) {
  const char *transformer = "transformer/config.json", *vae = "vae/config.json",
             *scheduler = "scheduler/scheduler_config.json", *t5 = "text_encoder_2/config.json";
  expect_all_refused(
      "flux_schnell",
      {
          {transformer, "_class_name", "SanaTransformer2DModel", HN_UNSUPPORTED,
           "expected FluxTransformer2DModel, got SanaTransformer2DModel"},
          {transformer, "patch_size", 2, HN_UNSUPPORTED, "patch_size"},
          {transformer, "out_channels", 8, HN_DATA_LOSS, "out_channels"},
          {transformer, "in_channels", 18, HN_DATA_LOSS, "in_channels: expected a multiple of 4"},
          {transformer, "num_attention_heads", 0, HN_DATA_LOSS, "above 0"},
          {transformer, "axes_dims_rope", {2, 2}, HN_DATA_LOSS, "expected 3 numbers, got 2"},
          {transformer, "axes_dims_rope", {2, 2, 4}, HN_DATA_LOSS, "sum of attention_head_dim (6)"},
          {transformer, "axes_dims_rope", {1, 3, 2}, HN_DATA_LOSS, "even numbers"},
          {transformer, "joint_attention", 4, HN_DATA_LOSS, "\"joint_attention\""},
          {transformer, "joint_attention_dim", 10, HN_DATA_LOSS,
           "text_encoder_2 has a width of 8, the transformer's joint_attention_dim is 10"},
          {transformer, "pooled_projection_dim", 10, HN_DATA_LOSS,
           "text_encoder has a width of 8, the transformer's pooled_projection_dim is 10"},
          {transformer, "guidance_embeds", true, HN_DATA_LOSS,
           "time_text_embed.guidance_embedder.linear_1.weight"},
          {transformer, "num_layers", 2, HN_DATA_LOSS, "transformer_blocks.1.attn.to_q.weight"},
          {vae, "_class_name", "AutoencoderDC", HN_UNSUPPORTED,
           "expected AutoencoderKL, got AutoencoderDC"},
          {vae, "latent_channels", 16, HN_DATA_LOSS,
           "packed by four, have channels 64, the transformer's in_channels is 16"},
          {scheduler, "_class_name", "SCMScheduler", HN_UNSUPPORTED,
           "expected FlowMatchEulerDiscreteScheduler, got SCMScheduler"},
          {scheduler, "use_karras_sigmas", true, HN_UNSUPPORTED, "use_karras_sigmas"},
          {scheduler, "use_exponential_sigmas", true, HN_UNSUPPORTED, "use_exponential_sigmas"},
          {scheduler, "use_beta_sigmas", true, HN_UNSUPPORTED, "use_beta_sigmas"},
          {scheduler, "invert_sigmas", true, HN_UNSUPPORTED, "invert_sigmas"},
          {scheduler, "stochastic_sampling", true, HN_UNSUPPORTED, "stochastic_sampling"},
          {scheduler, "time_shift_type", "cubic", HN_UNSUPPORTED,
           "exponential or linear, got cubic"},
          {scheduler, "shift", 0, HN_DATA_LOSS, "shift above 0"},
          {scheduler, "max_image_seq_len", 100, HN_DATA_LOSS, "max_image_seq_len above"},
          {scheduler, "shift_terminal", 1.5, HN_DATA_LOSS, "shift_terminal"},
          {scheduler, "shift_terminal", 0.1, HN_INVALID_ARGUMENT, "at least 2"},
          {t5, "model_type", "umt5", HN_UNSUPPORTED, "expected t5, got umt5"},
          {t5, "feed_forward_proj", "gated-elu", HN_UNSUPPORTED, "elu"},
          {t5, "num_layers", 0, HN_DATA_LOSS, "num_layers"},
          {t5, "relative_attention_num_buckets", 3, HN_DATA_LOSS, "relative_attention_num_buckets"},
          {t5, "relative_attention_max_distance", 8, HN_DATA_LOSS,
           "relative_attention_max_distance"},
          {t5, "pad_token_id", 100000, HN_DATA_LOSS, "pad_token_id"},
          {t5, "vocab_size", 100, HN_DATA_LOSS, "text_encoder_2's vocabulary only 100"},
          {t5, "d_kv", 6, HN_DATA_LOSS, "encoder.block.0.layer.0.SelfAttention.q.weight"},
          {t5, "attention_sinks", 4, HN_DATA_LOSS, "\"attention_sinks\""},
          {t5, "is_gated_act", "yes", HN_DATA_LOSS, "is_gated_act"},
          {t5, "dense_act_fn", "elu", HN_DATA_LOSS, "dense_act_fn"},
          {"tokenizer_2/tokenizer_config.json", "extra_ids", 1000, HN_DATA_LOSS, "tokenizer_2 has"},
          {"tokenizer_2/tokenizer_config.json", "padding_side", "left", HN_DATA_LOSS,
           "padding_side"},
          {"tokenizer_2/tokenizer_config.json", "eos_token", "<pad>", HN_DATA_LOSS, "eos_token"},
      });
}

TEST(SdTurboLoad, NamesOfOlderFilesAreRead) {
  const GeneratorCopy copy("sd_turbo");
  // transformers up to 4 put text_model. in front, and a buffer beside the weights.
  const std::vector<std::int64_t> ids(16);
  copy.edit_weights("text_encoder/model.fp16.safetensors",
                    [&](std::vector<TensorToWrite>& tensors) {
                      for (auto& t : tensors) t.name = "text_model." + t.name;
                      tensors.push_back({"text_model.embeddings.position_ids",
                                         TensorDtype::kI64,
                                         {1, 16},
                                         ids.data(),
                                         ids.size() * sizeof(std::int64_t)});
                    });
  // diffusers up to 0.11 called the autoencoder's attention so.
  copy.edit_weights(
      "vae/diffusion_pytorch_model.fp16.safetensors", [](std::vector<TensorToWrite>& tensors) {
        const std::map<std::string, std::string> old{
            {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
        for (auto& t : tensors)
          for (const auto& [now, then] : old)
            if (const auto at = t.name.find("attentions.0." + now + "."); at != std::string::npos)
              t.name.replace(at + 13, now.size(), then);
      });
  EXPECT_EQ(copy.create().text, "");
}

TEST(FluxLoad, WholeT5ModelsAndTheEmbeddingsOtherNameAreRead) {
  const GeneratorCopy copy("flux_schnell");
  copy.edit_weights("text_encoder_2/model.safetensors", [](std::vector<TensorToWrite>& tensors) {
    const auto shared = *std::find_if(tensors.begin(), tensors.end(),
                                      [](const auto& t) { return t.name == "shared.weight"; });
    tensors.push_back(shared);
    tensors.back().name = "encoder.embed_tokens.weight";
    tensors.push_back(shared);
    tensors.back().name = "decoder.embed_tokens.weight";
    tensors.push_back(shared);
    tensors.back().name = "lm_head.weight";
  });
  EXPECT_EQ(copy.create().text, "");
  copy.edit_weights("text_encoder_2/model.safetensors", [](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.name == "shared.weight"; });
  });
  EXPECT_EQ(copy.create().text, "");
}

TEST(FluxLoad, TheTextsLengthHasBounds) {
  const GeneratorCopy copy("flux_schnell");
  for (const std::int64_t length : {1, 513}) {
    const Outcome got = copy.create({{"max_sequence_length", length}});
    EXPECT_EQ(got.status, HN_INVALID_ARGUMENT);
    EXPECT_NE(got.text.find("max_sequence_length: expected 2 to 512"), std::string::npos)
        << got.text;
  }
}

TEST(SanaLoad, PromptOptions) {
  const Outcome short_limit = Generator::try_create(
      "sana_sprint", {{"weights", kEmoji.string()}, {"max_sequence_length", std::int64_t{1}}});
  EXPECT_EQ(short_limit.status, HN_INVALID_ARGUMENT);
  Generator tiny("sana_sprint",
                 {{"weights", kEmoji.string()}, {"max_sequence_length", std::int64_t{4}}});
  tiny.prompts({std::string(5000, 'x') + "\xff", "",
                "\xf0\x9f\x8d\x8e"});  // cut, empty but for <bos>, outside of the vocabulary
  Opened generate(tiny, "generate");
  const auto r = generate.run({at::zeros({3, 16, 8, 8})});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_TRUE(at::isfinite(r.outputs[0]).all().item<bool>());
}

}  // namespace
}  // namespace hn::test
