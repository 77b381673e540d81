// LoRA files in every spelling, against what diffusers and peft make of them
// (tests/golden/lora/make.py), and everything that does not fit.
#include "core/lora_file.hpp"

#include <ATen/ATen.h>

#include <fstream>
#include <hn/formats/json_file.hpp>
#include <mutex>
#include <stdexcept>

#include "core/python_pattern.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::filesystem::path kGolden = HN_SOURCE_DIR "/tests/golden/lora";

std::vector<AdapterLayer> layers_of(const std::string& model) {
  std::vector<AdapterLayer> layers;
  const nlohmann::json models = read_json_file(kGolden / "layers.json");
  for (const auto& row : models.at(model))
    layers.push_back({row[0].get<std::string>(), row[1] == 1, row[2], row[3], row[4], row[5]});
  return layers;
}

// The change of the layer's weight, times cos(0, 1, 2, ...).
at::Tensor probe(const LoraFile::Layer& layer) {
  const at::Tensor a = layer.a.flatten(1).to(at::kDouble), b = layer.b.flatten(1).to(at::kDouble);
  const at::Tensor x = at::arange(a.size(1), at::kDouble).cos();
  return at::mv(b, at::mv(a, x)) * (layer.alpha / static_cast<double>(layer.rank()));
}

struct Case {
  const char* file;
  const char* model;
  const char* format;
  std::size_t text_encoders;
};

class LoraParity : public ::testing::TestWithParam<Case> {};

TEST_P(LoraParity, GivesTheReferencesWeights) {
  const Case& c = GetParam();
  std::filesystem::path path = kGolden / c.file;
  if (!std::filesystem::exists(path)) path += ".safetensors";
  const LoraFile file = read_lora(path, layers_of(c.model));
  EXPECT_EQ(file.format, c.format);
  EXPECT_THAT(file.unmatched, IsEmpty());
  EXPECT_EQ(file.text_encoders.size(), c.text_encoders);
  const SafetensorsFile golden = SafetensorsFile::open(kGolden / "golden.safetensors");
  std::size_t expected = 0;
  for (const TensorView& view : golden.tensors())
    expected += view.name.starts_with(std::string(c.file) + "|") ? 1 : 0;
  EXPECT_EQ(file.layers.size(), expected);
  for (const LoraFile::Layer& layer : file.layers) {
    const TensorView* want = golden.find(std::string(c.file) + "|" + layer.name);
    ASSERT_NE(want, nullptr) << layer.name;
    const at::Tensor got = probe(layer);
    ASSERT_EQ(static_cast<std::uint64_t>(got.numel()) * 4, want->nbytes) << layer.name;
    at::Tensor wanted = at::empty({got.numel()}, at::kFloat);
    std::memcpy(wanted.mutable_data_ptr(), want->data, want->nbytes);
    const double error = (got - wanted).norm().item<double>() / wanted.norm().item<double>();
    EXPECT_LT(error, 1e-5) << layer.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, LoraParity,
                         ::testing::Values(Case{"unet_kohya", "unet", "kohya", 3},
                                           Case{"unet_down_up", "unet", "diffusers", 0},
                                           Case{"unet_mixed", "unet", "diffusers", 0},
                                           Case{"unet_saved", "unet", "diffusers", 0},
                                           Case{"peft_patterns", "unet", "peft", 0},
                                           Case{"peft_choices", "unet", "peft", 0},
                                           Case{"peft_numbers", "unet", "peft", 0},
                                           Case{"unet_alone", "unet", "diffusers", 0},
                                           Case{"flux_kohya", "flux", "kohya", 0}),
                         [](const auto& info) { return std::string(info.param.file); });

TEST(LoraNames, KeysInEverySpelling) {
  struct Key {
    const char* text;
    const char* module;
    LoraPart part;
    bool text_encoder;
  };
  for (const Key& key : std::vector<Key>{
           {"base_model.model.a.to_q.lora_A.weight", "a.to_q", LoraPart::kA, false},
           {"base_model.model.a.to_q.lora_B.default.weight", "a.to_q", LoraPart::kB, false},
           {"transformer.a.lora_A.weight", "a", LoraPart::kA, false},
           {"transformer_blocks.0.to_q.lora_B.weight", "transformer_blocks.0.to_q", LoraPart::kB,
            false},
           {"unet.a.b.lora.up.weight", "a.b", LoraPart::kB, false},
           {"unet.attn1.processor.to_out_lora.down.weight", "attn1.processor.to_out", LoraPart::kA,
            false},
           {"lora_unet_a_b.alpha", "a_b", LoraPart::kAlpha, false},
           {"lora_te1_x.lora_down.weight", "x", LoraPart::kA, true},
           {"text_encoder_2.x.lora_A.weight", "x", LoraPart::kA, true},
           {"text_encoder_3.x.lora_A.weight", "x", LoraPart::kA, true},
           {"text_encoders.clip_l.transformer.text_model.x.lora_A.weight",
            "clip_l.transformer.text_model.x", LoraPart::kA, true},
           {"diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight",
            "double_blocks.0.img_attn.qkv", LoraPart::kA, false}}) {
    const auto parsed = parse_lora_key(key.text);
    ASSERT_TRUE(parsed) << key.text;
    EXPECT_EQ(parsed->module, key.module);
    EXPECT_EQ(parsed->part, key.part) << key.text;
    EXPECT_EQ(parsed->text_encoder, key.text_encoder) << key.text;
  }
  for (const char* key : {"a.weight", "lora_A.weight", ".lora_A.weight", "a.lora_A.x.y.weight",
                          "a.lora_C.weight", ""})
    EXPECT_FALSE(parse_lora_key(key)) << key;
}

TEST(LoraNames, LayersByPathFlatNameAndFusedModule) {
  const auto unet = layers_of("unet"), flux = layers_of("flux");
  const LoraNames u(unet), f(flux);
  EXPECT_THAT(u.target("mid_block_resnets_0_conv1")->layers,
              ElementsAre("mid_block.resnets.0.conv1"));
  EXPECT_FALSE(u.target("double_blocks_0_img_attn_qkv")) << "the U-Net has no such layers";
  EXPECT_THAT(
      f.target("double_blocks.0.txt_attn.qkv")->layers,
      ElementsAre("transformer_blocks.0.attn.add_q_proj", "transformer_blocks.0.attn.add_k_proj",
                  "transformer_blocks.0.attn.add_v_proj"));
  EXPECT_TRUE(f.target("final_layer_adaLN_modulation_1")->swapped);
  EXPECT_FALSE(f.target("double_blocks_7_img_attn_qkv"));
  const std::vector<AdapterLayer> alike = {{"a.b_c"}, {"a_b.c"}};
  EXPECT_FALSE(LoraNames(alike).target("a_b_c")) << "two layers share the name";
}

// One file with these tensors of equal numbers.
class LoraFiles : public CoreTest {
 public:
  ~LoraFiles() override { session_.reset(); }

 protected:
  struct Tensor {
    const char* name;
    std::vector<std::int64_t> shape;
    float value = 0.5f;
  };
  std::filesystem::path write(const std::vector<Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {},
                              const std::string& name = "x.safetensors") {
    std::vector<std::vector<float>> data;
    std::vector<TensorToWrite> written;
    for (const Tensor& tensor : tensors) {
      std::size_t n = 1;
      for (const auto size : tensor.shape) n *= static_cast<std::size_t>(size);
      data.emplace_back(n, tensor.value);
      written.push_back({tensor.name, TensorDtype::kF32, tensor.shape, data.back().data(), n * 4});
    }
    std::filesystem::create_directories((folder_ / name).parent_path());
    write_safetensors(folder_ / name, written, metadata);
    return folder_ / name;
  }
  Session* open(const std::filesystem::path& file, NetKind kind = NetKind::kHypernet,
                bool partial = false) {
    SessionSpec spec = fake_spec();
    spec.net = {};
    spec.net.kind = kind;
    spec.net.file = file;
    spec.net.file_partial = partial;
    Services services;
    services.log = [this](std::int32_t level, std::string_view text) {
      if (level >= HN_LOG_WARNING) log_ += std::string(text) + "\n";
    };
    session_ = open_session(std::move(spec), std::move(services));
    return session_.get();
  }

  const std::vector<AdapterLayer> layers_ = {{"net.0.to_q", false, 8, 8, 1, 1},
                                             {"net.0.conv", true, 4, 6, 3, 1},
                                             {"net.0.depth", true, 8, 8, 3, 8}};
  std::unique_ptr<Session> session_;
  std::string log_;
};

TEST_F(LoraFiles, ASessionTakesRankAlphaAndLayers) {
  const auto file = write({{"lora_unet_net_0_to_q.lora_down.weight", {3, 8}, 0.25f},
                           {"lora_unet_net_0_to_q.lora_up.weight", {8, 3}},
                           {"lora_unet_net_0_to_q.alpha", {}, 6.0f},
                           {"lora_te_q.lora_down.weight", {3, 8}}});
  Session* session = open(file);
  EXPECT_EQ(session->shapes().trainable, 2u * 3 * 8);
  const Numbers n = adapter_of(*session, folder_);
  EXPECT_THAT(n.at(kA), Each(0.25f));
  EXPECT_THAT(n.at(kB), Each(0.5f));
  const auto config = read_json_file(folder_ / "read" / "adapter_config.json");
  EXPECT_EQ(config.at("r"), 3);
  EXPECT_EQ(config.at("lora_alpha"), 6);
  EXPECT_THAT(log_, HasSubstr("1 keys of text encoders are not used"));
}

TEST_F(LoraFiles, KeysThatFitNothingAreListed) {
  const auto file = write({{"unet.net.0.to_q.lora_A.weight", {2, 8}},
                           {"unet.net.0.to_q.lora_B.weight", {8, 2}},
                           {"unet.net.0.to_k.lora_A.weight", {2, 8}},
                           {"unet.net.0.to_k.lora_B.weight", {8, 2}},
                           {"odd", {1}}});
  EXPECT_FAILS(
      HN_INVALID_ARGUMENT,
      AllOf(HasSubstr("3 keys fit nothing in this generator"),
            HasSubstr("odd (1): no LoRA matrix by its name"),
            HasSubstr("net.0.to_k.lora_A.weight (2,8): no such layer; nearest: net.0.to_q"),
            HasSubstr("--adapter-partial")),
      open(file));
  open(file, NetKind::kHypernet, true);
  EXPECT_THAT(log_, HasSubstr("3 keys fit nothing"));
}

TEST_F(LoraFiles, NothingForThisGeneratorIsAnError) {
  const auto file = write({{"unet.x.lora_A.weight", {2, 8}}, {"unet.x.lora_B.weight", {8, 2}}});
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("has no matrix for any layer"),
               open(file, NetKind::kHypernet, true));
}

TEST_F(LoraFiles, EverythingThatDoesNotFitIsToldAtOnce) {
  const auto file = write({{"net.0.to_q.lora_A.weight", {2, 7}},
                           {"net.0.to_q.lora_B.weight", {8, 2}},
                           {"net.0.conv.lora_A.weight", {2, 4, 3, 3}},
                           {"net.0.depth.lora_A.weight", {2, 8, 3, 3}, std::nanf("")},
                           {"net.0.depth.lora_B.weight", {9, 2, 1, 1}},
                           {"net.0.depth.alpha", {2}},
                           {"x.hada_w1_a", {1}}});
  EXPECT_FAILS(
      HN_INVALID_ARGUMENT,
      AllOf(HasSubstr("net.0.to_q.lora_A.weight: net.0.to_q wants (2,8), got (2,7)"),
            HasSubstr("net.0.conv: has no B (up)"), HasSubstr("holds values that are not finite"),
            HasSubstr("expected 8 rows, got (9,2,1,1)"),
            HasSubstr("net.0.depth.alpha: expected one number"),
            HasSubstr("hada_ is not supported")),
      read_lora(file, layers_));
}

TEST_F(LoraFiles, SecondAdaptersOfALayerAreRefused) {
  const auto file = write({{"net.0.to_q.lora_A.weight", {2, 8}},
                           {"net.0.to_q.lora_B.weight", {8, 2}},
                           {"lora_unet_net_0_to_q.lora_down.weight", {2, 8}},
                           {"lora_unet_net_0_to_q.lora_up.weight", {8, 2}}});
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("a second adapter of net.0.to_q"),
               read_lora(file, layers_));
}

TEST_F(LoraFiles, ConvolutionsMatricesAndTheDenseLayout) {
  const auto file = write({{"net.0.conv.lora_A.weight", {2, 4, 3, 3}},
                           {"net.0.conv.lora_B.weight", {6, 2}},
                           {"net.0.depth.lora_A.weight", {8, 8, 3, 3}},
                           {"net.0.depth.lora_B.weight", {8, 8, 1, 1}},
                           {"net.0.to_q.lora_A.weight", {2, 8, 1, 1}},
                           {"net.0.to_q.lora_B.weight", {8, 2, 1, 1}}});
  const LoraFile read = read_lora(file, layers_);
  ASSERT_EQ(read.layers.size(), 3u);
  EXPECT_EQ(read.layers[0].b.sizes(), at::IntArrayRef({6, 2, 1, 1}));
  EXPECT_TRUE(read.layers[1].dense);
  EXPECT_EQ(read.layers[2].a.sizes(), at::IntArrayRef({2, 8}));
  const NetSpec net = lora_net(read, {});
  EXPECT_TRUE(net.dense_groups);
  EXPECT_EQ(net.rank, 8);
  EXPECT_EQ(net.alpha, 8) << "ranks differ: scale 1";
  EXPECT_THAT(net.targets, ElementsAre("net.0.conv", "net.0.depth", "net.0.to_q"));
}

TEST_F(LoraFiles, GroupedLayoutOfNewPeft) {
  const auto file = write(
      {{"net.0.depth.lora_A.weight", {8, 8, 3, 3}}, {"net.0.depth.lora_B.weight", {8, 1, 1, 1}}});
  EXPECT_FALSE(read_lora(file, layers_).layers.at(0).dense);
}

TEST_F(LoraFiles, SmallerRanksAreFilledUpInAnOpenSession) {
  const auto session = open_session(fake_spec(), {});  // rank 2, alpha 4: scale 2
  session->load_adapter(write({{"transformer.net.0.to_q.lora_A.weight", {1, 8}, 3.0f},
                               {"transformer.net.0.to_q.lora_B.weight", {8, 1}},
                               {"transformer.net.0.to_q.alpha", {}, 3.0f}}));
  const Numbers n = adapter_of(*session, folder_);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(n.at(kA)[i], i < 8 ? 3.0f : 0.0f);
    EXPECT_EQ(n.at(kB)[i], i % 2 == 0 ? 0.75f : 0.0f) << "0.5 * 3 / 2";
  }
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("A (3,8) does not fit the session's (2,8) (rank 2)"),
               session->load_adapter(write(
                   {{"net.0.to_q.lora_A.weight", {3, 8}}, {"net.0.to_q.lora_B.weight", {8, 3}}})));
  EXPECT_EQ(largest_difference(n, adapter_of(*session, folder_)), 0) << "unchanged";
}

TEST_F(LoraFiles, AlphasOfConfigurationsAndMetadata) {
  const std::vector<Tensor> tensors = {{"net.0.to_q.lora_A.weight", {4, 8}},
                                       {"net.0.to_q.lora_B.weight", {8, 4}}};
  EXPECT_EQ(read_lora(write(tensors), layers_).layers[0].alpha, 4) << "the rank";
  const auto with = [&](const std::string& json) {
    return read_lora(write(tensors, {{"lora_adapter_metadata", json}}), layers_).layers.at(0).alpha;
  };
  EXPECT_EQ(with(R"({"unet.lora_alpha": 7})"), 7);
  EXPECT_EQ(with(R"({"text_encoder.lora_alpha": 7})"), 4);
  EXPECT_EQ(with(R"({"transformer.lora_alpha": 7, "transformer.use_rslora": true})"), 14);
  EXPECT_EQ(
      with(
          R"({"transformer.lora_alpha": 7, "transformer.alpha_pattern": {"to_q": 3, "net.0.to_q": 5}})"),
      3);
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("lora_adapter_metadata"), with("{"));
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("regular expressions"),
               with(R"({"unet.lora_alpha": 7, "unet.alpha_pattern": {"(": 3}})"));
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("use_dora is not supported"),
               with(R"({"unet.lora_alpha": 7, "unet.use_dora": true})"));
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("modules_to_save"),
               with(R"({"unet.lora_alpha": 7, "unet.modules_to_save": ["a"]})"));
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("peft_type LOHA"),
               with(R"({"unet.lora_alpha": 7, "unet.peft_type": "LOHA"})"));
}

// Every key of LoraConfig is read, harmless or refused; so is what a newer peft may add.
TEST_F(LoraFiles, ConfigurationsOfOtherMethodsAreRefusedByName) {
  const std::vector<Tensor> tensors = {{"base_model.model.net.0.to_q.lora_A.weight", {4, 8}},
                                       {"base_model.model.net.0.to_q.lora_B.weight", {8, 4}}};
  write(tensors, {}, "adapter_model.safetensors");
  const auto with = [&](const std::string& more) {
    std::ofstream(folder_ / "adapter_config.json")
        << R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8)" << (more.empty() ? "" : ", ") << more
        << "}";
    return read_lora(folder_, layers_).layers.at(0).alpha;
  };
  EXPECT_EQ(with(""), 8);
  for (
      const char* harmless :
      {R"("init_lora_weights": true)", R"("init_lora_weights": false)",
       R"("init_lora_weights": "gaussian")", R"("init_lora_weights": "orthogonal")",
       R"("init_lora_weights": "eva", "eva_config": {"rho": 2})", R"("init_lora_weights": "mica")",
       R"("lora_dropout": 0.5, "inference_mode": true, "task_type": null, "revision": "x")",
       R"("fan_in_fan_out": true)", R"("bias": "none", "megatron_core": "megatron.core")",
       R"("auto_mapping": {"a": 1}, "peft_version": "0.99", "runtime_config": {"a": true})",
       R"("corda_config": {"a": 1}, "loftq_config": {"loftq_bits": 4}, "lora_ga_config": {"a": 1})",
       R"("velora_config": {"scale": 1.0}, "qalora_group_size": 16, "ensure_weight_tying": true)",
       R"("target_modules": ["to_q"])", R"("target_modules": "all-linear")",
       R"x("target_modules": ".*\\.(to_q|to_k)", "exclude_modules": "a")x",
       R"("target_modules": "(?i)NET.*")",  // cannot be compared, which is told
       R"("new_key": null, "another": false, "list": [], "object": {}, "text": "")"})
    EXPECT_EQ(with(harmless), 8) << harmless;
  for (const auto& [more, text] : std::vector<std::pair<const char*, const char*>>{
           {R"("init_lora_weights": "pissa")", "init_lora_weights \"pissa\" is not supported"},
           {R"("init_lora_weights": "pissa")", "path_initial_model_for_weight_conversion"},
           {R"("init_lora_weights": "pissa_niter_16")", "belong to base weights that peft changes"},
           {R"("init_lora_weights": "olora")", "belong to base weights that peft changes"},
           {R"("init_lora_weights": "OLoRA")", "belong to base weights that peft changes"},
           {R"("init_lora_weights": "corda")", "belong to base weights that peft changes"},
           {R"("init_lora_weights": "loftq")", "belong to base weights that peft changes"},
           {R"("init_lora_weights": "lora_ga")", "belong to base weights that peft changes"},
           {R"("init_lora_weights": "new_start")", "\"new_start\" is not supported: expected true"},
           {R"("init_lora_weights": 3)", "init_lora_weights 3 is not supported: expected true"},
           {R"("use_dora": true)", "use_dora is not supported (DoRA"},
           {R"("lora_bias": true)", "lora_bias is not supported"},
           {R"("bias": "all")", "bias \"all\" is not supported"},
           {R"("bias": "lora_only")", "bias \"lora_only\" is not supported"},
           {R"("modules_to_save": ["a"])", "modules_to_save is not supported"},
           {R"("layer_replication": [[0, 4]])", "layer_replication is not supported"},
           {R"("megatron_config": {"a": 1})", "megatron_config is not supported"},
           {R"("trainable_token_indices": [1])", "trainable_token_indices is not supported"},
           {R"("use_qalora": true)", "use_qalora is not supported"},
           {R"("use_bdlora": {"nblocks": 2})", "use_bdlora is not supported"},
           {R"("alora_invocation_tokens": [1])", "alora_invocation_tokens is not supported"},
           {R"("target_parameters": ["w"])", "target_parameters is not supported"},
           {R"("arrow_config": {"top_k": 3})", "arrow_config is not supported"},
           {R"("kasa_config": {"beta": 1})", "kasa_config is not supported"},
           {R"("monteclora_config": {"num_samples": 8})", "monteclora_config is not supported"},
           {R"("new_key": 0.5)", "new_key = 0.5 is not known here and could change the result"},
           {R"("use_new": true)", "set it to null"},
           {R"("use_new": true, "use_dora": true)", "\n  use_dora is not supported"},
           {R"("alpha_pattern": {"(?<=a)to_q": 3})", "with a lookbehind such as (?<=a)"},
           {R"("alpha_pattern": {"(?i)to_q": 3})", "with inline flags such as (?i)"},
           {R"("rank_pattern": {"(a)\\1": 3})", "a back-reference"},
           {R"("layers_to_transform": [1], "layers_pattern": "lay.*")",
            "layers_pattern: expected"}})
    EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr(text), with(more));
  for (const auto& [more, text] : std::vector<std::pair<const char*, const char*>>{
           {R"("use_rslora": "yes")", "use_rslora: expected true or false, got \"yes\""},
           {R"("alpha_pattern": {"a": "b"})", "alpha_pattern: \"a\": expected numbers"},
           {R"("rank_pattern": {"a": 1.5})", "expected whole numbers above 0, got 1.5"},
           {R"("rank_pattern": [1])", "rank_pattern: expected an object"},
           {R"("target_modules": 3)", "target_modules: expected a text or a list"},
           {R"("layers_to_transform": ["a"])", "layers_to_transform: expected whole numbers"}})
    EXPECT_FAILS(HN_DATA_LOSS, HasSubstr(text), with(more));
}

// peft would leave such matrices out, or fail.
TEST_F(LoraFiles, FilesThatSayOtherThanTheirConfigurationAreRefused) {
  const std::vector<Tensor> tensors = {{"base_model.model.net.0.to_q.lora_A.weight", {4, 8}},
                                       {"base_model.model.net.0.to_q.lora_B.weight", {8, 4}}};
  write(tensors, {}, "adapter_model.safetensors");
  for (const auto& [more, text] : std::vector<std::pair<const char*, const char*>>{
           {R"("r": 8)", "net.0.to_q: has rank 4 in the file, and 8 by"},
           {R"("r": 8, "rank_pattern": {"to_q": 2})", "has rank 4 in the file, and 2 by"},
           {R"("r": 4, "target_modules": ["to_k"])", "target_modules does not name it"},
           {R"("r": 4, "target_modules": "to_q")", "target_modules does not name it"},
           {R"("r": 4, "exclude_modules": ["to_q"])", "exclude_modules names it"},
           {R"("r": 4, "exclude_modules": ".*to_q")", "exclude_modules names it"},
           {R"("r": 4, "layers_to_transform": 1, "layers_pattern": "net")", "layers_to_transform"},
           {R"("r": 4, "layers_to_transform": [0])", "layers_to_transform leaves it out"}}) {
    std::ofstream(folder_ / "adapter_config.json") << R"({"lora_alpha": 8, )" << more << "}";
    EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr(text), read_lora(folder_, layers_));
  }
  std::ofstream(folder_ / "adapter_config.json")
      << R"({"lora_alpha": 8, "r": 2, "rank_pattern": {"net.0.to_q": 4},
             "layers_to_transform": [0, 7], "layers_pattern": ["h", "net"]})";
  EXPECT_EQ(read_lora(folder_, layers_).layers.at(0).alpha, 8);
  // The file's own alpha and the configuration's.
  const auto file = write({{"net.0.to_q.lora_A.weight", {4, 8}},
                           {"net.0.to_q.lora_B.weight", {8, 4}},
                           {"net.0.to_q.alpha", {}, 4}},
                          {{"lora_adapter_metadata", R"({"lora_alpha": 8})"}});
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("has the alpha 4 in the file, and 8 by"),
               read_lora(file, layers_));
}

TEST_F(LoraFiles, OtherMethodsAreRefusedByTheirTensors) {
  const std::vector<Tensor> good = {{"lora_unet_net_0_to_q.lora_down.weight", {2, 8}},
                                    {"lora_unet_net_0_to_q.lora_up.weight", {8, 2}}};
  for (const auto& [end, text] : std::vector<std::pair<std::string, const char*>>{
           {".dora_scale", "dora_scale is not supported (DoRA)"},
           {".hada_w1_a", "hada_ is not supported (LoHa)"},
           {".lokr_w1", "lokr_ is not supported (LoKr)"},
           {".lora_mid.weight", "lora_mid is not supported"},
           {".oft_blocks", "oft_ is not supported"},
           {".oft_diag", "oft_ is not supported"},
           {".a1.weight", "a1.weight is not supported (GLoRA)"},
           {".b2.weight", "b2.weight is not supported (GLoRA)"},
           {".diff", "diff is not supported"},
           {".diff_b", "diff_b is not supported (a change of a bias)"},
           {".w_norm", "w_norm is not supported"},
           {".b_norm", "b_norm is not supported"},
           {".set_weight", "set_weight is not supported"},
           {".reshape_weight", "reshape_weight is not supported"},
           {".on_input", "on_input is not supported"},
           {".scalar", "scalar is not supported"},
           {".lora_B.bias", "lora_B.bias is not supported (a bias of B)"},
           {".lora_B.default.bias", "lora_B.bias is not supported"},
           {".lora_magnitude_vector.weight", "lora_magnitude_vector is not supported"},
           {".lora_diag", "lora_diag is not supported (KaSA)"}}) {
    std::vector<Tensor> tensors = good;
    const std::string key = "lora_unet_net_0_conv" + end, text_key = "lora_te1_x" + end;
    tensors.push_back({key.c_str(), {1}});
    // Also where the rest would be loaded all the same.
    EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr(key + ": " + text),
                 open(write(tensors), NetKind::kHypernet, true));
    tensors.back().name = text_key.c_str();
    EXPECT_THAT(read_lora(write(tensors), layers_).text_encoders, ElementsAre(text_key));
  }
  const auto with = [&](const std::string& module, const std::string& arguments) {
    return read_lora(write(good, {{"ss_network_module", module}, {"ss_network_args", arguments}}),
                     layers_)
        .layers.size();
  };
  EXPECT_EQ(with("networks.lora", "{}"), 1u);
  EXPECT_EQ(with("lycoris.kohya", R"({"algo": "locon", "conv_dim": "4"})"), 1u);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("ss_network_module networks.oft is not supported"),
               with("networks.oft", "{}"));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("algo loha is not supported"),
               with("lycoris.kohya", R"({"algo": "loha"})"));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("dora_wd is not supported"),
               with("lycoris.kohya", R"({"algo": "lora", "dora_wd": "True"})"));
}

// They are the frozen text encoder's: told with their number, never an error.
TEST_F(LoraFiles, TextEncodersInEverySpellingAreOnlyTold) {
  for (const char* start :
       {"text_encoder.", "text_encoder_2.", "text_encoder_3.", "text_encoders.clip_l.transformer.",
        "text_encoders.t5xxl.transformer.", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_",
        "clip_l.transformer.", "clip_g.", "t5xxl.", "cond_stage_model.", "conditioner.embedders.0.",
        "text_model.encoder.", "transformer.text_model."}) {
    const std::string a = std::string(start) + "x.lora_A.weight", b = std::string(start) + "x.odd";
    log_.clear();
    open(write({{"unet.net.0.to_q.lora_A.weight", {2, 8}},
                {"unet.net.0.to_q.lora_B.weight", {8, 2}},
                {a.c_str(), {2, 8}},
                {b.c_str(), {1}}}));
    EXPECT_THAT(log_, HasSubstr("2 keys of text encoders are not used")) << start;
  }
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("text_encoded.x"),
               open(write({{"unet.net.0.to_q.lora_A.weight", {2, 8}},
                           {"unet.net.0.to_q.lora_B.weight", {8, 2}},
                           {"text_encoded.x.lora_A.weight", {2, 8}}})));
}

TEST(PythonPattern, MatchesAsPythonDoes) {
  struct Row {
    const char* pattern;
    const char* text;
    bool whole, end;
  };
  for (const Row& row : std::vector<Row>{{"to_q", "to_q", true, true},
                                         {"to_q", "a.to_q", false, true},
                                         {"to_q", "a.b_to_q", false, false},
                                         {"a.b", "axb", true, true},
                                         {"a\\.b", "axb", false, false},
                                         {"a\\.b|c", "x.c", false, true},
                                         {"^a.b", "a.b", true, true},
                                         {"^a.b", "x.a.b", false, false},
                                         {"a|b$", "x.a", false, true},
                                         {".*to_[qk]\\Z", "a.to_k", true, true},
                                         {"(?P<n>a|b)c{,2}", "bcc", true, true},
                                         {"(?P<n>a|b)c{,2}", "bccc", false, false},
                                         {"a{x}", "a{x}", true, true},
                                         {"[]a]+", "a]", true, true},
                                         {"[^]a]", "b", true, true},
                                         {"[[:alpha:]]", "h]", true, true},  // a set of letters
                                         {"\\Aa", "a", true, true},
                                         {"a+?\\d", "aa7", true, true},
                                         {"(?!a)[a-c]", "b", true, true},
                                         {"(?!a)[a-c]", "a", false, false}}) {
    const PythonPattern pattern(row.pattern);
    EXPECT_EQ(pattern.matches(row.text), row.whole) << row.pattern << " on " << row.text;
    EXPECT_EQ(pattern.matches_end_of(row.text), row.end) << row.pattern << " at " << row.text;
  }
  for (const auto& [pattern, what] :
       std::vector<std::pair<std::string, const char*>>{{"(?<!a)b", "lookbehind"},
                                                        {"(?i)a", "inline flags"},
                                                        {"(a)\\1", "back-reference"},
                                                        {"(?P=n)", "back-reference"},
                                                        {"(?>a)", "atomic"},
                                                        {"a*+", "possessive"},
                                                        {"(?#x)a", "comment"},
                                                        {"a{1000}", "a repetition above 100"},
                                                        {"\\ka", "the escape \\k"},
                                                        {"[a", "a [ without its ]"},
                                                        {"(", "no regular expression"},
                                                        {"*", "no regular expression"},
                                                        {std::string(3000, '('), "more than 2000"},
                                                        {"\xc3\xa9*", "ASCII"}})
    try {
      const PythonPattern read(pattern);
      ADD_FAILURE() << pattern;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr(what)) << pattern;
    }
  // Many ways to match, and names without end.
  EXPECT_FALSE(PythonPattern("(a*)*b").matches(std::string(60, 'a')));
  std::string names;
  for (int i = 0; i < 2000; ++i) names += "|block.layers." + std::to_string(i) + ".to_q";
  EXPECT_TRUE(PythonPattern(names).matches("block.layers.1999.to_q"));
}

TEST_F(LoraFiles, FilesThatAreNotThere) {
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("none.safetensors"),
               read_lora(folder_ / "none.safetensors", layers_));
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("pytorch_lora_weights.safetensors in"),
               read_lora(folder_, layers_));
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("holds no tensors"), read_lora(write({}), layers_));
}

}  // namespace
}  // namespace hn::core::test
