// Parity of the SANA-Sprint model with diffusers, transformers and peft, stage by stage and end to
// end, forward and gradient. Goldens: make.py beside this file. Tolerance: 1e-4 of the golden's
// largest magnitude in float32; bfloat16 is bounded by the error that the reference itself makes in
// bfloat16.
#include "golden.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace {

using golden::Golden;
using hn::sana::Model;
using hn::sana::Prompt;

constexpr double kTolerance = 1e-4;

class PrintTable : public testing::Environment {
  void TearDown() override { golden::Table::get().print(); }
};
const auto* const print_table = testing::AddGlobalTestEnvironment(new PrintTable);

struct Loaded {
  explicit Loaded(const std::string& name, at::ScalarType dtype = at::kFloat)
      : golden(name), model(golden.folder(), options(dtype)) {
    for (const auto& text : golden.list("prompts")) prompts.push_back(model.encode_prompt(text));
    for (const auto& prompt : prompts) pointers.push_back(prompt.get());
  }
  static hn::sana::LoadOptions options(at::ScalarType dtype) {
    hn::sana::LoadOptions o;
    o.dtype = dtype;
    return o;
  }
  hn::sana::SampleOptions steps(std::int64_t n) const {
    hn::sana::SampleOptions o;
    o.steps = hn::sana::scm_schedule(n, model.scheduler(), {});
    return o;
  }
  // The golden's adapter; its tensors require gradients and are listed by their slot names.
  hn::LoraSet lora(bool branch_only, std::map<std::string, at::Tensor>& params,
                   at::ScalarType dtype = at::kFloat) const {
    const auto& layers = model.transformer().layers();
    const auto targets = golden.list("targets");
    hn::LoraSet set(layers.size(), golden.number("alpha") / golden.number("rank"),
                    branch_only ? model.transformer().proj_out_layer() : -1);
    for (const int index : hn::match_targets(layers, targets)) {
      const std::string name = layers[static_cast<std::size_t>(index)].name;
      for (const char* which : {".lora_A.weight", ".lora_B.weight"})
        params[name + which] = golden.get("lora." + name + which).to(dtype).requires_grad_(true);
      set.set(index, params[name + ".lora_A.weight"], params[name + ".lora_B.weight"]);
    }
    return set;
  }
  void expect(const std::string& stage, const at::Tensor& got, const std::string& key,
              double tolerance = kTolerance) const {
    const double error = golden::relative_error(got, golden.get(key));
    golden::Table::get().add(stage, golden.name(), error);
    EXPECT_LE(error, tolerance) << stage << " of " << golden.name();
  }

  Golden golden;
  Model model;
  std::vector<std::unique_ptr<Prompt>> prompts;
  std::vector<const Prompt*> pointers;
};

at::Tensor gradient(const at::Tensor& of, const at::Tensor& by, const at::Tensor& cotangent) {
  return torch::autograd::grad({of}, {by}, {cotangent.to(of.scalar_type())}, true)[0];
}

class SanaGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { loaded = std::make_unique<Loaded>(GetParam()); }
  std::unique_ptr<Loaded> loaded;
};

TEST_P(SanaGolden, TokensAndTextStates) {
  const auto& g = loaded->golden;
  const auto prompts = g.list("prompts");
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto tokens = loaded->model.prompts().tokenize(prompts[i]);
    const auto want = g.get("ids." + std::to_string(i));
    const std::vector<std::int64_t> ids(tokens.ids.begin(), tokens.ids.end());
    EXPECT_TRUE(at::equal(at::tensor(ids, at::kLong), want)) << prompts[i];
    loaded->expect("text encoder", loaded->prompts[i]->states, "text." + std::to_string(i));
  }
}

TEST_P(SanaGolden, InstructionAndTokenLimit) {
  const auto& g = loaded->golden;
  hn::sana::LoadOptions options;
  options.prompts = {std::stol(g.text("instructed_max")), g.list("instruction")};
  const Model instructed(g.folder(), options);
  const auto prompts = g.list("prompts");
  for (std::size_t i = 0; i < prompts.size(); ++i)
    loaded->expect("text encoder with instruction", instructed.encode_prompt(prompts[i])->states,
                   "instructed." + std::to_string(i));
}

TEST_P(SanaGolden, Transformer) {
  const auto& g = loaded->golden;
  const auto& t = loaded->model.transformer();
  const auto x = g.get("noise").requires_grad_(true);
  const auto y = t(x, loaded->model.caption(loaded->pointers, {}), 0.6,
                   4.5 * t.config().guidance_embeds_scale, {});
  loaded->expect("transformer", y, "transformer.out");
  loaded->expect("transformer, gradient", gradient(y, x, g.get("transformer.cotangent")),
                 "transformer.grad");
}

TEST_P(SanaGolden, Autoencoder) {
  const auto& g = loaded->golden;
  if (g.has("vae.image")) {
    const auto image = g.get("vae.image").requires_grad_(true);
    const auto z = loaded->model.encode(image);
    loaded->expect("encoder", z, "vae.latents");
    loaded->expect("encoder, gradient", gradient(z, image, g.get("vae.encode_cotangent")),
                   "vae.encode_grad");
  }
  const auto latents = g.get("vae.decode_in").requires_grad_(true);
  const auto decoded = loaded->model.decode(latents);
  loaded->expect("decoder", decoded, "vae.decoded");
  loaded->expect("decoder, gradient", gradient(decoded, latents, g.get("image_cotangent")),
                 "vae.decode_grad");
}

TEST_P(SanaGolden, DecoderInTiles) {
  const auto& g = loaded->golden;
  if (!g.has("tiles.in")) GTEST_SKIP() << "this golden has no tiles";
  const std::int64_t factor = loaded->model.vae().factor();
  const hn::Tiling tiling{static_cast<std::int64_t>(g.number("tile")) / factor,
                          static_cast<std::int64_t>(g.number("tile_stride")) / factor};
  const auto latents = g.get("tiles.in").requires_grad_(true);
  ASSERT_TRUE(tiling.cuts(latents.size(2), latents.size(3)));
  const auto decoded = loaded->model.decode(latents, nullptr, tiling);
  loaded->expect("decoder in tiles", decoded, "tiles.image");
  const auto cotangent = at::linspace(-1, 1, decoded.numel()).view(decoded.sizes());
  loaded->expect("decoder in tiles, gradient", gradient(decoded, latents, cotangent), "tiles.grad");
}

TEST_P(SanaGolden, Sampling) {
  const auto& g = loaded->golden;
  for (const int n : {1, 2, 4}) {
    const std::string steps = std::to_string(n);
    const auto step_noise = n > 1 ? g.get("step_noise." + steps) : at::Tensor();
    const auto latents =
        loaded->model.sample(g.get("noise"), step_noise, loaded->pointers, {}, loaded->steps(n));
    loaded->expect("latents, steps " + steps, latents, "latents." + steps);
    if (g.has("image." + steps))
      loaded->expect("image, steps " + steps, loaded->model.decode(latents), "image." + steps);
  }
}

TEST_P(SanaGolden, ImageGradient) {
  const auto& g = loaded->golden;
  const auto noise = g.get("noise").requires_grad_(true);
  const auto image =
      loaded->model.decode(loaded->model.sample(noise, {}, loaded->pointers, {}, loaded->steps(1)));
  loaded->expect("image, gradient by noise", gradient(image, noise, g.get("image_cotangent")),
                 "image_grad");
}

TEST_P(SanaGolden, NoiseNet) {
  const auto& g = loaded->golden;
  std::map<std::string, at::Tensor> params;
  const auto lora = loaded->lora(true, params);
  const auto noise = g.get("noise").requires_grad_(true);
  const auto offset = loaded->model.noise_net(noise, loaded->pointers, lora, 4.5);
  loaded->expect("noise_net", offset, "offset");
  const auto cotangent = g.get("transformer.cotangent");
  loaded->expect("noise_net, gradient by noise", gradient(offset, noise, cotangent), "offset_grad");
  const std::string prefix = "offset_grad.";
  std::vector<at::Tensor> leaves;
  const auto keys = g.keys(prefix);
  ASSERT_FALSE(keys.empty());
  for (const auto& key : keys) leaves.push_back(params.at(key.substr(prefix.size())));
  const auto grads = torch::autograd::grad({offset}, leaves, {cotangent}, true);
  for (std::size_t i = 0; i < keys.size(); ++i)
    loaded->expect("noise_net, gradient by LoRA", grads[i], keys[i]);
}

TEST_P(SanaGolden, AdaptedGenerator) {
  const auto& g = loaded->golden;
  std::map<std::string, at::Tensor> params;
  const auto lora = loaded->lora(false, params);
  const auto latents =
      loaded->model.sample(g.get("noise"), {}, loaded->pointers, lora, loaded->steps(1));
  loaded->expect("fine-tuned latents", latents, "tuned.latents");
  const std::string prefix = "tuned_grad.";
  for (const auto& key : g.keys(prefix))
    loaded->expect(
        "fine-tuned, gradient by LoRA",
        gradient(latents, params.at(key.substr(prefix.size())), g.get("transformer.cotangent")),
        key);
}

TEST_P(SanaGolden, ZeroStartIsExact) {
  std::map<std::string, at::Tensor> params;
  const auto lora = loaded->lora(true, params);
  for (auto& [name, p] : params) {
    if (name.ends_with("lora_B.weight")) p.detach().zero_();
  }
  const auto offset =
      loaded->model.noise_net(loaded->golden.get("noise"), loaded->pointers, lora, 4.5);
  EXPECT_EQ(offset.abs().max().item<double>(), 0.0);
}

// The reference's own bfloat16 error is in the golden; ours may be three times as large: other
// roundings of as many operations, one sample.
TEST_P(SanaGolden, Bfloat16) {
  const Loaded half(GetParam(), at::kBFloat16);
  const auto latents =
      half.model.sample(half.golden.get("noise"), {}, half.pointers, {}, half.steps(1));
  half.expect("latents, steps 1, bfloat16", latents, "latents.1",
              3 * half.golden.number("bfloat16_error") + 5e-3);
  golden::Table::get().add("the reference's own, bfloat16", GetParam(),
                           half.golden.number("bfloat16_error"));
}

// Directional derivatives in float64, so that nothing but the formulas is compared. The bound
// leaves room for a ReLU that flips inside the step.
TEST_P(SanaGolden, FiniteDifferences) {
  const Loaded wide(GetParam(), at::kDouble);
  const auto& g = wide.golden;
  const auto cotangent = g.get("transformer.cotangent").to(at::kDouble);
  std::map<std::string, at::Tensor> params;
  const auto lora = wide.lora(true, params, at::kDouble);
  const auto noise = g.get("noise").to(at::kDouble).requires_grad_(true);
  const auto value = [&](const at::Tensor& x) {
    const auto moved = x + wide.model.noise_net(x, wide.pointers, lora, 4.5);
    return (wide.model.sample(moved, {}, wide.pointers, {}, wide.steps(1)) * cotangent).sum();
  };
  const double h = 1e-7;
  const auto check = [&](const std::string& what, const at::Tensor& leaf, const auto& at) {
    const auto direction = at::randn(leaf.sizes(), at::detail::createCPUGenerator(3),
                                     leaf.options().requires_grad(false));
    const double analytic =
        (torch::autograd::grad({at(leaf)}, {leaf})[0] * direction).sum().template item<double>();
    double sides[2];
    for (int s = 0; s < 2; ++s) {
      c10::NoGradGuard no_grad;
      const auto base = leaf.detach().clone();
      leaf.detach().add_(direction, s == 0 ? h : -h);
      sides[s] = at(leaf).template item<double>();
      leaf.detach().copy_(base);
    }
    const double numeric = (sides[0] - sides[1]) / (2 * h);
    const double error = std::abs(analytic - numeric) / std::max(std::abs(numeric), 1e-6);
    golden::Table::get().add(what, g.name(), error);
    EXPECT_LE(error, 1e-4) << what << ": " << analytic << " against " << numeric;
  };
  check("finite differences by noise", noise, value);
  for (const auto& [name, p] : params) {
    if (!name.starts_with("proj_out") && name.find("_blocks.0.attn1.to_q") == std::string::npos &&
        name.find("_blocks.0.ff") == std::string::npos)
      continue;
    check("finite differences by LoRA", p, [&](const at::Tensor&) { return value(noise); });
  }
}

TEST(SanaGoldenFiles, EmbeddedWeightsAreTheOnesTheGoldenWasMadeWith) {
  const Loaded loaded("emoji-sprint");
  const auto latents =
      loaded.model.sample(loaded.golden.get("noise"), {}, loaded.pointers, {}, loaded.steps(1));
  EXPECT_LE(golden::relative_error(latents, loaded.golden.get("latents.1")), kTolerance)
      << "were the embedded weights trained again? Then: python tests/golden/sana_sprint/make.py "
         "emoji-sprint";
}

INSTANTIATE_TEST_SUITE_P(Models, SanaGolden, testing::ValuesIn(golden::kModels),
                         [](const auto& info) {
                           return info.param == "emoji-sprint" ? std::string("emoji_sprint")
                                                               : info.param;
                         });

}  // namespace
