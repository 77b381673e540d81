// Parity of the FLUX model with diffusers, transformers and peft, stage by stage and end to end,
// forward and gradient. Goldens: make.py beside this file. Tolerance: 1e-4 of the golden's largest
// magnitude in float32; bfloat16 is bounded by the error that the reference itself makes in
// bfloat16.
#include "golden.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "support/tensor_list.hpp"

namespace {

using golden::Golden;
using hn::flux::Model;
using hn::flux::Prompt;

constexpr double kTolerance = 1e-4;

hn::test::ParityTable& table() {
  static hn::test::ParityTable made(golden::kModels);
  return made;
}

class PrintTable : public testing::Environment {
  void TearDown() override { table().print(); }
};
const auto* const print_table = testing::AddGlobalTestEnvironment(new PrintTable);

using Params = std::map<std::string, at::Tensor>;  // by slot name, in sorted order

// A double block's text stream may reach nothing: its gradients are 0.
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

struct Loaded {
  explicit Loaded(const std::string& name, at::ScalarType dtype = at::kFloat)
      : golden(name),
        model(golden.folder(),
              {.dtype = dtype,
               .prompts = {.max_length = static_cast<std::int64_t>(golden.number("tokens"))}}) {
    // Equal prompts share a handle, as a host's cache makes it.
    for (const auto& text : golden.texts("prompts")) {
      auto& prompt = cache[text];
      if (!prompt) prompt = model.encode_prompt(text);
      prompts.push_back(prompt.get());
    }
    const auto batch = static_cast<std::int64_t>(prompts.size());
    const auto size = golden.json("latents").get<std::vector<std::int64_t>>();
    const std::int64_t factor = model.vae().config().factor();
    latents = {batch, model.transformer().config().latent_channels(), size[0], size[1]};
    pixels = {batch, 3, size[0] * factor, size[1] * factor};
  }
  at::Tensor input(const std::string& what, at::IntArrayRef shape, bool unit_variance) const {
    const std::string key = golden.name() + "/" + what;
    return unit_variance ? counter::noise(key, shape) : counter::uniform(key, shape);
  }
  at::Tensor noise() const { return input("noise", latents, true); }
  at::Tensor latent_cotangent() const { return input("latent_cotangent", latents, false); }
  at::Tensor image_cotangent() const { return input("image_cotangent", pixels, false); }
  double guidance() const { return golden.number("guidance"); }

  at::Tensor sample(const at::Tensor& x, std::int64_t n, const hn::LoraSet& lora = {}) const {
    hn::BlockRunner run;
    return model.sample(x, n, {prompts, lora, guidance()}, run);
  }
  at::Tensor noise_net(const at::Tensor& x, const hn::LoraSet& lora) const {
    hn::BlockRunner run;
    return model.noise_net(x, {prompts, lora, guidance()}, run);
  }
  // The golden's adapter on the chosen layers and proj_out; its tensors require gradients.
  hn::LoraSet lora(bool branch_only, Params& params, at::ScalarType dtype = at::kFloat) const {
    const auto& layers = model.transformer().layers();
    const int last = model.transformer().proj_out_layer();
    auto targets = golden.texts("targets");
    targets.emplace_back("re:proj_out");
    hn::LoraSet set(layers.size(), golden.number("alpha") / golden.number("rank"),
                    branch_only ? last : -1);
    const auto rank = static_cast<std::int64_t>(golden.number("rank"));
    for (const int index : hn::match_targets(layers, targets)) {
      const auto& layer = layers[static_cast<std::size_t>(index)];
      const auto make = [&](const char* which, const std::vector<std::int64_t>& shape,
                            double scale) {
        const std::string key = layer.name + which;
        return params[key] = (counter::weight(golden.name() + "/lora/" + key, shape) * scale)
                                 .to(dtype)
                                 .requires_grad_(true);
      };
      const auto a = make(".lora_A.weight", hn::lora_a_shape(layer, rank), 1.0);
      set.set(index, a, make(".lora_B.weight", hn::lora_b_shape(layer, rank, false), 0.2));
    }
    return set;
  }

  void record(const std::string& stage, double error, double tolerance) const {
    table().add(stage, golden.name(), error);
    EXPECT_LE(error, tolerance) << stage << " of " << golden.name();
  }
  void expect(const std::string& stage, const at::Tensor& got, const std::string& key,
              double tolerance = kTolerance) const {
    record(stage, hn::test::digest_error(golden, key, got), tolerance);
  }
  // Gradients by `x` and by all adapter matrices.
  void expect_gradients(const std::string& stage, const std::string& key, const at::Tensor& value,
                        const at::Tensor& cotangent, const at::Tensor& x,
                        const Params& params) const {
    std::vector<at::Tensor> leaves{x};
    for (const auto& [name, p] : params) leaves.push_back(p);
    const auto grads = gradients(value, leaves, cotangent);
    expect(stage + ", gradient by noise", grads[0], key);
    const auto rows = golden.get(key + ".rows");
    ASSERT_EQ(rows.size(0), static_cast<std::int64_t>(params.size()));
    std::size_t i = 0;
    for (const auto& [name, p] : params) {
      const auto error =
          hn::test::relative_error(counter::probes(key + "/" + name, grads[i + 1], rows.size(1)),
                                   rows[static_cast<std::int64_t>(i)]);
      record(stage + ", gradient by LoRA", error, kTolerance);
      if (error > kTolerance) ADD_FAILURE() << name;
      ++i;
    }
  }

  Golden golden;
  Model model;
  std::map<std::string, std::unique_ptr<Prompt>> cache;
  std::vector<const Prompt*> prompts;
  std::vector<std::int64_t> latents, pixels;
};

class FluxGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { loaded = std::make_unique<Loaded>(GetParam()); }
  std::unique_ptr<Loaded> loaded;
};

TEST_P(FluxGolden, TheLoaderAsksForTheReferencesTensors) {
  for (const char* part : {"transformer", "vae", "text_encoder", "text_encoder_2"}) {
    // The state dict has T5's embedding twice, under its two names.
    auto list = loaded->golden.list(part);
    if (std::string(part) == "text_encoder_2")
      list.push_back({"encoder.embed_tokens.weight", list.front().shape});
    EXPECT_EQ(counter::inventory(list), loaded->golden.text(std::string("inventory.") + part))
        << part;
  }
}

TEST_P(FluxGolden, TokensAndTextStates) {
  const auto& g = loaded->golden;
  const auto prompts = g.texts("prompts");
  for (const std::size_t i : {0u, 1u}) {
    const std::string n = std::to_string(i);
    const auto ids = loaded->model.prompts().tokenize(prompts[i]);
    EXPECT_TRUE(at::equal(at::tensor(ids, at::kLong), g.get("ids." + n))) << prompts[i];
    loaded->expect("T5", loaded->prompts[i]->states.states, "states." + n);
    loaded->expect("CLIP, pooled", loaded->prompts[i]->states.pooled, "pooled." + n);
  }
}

TEST_P(FluxGolden, Scheduler) {
  const std::int64_t tokens = loaded->latents[2] * loaded->latents[3] / 4;
  const auto compare = [&](const std::string& key, std::int64_t n,
                           const hn::flux::SchedulerConfig& config) {
    std::vector<double> times, deltas;
    for (const auto& step : hn::flux::flow_match_schedule(n, config, tokens)) {
      times.push_back(step.timestep);
      deltas.push_back(step.delta);
    }
    const auto want = loaded->golden.get(key + "." + std::to_string(n));
    loaded->record("scheduler, times",
                   hn::test::relative_error(at::tensor(times, at::kDouble), want[0]), 1e-6);
    loaded->record("scheduler, lengths of steps",
                   hn::test::relative_error(at::tensor(deltas, at::kDouble), want[1]), 1e-6);
  };
  for (const std::int64_t n : {1, 2, 3, 4, 7, 30})
    compare("schedule", n, loaded->model.scheduler());
  auto ending = loaded->model.scheduler();
  ending.shift_terminal = 0.1;
  for (const std::int64_t n : {2, 4, 7}) compare("terminal", n, ending);
  EXPECT_THROW(hn::flux::flow_match_schedule(1, ending, tokens), hn::Error);
}

TEST_P(FluxGolden, Transformer) {
  const auto text = loaded->model.text(loaded->prompts);
  for (const double time : {1.0, 0.25}) {
    const auto x = loaded->noise().requires_grad_(true);
    hn::BlockRunner run;
    const auto y = loaded->model.transformer()(x, text, time, loaded->guidance(), {}, run);
    const std::string key = time == 1.0 ? "transformer.1.0" : "transformer.0.25";
    loaded->expect("transformer", y, key);
    loaded->expect("transformer, gradient", gradient(y, x, loaded->latent_cotangent()),
                   key + ".grad");
  }
}

TEST_P(FluxGolden, Autoencoder) {
  const auto image =
      (loaded->input("image", loaded->pixels, false) * 0.5 + 0.5).requires_grad_(true);
  const auto z = loaded->model.encode(image);
  loaded->expect("encoder", z, "encode");
  loaded->expect("encoder, gradient",
                 gradient(z, image, loaded->input("encode_cotangent", loaded->latents, false)),
                 "encode.grad");
  const auto latents = (loaded->input("latents", loaded->latents, true) *
                        loaded->model.vae().config().scaling_factor)
                           .requires_grad_(true);
  const auto decoded = loaded->model.decode(latents);
  loaded->expect("decoder", decoded, "decode");
  loaded->expect("decoder, gradient", gradient(decoded, latents, loaded->image_cotangent()),
                 "decode.grad");
}

TEST_P(FluxGolden, Sampling) {
  for (const int n : {1, 2, 4}) {
    const std::string steps = std::to_string(n);
    const auto x = loaded->noise().requires_grad_(true);
    const auto latents = loaded->sample(x, n);
    loaded->expect("latents, steps " + steps, latents, "latents." + steps);
    const auto image = loaded->model.decode(latents);
    loaded->expect("image, steps " + steps, image, "image." + steps);
    loaded->expect("image, steps " + steps + ", gradient by noise",
                   gradient(image, x, loaded->image_cotangent()), "image." + steps + ".grad");
  }
}

TEST_P(FluxGolden, NoiseNet) {
  Params params;
  const auto lora = loaded->lora(true, params);
  const auto x = loaded->noise().requires_grad_(true);
  const auto offset = loaded->noise_net(x, lora);
  loaded->expect("noise_net", offset, "offset");
  loaded->expect_gradients("noise_net", "offset.grad", offset, loaded->latent_cotangent(), x,
                           params);
}

TEST_P(FluxGolden, AdaptedGenerator) {
  Params params;
  const auto lora = loaded->lora(false, params);
  const auto x = loaded->noise().requires_grad_(true);
  const auto latents = loaded->sample(x, 2, lora);
  loaded->expect("fine-tuned, 2 steps", latents, "tuned.latents");
  loaded->expect_gradients("fine-tuned, 2 steps", "tuned.grad", latents, loaded->latent_cotangent(),
                           x, params);
}

TEST_P(FluxGolden, ZeroStartIsExact) {
  Params params;
  const auto lora = loaded->lora(true, params);
  for (auto& [name, p] : params)
    if (name.ends_with("lora_B.weight")) p.detach().zero_();
  EXPECT_EQ(loaded->noise_net(loaded->noise(), lora).abs().max().item<double>(), 0.0);
}

// Computing blocks again in the backward changes no bit.
TEST_P(FluxGolden, RecomputedBlocksGiveTheSameBits) {
  const auto run_with = [&](hn::BlockRunner& run, Params& params) {
    const auto lora = loaded->lora(false, params);
    const auto x = loaded->noise().requires_grad_(true);
    const auto y = loaded->model.sample(x, 2, {loaded->prompts, lora, loaded->guidance()}, run);
    std::vector<at::Tensor> leaves{x};
    for (const auto& [name, p] : params) leaves.push_back(p);
    auto results = gradients(y, leaves, loaded->latent_cotangent());
    results.push_back(y.detach());
    return results;
  };
  Params first, second;
  hn::BlockRunner keeping,
      recomputing(std::uint64_t{1} << 30, std::make_shared<hn::BlockCosts>(), loaded->latents);
  const auto want = run_with(keeping, first), got = run_with(recomputing, second);
  EXPECT_GT(recomputing.recomputed(), 0u);
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(at::equal(want[i], got[i])) << i;
}

// The reference's own bfloat16 error is in the golden; ours may be three times as large: other
// roundings of as many operations, one sample.
TEST_P(FluxGolden, Bfloat16) {
  const Loaded half(GetParam(), at::kBFloat16);
  half.expect("latents, steps 1, bfloat16", half.sample(half.noise(), 1), "latents.1",
              3 * half.golden.number("bfloat16_error") + 5e-3);
  table().add("the reference's own, bfloat16", GetParam(), half.golden.number("bfloat16_error"));
}

// Directional derivatives in float64 of the whole chain, noise network included, so that nothing
// but the formulas is compared.
TEST_P(FluxGolden, FiniteDifferences) {
  const Loaded wide(GetParam(), at::kDouble);
  const auto cotangent = wide.latent_cotangent().to(at::kDouble);
  Params params;
  const auto lora = wide.lora(true, params, at::kDouble);
  const auto noise = wide.noise().to(at::kDouble).requires_grad_(true);
  const auto value = [&] {
    return (wide.sample(noise + wide.noise_net(noise, lora), 1) * cotangent).sum();
  };
  const double h = 1e-6;
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
    wide.record(what, std::abs(analytic - numeric) / std::max(std::abs(numeric), 1e-6), 1e-4);
  };
  check("finite differences by noise", noise);
  int checked = 0;
  for (const auto& [name, p] : params)
    if (name.starts_with("proj_out") || ++checked <= 4) check("finite differences by LoRA", p);
}

INSTANTIATE_TEST_SUITE_P(Models, FluxGolden, testing::ValuesIn(golden::kModels),
                         [](const auto& info) { return info.param; });

// FLUX.1-schnell's own size: every name and shape that the loader asks for is the reference's.
TEST(FluxPublished, NamesShapesAndCounts) {
  const auto folder = golden::kGoldens / "published";
  const std::map<std::string, std::int64_t> numbers{{"transformer", 11'891'178'560},
                                                    {"vae", 83'819'683},
                                                    {"text_encoder", 123'060'480},
                                                    {"text_encoder_2", 4'762'310'656}};
  const auto lists = golden::wanted(folder);
  for (const auto& [part, list] : lists) {
    const auto published = hn::test::read_tensor_list(folder / (part + ".tensors"));
    EXPECT_EQ(hn::test::count_numbers(published), numbers.at(part)) << part;
    EXPECT_EQ(hn::test::count_numbers(list), numbers.at(part)) << part;
    // finish() names every tensor that only one side has, and every other shape.
    auto weights = hn::WeightMap::dry(published, at::kBFloat16, part);
    for (const auto& tensor : list) weights.take(tensor.name, tensor.shape);
    EXPECT_NO_THROW(weights.finish()) << part;
  }
}

}  // namespace
