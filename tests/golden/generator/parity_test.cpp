// Parity of a generator with diffusers, transformers and peft, stage by stage and end to end,
// forward and gradient. Goldens: make.py of the generator's folder. Tolerance: 1e-4 of the golden's
// largest magnitude in float32; bfloat16 is bounded by the error that the reference itself makes in
// bfloat16.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "golden/generator/case.hpp"
#include "unit/memory_support.hpp"

namespace golden {
namespace {

class PrintTable : public testing::Environment {
  void TearDown() override { table().print(); }
};
const auto* const print_table = testing::AddGlobalTestEnvironment(new PrintTable);

// A part of the network may reach nothing: its gradients are 0.
std::vector<at::Tensor> gradients(const at::Tensor& of, const std::vector<at::Tensor>& by,
                                  const at::Tensor& cotangent) {
  auto grads = torch::autograd::grad({of}, by, {cotangent.to(of.scalar_type())},
                                     /*retain_graph=*/true, /*create_graph=*/false,
                                     /*allow_unused=*/true);
  for (std::size_t i = 0; i < grads.size(); ++i)
    if (!grads[i].defined()) grads[i] = at::zeros_like(by[i]);
  return grads;
}
at::Tensor gradient(const at::Tensor& of, const at::Tensor& by, const at::Tensor& cotangent) {
  return gradients(of, {by}, cotangent)[0];
}

// A case's model, its prompts encoded, and its functions without the host around them.
struct Loaded {
  explicit Loaded(const Case& c, const hn::PipelineOptions& options = {})
      : golden(c), model(c.load(options)), call_options(c.options()) {
    // Equal prompts share a handle, as a host's cache makes it.
    for (const auto& text : c.file().texts("prompts")) {
      auto& prompt = cache[text];
      if (!prompt) prompt = model->encode_prompt(text);
      prompts.push_back(prompt.get());
    }
  }
  template <class F>
  at::Tensor with(std::int64_t steps, const hn::LoraSet& lora, hn::BlockRunner* run,
                  const F& f) const {
    const auto settings = model->settings(hn::test::config_of(call_options), steps, nullptr);
    hn::BlockRunner keeping;
    const hn::PassContext context{prompts, lora, *settings, run != nullptr ? *run : keeping, {}};
    return f(context);
  }
  at::Tensor network(const at::Tensor& x, double time) const {
    return with(1, {}, nullptr, [&](const auto& c) { return golden.network(*model, x, time, c); });
  }
  at::Tensor noise_net(const at::Tensor& x, const hn::LoraSet& lora,
                       hn::BlockRunner* run = nullptr) const {
    return with(1, lora, run, [&](const auto& c) { return model->noise_net(x, c); });
  }
  at::Tensor sample(const at::Tensor& x, std::int64_t steps, const hn::LoraSet& lora = {},
                    hn::BlockRunner* run = nullptr) const {
    const auto drawn = golden.input("step_noise." + std::to_string(steps));
    return with(steps, lora, run, [&](const auto& c) { return model->sample(x, drawn, c); });
  }
  at::Tensor decode(const at::Tensor& latents, hn::BlockRunner* run = nullptr) const {
    return with(1, {}, run, [&](const auto& c) { return model->decode(latents, c); });
  }
  at::Tensor encode(const at::Tensor& image, hn::BlockRunner* run = nullptr) const {
    return with(1, {}, run, [&](const auto& c) { return model->encode(image, c); });
  }
  const std::string& output_layer() const {
    return model->layers()[static_cast<std::size_t>(model->output_layer())].name;
  }
  // The golden's adapter; its tensors require gradients.
  hn::LoraSet lora(bool branch_only, Params& params, at::ScalarType dtype = at::kFloat) const {
    const auto& layers = model->layers();
    const double rank = golden.file().number("rank");
    hn::LoraSet set(layers.size(), golden.file().number("alpha") / rank,
                    branch_only ? model->output_layer() : -1);
    const auto targets = golden.targets();
    for (const int index : hn::match_targets(layers, targets)) {
      const auto& layer = layers[static_cast<std::size_t>(index)];
      const auto make = [&](const char* which, const std::vector<std::int64_t>& shape) {
        const std::string slot = layer.name + which;
        return params[slot] = golden.matrix(slot, shape).to(dtype).requires_grad_(true);
      };
      const auto r = static_cast<std::int64_t>(rank);
      const auto a = make(".lora_A.weight", hn::lora_a_shape(layer, r));
      set.set(index, a, make(".lora_B.weight", hn::lora_b_shape(layer, r, false)));
    }
    return set;
  }
  at::Tensor noise() const { return golden.input("noise"); }

  const Case& golden;
  std::unique_ptr<hn::Pipeline> model;
  hn::test::Options call_options;
  std::map<std::string, std::unique_ptr<hn::Cond>> cache;
  std::vector<const hn::Cond*> prompts;
};

std::vector<at::Tensor> leaves_of(const at::Tensor& x, const Params& params) {
  std::vector<at::Tensor> leaves{x};
  for (const auto& [slot, p] : params) leaves.push_back(p);
  return leaves;
}

class GeneratorGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden = make_case(GetParam());
    loaded = std::make_unique<Loaded>(*golden);
  }
  // The comparison of a value, and of its gradients by the noise and the adapter.
  void expect_adapted(const std::string& stage, const std::string& what, const at::Tensor& value,
                      const at::Tensor& x, const Params& params) const {
    golden->expect(stage, value, what);
    const auto grads = gradients(value, leaves_of(x, params), golden->input("latent_cotangent"));
    const std::string by_noise = what == "offset" ? "offset.grad" : "tuned.grad";
    if (golden->has(by_noise)) golden->expect(stage + ", gradient by noise", grads[0], by_noise);
    Params by_lora;
    std::size_t i = 0;
    for (const auto& [slot, p] : params) by_lora[slot] = grads[++i];
    golden->compare_gradients(stage, by_lora);
  }
  std::unique_ptr<Case> golden;
  std::unique_ptr<Loaded> loaded;
};

TEST_P(GeneratorGolden, TheLoaderAsksForTheReferencesTensors) {
  for (const auto& [part, construct] : parts()) {
    const std::string stored = "inventory." + part;
    if (!golden->file().has_text(stored)) continue;
    auto list = wanted(construct, golden->folder() / part / "config.json");
    // A state dict has T5's embedding twice, under its two names.
    if (list.front().name == "shared.weight")
      list.push_back({"encoder.embed_tokens.weight", list.front().shape});
    EXPECT_EQ(counter::inventory(list), golden->file().text(stored)) << part;
  }
}

TEST_P(GeneratorGolden, TokensAndTextStates) {
  const auto texts = golden->file().texts("prompts");
  for (const std::size_t i : {0u, 1u}) {
    const std::string n = std::to_string(i);
    EXPECT_TRUE(at::equal(at::tensor(golden->tokens(*loaded->model, texts[i]), at::kLong),
                          golden->file().get("ids." + n)))
        << texts[i];
    const auto states = loaded->model->prompt_tensors(*loaded->prompts[i]);
    for (const auto& [name, stage] : golden->text_stages())
      golden->expect("text encoder, " + name, states.at(name), stage + "." + n);
  }
}

TEST_P(GeneratorGolden, PromptsComeBackFromTheirTensorsAndNoOthers) {
  const hn::Cond& first = *loaded->prompts[0];
  const auto states = loaded->model->prompt_tensors(first);
  const auto again = loaded->model->restore_prompt("text", states);
  EXPECT_TRUE(at::equal(loaded->model->embedding(*again), loaded->model->embedding(first)));
  EXPECT_EQ(loaded->model->embedding(first).numel(), loaded->model->embedding_size());
  const auto refused = [&](const hn::PromptTensors& others, const std::string& what) {
    try {
      loaded->model->restore_prompt("text", others);
      ADD_FAILURE() << "accepted: " << what;
    } catch (const hn::Error& error) {
      EXPECT_EQ(error.code(), HN_DATA_LOSS);
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
  };
  for (const auto& [name, state] : states) {
    auto others = states;
    others.erase(name);
    refused(others, "a prompt's " + name + ": expected Float [");
    refused(others, "got nothing");
    others[name] = state.to(at::kHalf);
    refused(others, "got Half [");
    others[name] = at::cat({state, state}, -1);
    refused(others, "got Float [");
    others[name] = state.unsqueeze(0);
    refused(others, "got Float [1, ");
  }
}

TEST_P(GeneratorGolden, Network) {
  for (const NetworkStage& stage : golden->network_stages(*loaded->model)) {
    const auto x = loaded->noise().requires_grad_(true);
    const auto y = loaded->network(x, stage.time);
    golden->expect("network", y, stage.key);
    golden->expect("network, gradient", gradient(y, x, golden->input("latent_cotangent")),
                   stage.grad_key);
  }
}

TEST_P(GeneratorGolden, Autoencoder) {
  if (const auto given = golden->input("image"); given.defined()) {
    const auto image = given.clone().requires_grad_(true);
    const auto z = loaded->encode(image);
    golden->expect("encoder", z, "encode");
    golden->expect("encoder, gradient", gradient(z, image, golden->input("encode_cotangent")),
                   "encode.grad");
  }
  const auto latents = golden->input("latents").requires_grad_(true);
  const auto decoded = loaded->decode(latents);
  golden->expect("decoder", decoded, "decode");
  golden->expect("decoder, gradient", gradient(decoded, latents, golden->input("image_cotangent")),
                 "decode.grad");
}

// A tile as large as the latents is the whole picture; smaller ones are compared with the
// reference's tiled decoder, for the models whose reference can tile.
TEST_P(GeneratorGolden, DecoderInTiles) {
  const auto latents = golden->input("latents");
  const std::int64_t factor = loaded->model->autoencoder().factor();
  const auto in_tiles = [&](std::int64_t tile, std::int64_t stride) {
    hn::PipelineOptions options;
    options.vae_tile = {tile * factor, (tile - stride) * factor};
    return Loaded(*golden, options);
  };
  const std::int64_t side = std::max(latents.size(2), latents.size(3));
  EXPECT_TRUE(at::equal(in_tiles(side, side).decode(latents), loaded->decode(latents)));
  const auto given = golden->input("tiles");
  if (!given.defined()) return;
  const auto number = [&](const char* what) {
    return static_cast<std::int64_t>(golden->file().number(what)) /
           (golden->tiles_in_pixels() ? factor : 1);
  };
  const auto tiled = in_tiles(number("tile"), number("tile_stride"));
  const auto x = given.clone().requires_grad_(true);
  const auto decoded = tiled.decode(x);
  golden->expect("decoder in tiles", decoded, "tiles");
  golden->expect("decoder in tiles, gradient",
                 gradient(decoded, x, golden->input("tiles_cotangent")), "tiles.grad");
}

TEST_P(GeneratorGolden, Sampling) {
  for (const int n : {1, 2, 4}) {
    const std::string steps = std::to_string(n), what = "image." + steps;
    const auto x = loaded->noise().requires_grad_(true);
    const auto latents = loaded->sample(x, n);
    golden->expect("latents, steps " + steps, latents, "latents." + steps);
    if (!golden->has(what)) continue;
    const auto image = loaded->decode(latents);
    golden->expect("image, steps " + steps, image, what);
    if (!golden->has(what + ".grad")) continue;
    golden->expect("image, steps " + steps + ", gradient by noise",
                   gradient(image, x, golden->input("image_cotangent")), what + ".grad");
  }
}

TEST_P(GeneratorGolden, NoiseNet) {
  Params params;
  const auto lora = loaded->lora(true, params);
  const auto x = loaded->noise().requires_grad_(true);
  expect_adapted("noise_net", "offset", loaded->noise_net(x, lora), x, params);
}

TEST_P(GeneratorGolden, AdaptedGenerator) {
  Params params;
  const auto lora = loaded->lora(false, params);
  const auto x = loaded->noise().requires_grad_(true);
  expect_adapted("fine-tuned", "tuned.latents", loaded->sample(x, golden->tuned_steps(), lora), x,
                 params);
}

TEST_P(GeneratorGolden, ZeroStartIsExact) {
  Params params;
  const auto lora = loaded->lora(true, params);
  for (auto& [slot, p] : params)
    if (slot.ends_with("lora_B.weight")) p.detach().zero_();
  EXPECT_EQ(loaded->noise_net(loaded->noise(), lora).abs().max().item<double>(), 0.0);
}

// A budget of one byte computes every block again; nothing but the memory may change.
TEST_P(GeneratorGolden, BlocksComputedAgainGiveTheSameBits) {
  const auto pass = [&](hn::BlockRunner* run, std::vector<at::Tensor>& grads) {
    Params params;
    const auto lora = loaded->lora(true, params);
    const auto x = loaded->noise().requires_grad_(true);
    const auto moved = x + loaded->noise_net(x, lora, run);
    const auto image = loaded->decode(loaded->sample(moved, 2, {}, run), run);
    grads = gradients(image, leaves_of(x, params), golden->input("image_cotangent"));
    return image;
  };
  std::vector<at::Tensor> want, got;
  const auto whole = pass(nullptr, want);
  hn::BlockRunner run(1, std::make_shared<hn::BlockCosts>(), {1});
  const auto again = pass(&run, got);
  EXPECT_GT(run.recomputed(), 3u);
  EXPECT_TRUE(at::equal(whole, again));
  ASSERT_EQ(want.size(), got.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(at::equal(want[i], got[i])) << i;
}

// The encoder's gradient too.
TEST_P(GeneratorGolden, TheEncoderComputesAgainAsWell) {
  const auto given = golden->input("image");
  if (!given.defined()) GTEST_SKIP() << "this golden has no picture";
  const auto image = given.clone().requires_grad_(true);
  const auto cotangent = golden->input("encode_cotangent");
  hn::BlockRunner run(1, std::make_shared<hn::BlockCosts>(), {1});
  const auto want = gradient(loaded->encode(image), image, cotangent),
             got = gradient(loaded->encode(image, &run), image, cotangent);
  EXPECT_GT(run.recomputed(), 0u);
  EXPECT_TRUE(at::equal(want, got));
}

// Byte weights change the numbers by their rounding and leave every gradient finite and near.
TEST_P(GeneratorGolden, QuantisedWeights) {
  hn::PipelineOptions options;
  options.quantise = hn::Quantise::kInt8;
  const Loaded bytes(*golden, options);
  EXPECT_GT(bytes.model->report().tensors, 10);
  EXPECT_LT(bytes.model->bytes(), loaded->model->bytes());
  Params params;
  const auto lora = loaded->lora(true, params);
  const auto x = loaded->noise().requires_grad_(true);
  const auto want = loaded->noise_net(x, lora), got = bytes.noise_net(x, lora);
  const double error = hn::test::relative_error(got, want.detach());
  golden->record("int8 weights against float32, noise_net", error, 0.1);
  EXPECT_GT(error, 0.0);
  const auto cotangent = golden->input("latent_cotangent");
  golden->record(
      "int8 weights against float32, noise_net's gradient",
      hn::test::relative_error(gradient(got, x, cotangent), gradient(want, x, cotangent)),
      golden->int8_gradient_tolerance());
}

// The reference's own bfloat16 error is in the golden; ours may be three times as large: other
// roundings of as many operations, one sample.
TEST_P(GeneratorGolden, Bfloat16) {
  hn::PipelineOptions options;
  options.dtype = at::kBFloat16;
  const Loaded half(*golden, options);
  const double theirs = golden->file().number("bfloat16_error");
  golden->expect("latents, steps 1, bfloat16", half.sample(half.noise(), 1), "latents.1",
                 3 * theirs + 5e-3);
  table().add("the reference's own, bfloat16", GetParam(), theirs);
}

// Directional derivatives in float64 of the whole chain, noise network included, so that nothing
// but the formulas is compared. The bound leaves room for a ReLU that flips inside the step.
TEST_P(GeneratorGolden, FiniteDifferences) {
  hn::PipelineOptions options;
  options.dtype = at::kDouble;
  const Loaded wide(*golden, options);
  const auto cotangent = golden->input("latent_cotangent").to(at::kDouble);
  Params params;
  const auto lora = wide.lora(true, params, at::kDouble);
  const auto noise = wide.noise().to(at::kDouble).requires_grad_(true);
  const auto value = [&] {
    return (wide.sample(noise + wide.noise_net(noise, lora), 1) * cotangent).sum();
  };
  const double h = golden->step();
  const auto check = [&](const std::string& what, const at::Tensor& leaf) {
    const auto direction = at::randn(leaf.sizes(), at::detail::createCPUGenerator(3),
                                     leaf.options().requires_grad(false));
    const double analytic =
        (torch::autograd::grad({value()}, {leaf})[0] * direction).sum().item<double>();
    const c10::NoGradGuard no_grad;
    const auto base = leaf.detach().clone();
    leaf.detach().copy_(base + h * direction);
    const double up = value().item<double>();
    leaf.detach().copy_(base - h * direction);
    const double down = value().item<double>();
    leaf.detach().copy_(base);
    const double numeric = (up - down) / (2 * h);
    golden->record(what, std::abs(analytic - numeric) / std::max(std::abs(numeric), 1e-6), 1e-4);
  };
  check("finite differences by noise", noise);
  int number = 0;
  for (const auto& [slot, p] : params)
    if (golden->differentiated(slot, ++number, wide.output_layer()))
      check("finite differences by LoRA", p);
}

INSTANTIATE_TEST_SUITE_P(Models, GeneratorGolden, testing::ValuesIn(models()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace golden
