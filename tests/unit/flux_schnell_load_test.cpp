// Folders that the FLUX plugin opens, and folders that it refuses with what is wrong.
#include <algorithm>

#include "unit/flux_schnell_support.hpp"

namespace hn::test {
namespace {

constexpr const char* kVae = "vae/diffusion_pytorch_model.safetensors";
constexpr const char* kT5 = "text_encoder_2/model.safetensors";
constexpr const char* kTransformer = "transformer/diffusion_pytorch_model.safetensors";

Outcome create(const ModelCopy& copy) {
  return Flux::try_create({{"weights", copy.root().string()}});
}

void expect_refused(const ModelCopy& copy, hn_status code, const std::vector<std::string>& texts) {
  const Outcome got = create(copy);
  EXPECT_EQ(got.status, code) << got.text;
  for (const auto& text : texts) EXPECT_NE(got.text.find(text), std::string::npos) << got.text;
}

TEST(FluxLoad, AFolderAsSavePretrainedWritesItOpens) {
  const FluxCopy copy;
  EXPECT_EQ(create(copy).text, "");
  std::ofstream(copy.root() / "model_index.json")
      << R"({"_class_name": "FluxPipeline", "image_encoder": [null, null]})";
  EXPECT_EQ(create(copy).text, "");
  // Whole T5 models, and the embedding under its other name, as published folders have it.
  copy.edit_weights(kT5, [](std::vector<TensorToWrite>& tensors) {
    const auto shared = *std::find_if(tensors.begin(), tensors.end(),
                                      [](const auto& t) { return t.name == "shared.weight"; });
    tensors.push_back(shared);
    tensors.back().name = "encoder.embed_tokens.weight";
    tensors.push_back(shared);
    tensors.back().name = "decoder.embed_tokens.weight";
    tensors.push_back(shared);
    tensors.back().name = "lm_head.weight";
  });
  EXPECT_EQ(create(copy).text, "");
  copy.edit_weights(kT5, [](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.name == "shared.weight"; });
  });
  EXPECT_EQ(create(copy).text, "");
}

TEST(FluxLoad, MissingFoldersAndFilesAreNamed) {
  const Outcome none = Flux::try_create({});
  EXPECT_EQ(none.status, HN_NOT_FOUND);
  EXPECT_NE(none.text.find("FLUX folder in diffusers layout"), std::string::npos) << none.text;
  EXPECT_EQ(Flux::try_create({{"weights", std::string("/no/such/folder")}}).status, HN_NOT_FOUND);
  for (const char* file : {"transformer/config.json", "vae/config.json", "text_encoder/config.json",
                           "text_encoder_2/config.json", "scheduler/scheduler_config.json",
                           "tokenizer_2/spiece.model", kVae, kT5, kTransformer}) {
    const FluxCopy copy;
    fs::remove(copy.root() / file);
    SCOPED_TRACE(file);
    expect_refused(copy, HN_NOT_FOUND, {fs::path(file).parent_path().string()});
  }
  const FluxCopy copy;
  std::ofstream(copy.root() / "model_index.json") << R"({"_class_name": "SanaSprintPipeline"})";
  expect_refused(copy, HN_UNSUPPORTED, {"expected FluxPipeline, got SanaSprintPipeline"});
}

TEST(FluxLoad, EveryWrongTensorIsNamedAtOnce) {
  const FluxCopy copy;
  copy.edit_weights(kVae, [](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const auto& t) {
      return t.name == "encoder.conv_in.weight" || t.name == "decoder.conv_out.bias";
    });
    for (auto& t : tensors)
      if (t.name == "decoder.conv_in.bias") t.name = "decoder.conv_inn.bias";
  });
  expect_refused(copy, HN_DATA_LOSS,
                 {"flux_schnell vae", "missing (3)", "encoder.conv_in.weight [4,3,3,3]",
                  "decoder.conv_out.bias [3]", "decoder.conv_in.bias [4]", "unexpected (1)",
                  "decoder.conv_inn.bias"});

  const FluxCopy text;
  text.edit_weights(kT5, [](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.name == "shared.weight"; });
    for (auto& t : tensors)
      if (t.name == "encoder.final_layer_norm.weight") t.shape = {2, 4};
  });
  expect_refused(text, HN_DATA_LOSS,
                 {"text_encoder_2", "missing (1)", "shared.weight", "wrong shape (1)",
                  "encoder.final_layer_norm.weight: expected [8], got [2,4]"});
}

TEST(FluxLoad, PartsOfAnotherModelAreRefused) {
  struct Case {
    const char *file, *key;
    nlohmann::json value;
    hn_status code;
    const char* text;
  };
  const char *transformer = "transformer/config.json", *vae = "vae/config.json",
             *scheduler = "scheduler/scheduler_config.json", *t5 = "text_encoder_2/config.json";
  const std::vector<Case> cases{
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
      {scheduler, "time_shift_type", "cubic", HN_UNSUPPORTED, "exponential or linear, got cubic"},
      {scheduler, "shift", 0, HN_DATA_LOSS, "shift above 0"},
      {scheduler, "max_image_seq_len", 100, HN_DATA_LOSS, "max_image_seq_len above"},
      {scheduler, "shift_terminal", 1.5, HN_DATA_LOSS, "shift_terminal"},
      {scheduler, "shift_terminal", 0.1, HN_INVALID_ARGUMENT, "at least 2"},
      {t5, "model_type", "umt5", HN_UNSUPPORTED, "expected t5, got umt5"},
      {t5, "feed_forward_proj", "gated-elu", HN_UNSUPPORTED, "elu"},
      {t5, "num_layers", 0, HN_DATA_LOSS, "num_layers"},
      {t5, "relative_attention_num_buckets", 3, HN_DATA_LOSS, "relative_attention_num_buckets"},
      {t5, "relative_attention_max_distance", 8, HN_DATA_LOSS, "relative_attention_max_distance"},
      {t5, "pad_token_id", 100000, HN_DATA_LOSS, "pad_token_id"},
      {t5, "vocab_size", 100, HN_DATA_LOSS, "text_encoder_2's vocabulary only 100"},
      {t5, "d_kv", 6, HN_DATA_LOSS, "encoder.block.0.layer.0.SelfAttention.q.weight"},
      {t5, "attention_sinks", 4, HN_DATA_LOSS, "\"attention_sinks\""},
      {t5, "is_gated_act", "yes", HN_DATA_LOSS, "is_gated_act"},
      {t5, "dense_act_fn", "elu", HN_DATA_LOSS, "dense_act_fn"},
      {"tokenizer_2/tokenizer_config.json", "extra_ids", 1000, HN_DATA_LOSS, "tokenizer_2 has"},
      {"tokenizer_2/tokenizer_config.json", "padding_side", "left", HN_DATA_LOSS, "padding_side"},
      {"tokenizer_2/tokenizer_config.json", "eos_token", "<pad>", HN_DATA_LOSS, "eos_token"},
  };
  for (const Case& c : cases) {
    const FluxCopy copy;
    copy.edit_json(c.file, [&](nlohmann::json& json) { json[c.key] = c.value; });
    SCOPED_TRACE(std::string(c.file) + " " + c.key);
    expect_refused(copy, c.code, {c.text});
  }
}

TEST(FluxLoad, OptionsOutOfRangeAreNamed) {
  for (const std::int64_t length : {1, 513}) {
    const Outcome got = Flux::try_create(flux_options({{"max_sequence_length", length}}));
    EXPECT_EQ(got.status, HN_INVALID_ARGUMENT);
    EXPECT_NE(got.text.find("max_sequence_length: expected 2 to 512"), std::string::npos)
        << got.text;
  }
}

}  // namespace
}  // namespace hn::test
