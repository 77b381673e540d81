// SANA-Sprint's side of the parity tests (tests/golden/generator). Goldens: make.py beside this
// file; weights and inputs are in them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "autoencoder_dc.hpp"
#include "golden/generator/case.hpp"
#include "model.hpp"

namespace golden {
namespace {

using hn::sana::Model;

const fs::path kGoldens = kSource / "tests/golden/sana_sprint";
const fs::path kEmbedded = kSource / "plugins/generators/sana_sprint/weights/emoji-sprint";

const Model& as_model(const hn::Pipeline& model) { return static_cast<const Model&>(model); }

class SanaCase final : public Case {
 public:
  explicit SanaCase(const std::string& name) : Case(name, kGoldens) {
    folder_ = kEmbedded;
    if (name == "emoji-sprint") return;
    // The stored models have no tokenizer of their own: a folder of links puts the embedded one
    // beside the rest.
    folder_ = fs::temp_directory_path() / ("hn_golden_" + std::to_string(::getpid()) + "_" + name);
    fs::create_directories(folder_);
    for (const char* part : {"transformer", "vae", "text_encoder", "scheduler"})
      link(kGoldens / name / part, part);
    link(kEmbedded / "tokenizer", "tokenizer");
  }
  ~SanaCase() override {
    if (folder_ != kEmbedded) fs::remove_all(folder_);
  }

  std::string key(const std::string& stage) const override {
    static const std::map<std::string, std::string> names{
        {"encode", "vae.latents"},     {"encode.grad", "vae.encode_grad"},
        {"decode", "vae.decoded"},     {"decode.grad", "vae.decode_grad"},
        {"tiles", "tiles.image"},      {"image.1.grad", "image_grad"},
        {"offset.grad", "offset_grad"}};
    const auto found = names.find(stage);
    return found == names.end() ? stage : found->second;
  }
  std::unique_ptr<hn::Pipeline> load(const hn::PipelineOptions& options) const override {
    return std::make_unique<Model>(folder_, options);
  }
  std::vector<std::int64_t> tokens(const hn::Pipeline& model,
                                   const std::string& prompt) const override {
    const auto ids = as_model(model).prompts().tokenize(prompt).ids;
    return {ids.begin(), ids.end()};
  }
  std::vector<NetworkStage> network_stages(const hn::Pipeline&) const override {
    return {{0.6, "transformer.out", "transformer.grad"}};
  }
  at::Tensor network(const hn::Pipeline& model, const at::Tensor& x, double time,
                     const hn::PassContext& context) const override {
    const auto& transformer = as_model(model).transformer();
    return transformer(x, as_model(model).caption(context), time,
                       4.5 * transformer.config().guidance_embeds_scale, context.lora,
                       &context.run);
  }
  bool tiles_in_pixels() const override { return true; }
  // "deep" has the most layers of all goldens: .34 there, below .2 elsewhere.
  double int8_gradient_tolerance() const override { return name() == "deep" ? 0.5 : 0.2; }
  at::Tensor input(const std::string& what) const override {
    static const std::map<std::string, std::string> names{
        {"latent_cotangent", "transformer.cotangent"},
        {"image", "vae.image"},
        {"encode_cotangent", "vae.encode_cotangent"},
        {"latents", "vae.decode_in"},
        {"tiles", "tiles.in"}};
    if (what == "tiles_cotangent") {
      const auto picture = file_.get("tiles.image");
      return at::linspace(-1, 1, picture.numel()).view(picture.sizes());
    }
    const auto found = names.find(what);
    const std::string& stored = found == names.end() ? what : found->second;
    return file_.has(stored) ? file_.get(stored) : at::Tensor();
  }
  at::Tensor matrix(const std::string& slot, at::IntArrayRef) const override {
    return file_.get("lora." + slot);
  }
  void compare_gradients(const std::string& stage, const Params& grads) const override {
    const std::string prefix = stage == "noise_net" ? "offset_grad." : "tuned_grad.";
    const auto keys = file_.keys(prefix);
    ASSERT_FALSE(keys.empty());
    for (const auto& key : keys)
      expect(stage + ", gradient by LoRA", grads.at(key.substr(prefix.size())), key);
  }
  std::int64_t tuned_steps() const override { return 1; }
  double step() const override { return 1e-7; }
  bool differentiated(const std::string& slot, int, const std::string& last) const override {
    return slot.starts_with(last) || slot.find("_blocks.0.attn1.to_q") != std::string::npos ||
           slot.find("_blocks.0.ff") != std::string::npos;
  }

 private:
  void link(const fs::path& target, const std::string& name) const {
    fs::remove(folder_ / name);
    fs::create_directory_symlink(target, folder_ / name);
  }
};

}  // namespace

const std::vector<std::string>& models() {
  static const std::vector<std::string> names{"emoji-sprint", "plain", "biased",
                                              "wide",         "convs", "deep"};
  return names;
}

std::unique_ptr<Case> make_case(const std::string& model) {
  return std::make_unique<SanaCase>(model);
}

const std::vector<std::pair<std::string, Construct>>& parts() {
  static const std::vector<std::pair<std::string, Construct>> all{
      {"transformer",
       [](const fs::path& config, hn::WeightMap& weights) {
         using namespace hn::sana;
         return Transformer(TransformerConfig::read(config), weights).layers().size();
       }},
      {"vae",
       [](const fs::path& config, hn::WeightMap& weights) {
         const hn::sana::AutoencoderDC vae(hn::sana::VaeConfig::read(config), weights);
         return std::size_t{0};
       }},
      {"text_encoder", [](const fs::path& config, hn::WeightMap& weights) {
         const hn::Gemma2 encoder(hn::Gemma2Config::read(config), weights);
         return std::size_t{0};
       }}};
  return all;
}

// The two sizes of the transformer have 28 and 20 blocks of seven projections and three
// convolutions, and a query of its own for the caption, and nine layers around them.
std::vector<Published> published() {
  const fs::path at = kGoldens / "published";
  const auto part = [&](const char* part, const std::string& file, std::int64_t numbers,
                        std::size_t layers) {
    Published p;
    p.part = part;
    p.tensors = at / (file + ".tensors");
    p.config = at / (file + ".json");
    p.numbers = numbers;
    p.layers = layers;
    return p;
  };
  std::vector<Published> all{part("transformer", "transformer_0.6b", 593'501'216, 28 * 11 + 9),
                             part("transformer", "transformer_1.6b", 1'610'237'472, 20 * 11 + 9),
                             part("vae", "vae", 312'250'275, 0),
                             part("text_encoder", "text_encoder", 2'614'341'888, 0)};
  all.back().prefix = "model.";
  all.back().beside = {{"lm_head.weight", {256000, 2304}}};
  all.back().ignored = {"lm_head."};
  return all;
}

namespace {

class SanaGolden : public testing::TestWithParam<std::string> {};

TEST_P(SanaGolden, InstructionAndTokenLimit) {
  const SanaCase golden(GetParam());
  const auto& file = golden.file();
  const Model instructed(golden.folder(), {},
                         {std::stol(file.text("instructed_max")), file.texts("instruction")});
  const auto prompts = file.texts("prompts");
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto prompt = instructed.encode_prompt(prompts[i]);
    golden.expect("text encoder with instruction", instructed.prompt_tensors(*prompt).at("states"),
                  "instructed." + std::to_string(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SanaGolden, testing::ValuesIn(models()), [](const auto& info) {
  return info.param == "emoji-sprint" ? std::string("emoji_sprint") : info.param;
});

}  // namespace
}  // namespace golden
