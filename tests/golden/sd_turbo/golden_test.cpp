// Parity of the SD-Turbo model with diffusers, transformers and peft, stage by stage and end to
// end, forward and gradient. Goldens: make.py beside this file. Tolerance: 1e-4 of the golden's
// largest magnitude in float32; bfloat16 is bounded by the error that the reference itself makes in
// bfloat16.
#include "golden.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "text/text_file.hpp"

namespace {

namespace fs = std::filesystem;
using golden::Golden;
using hn::sd::Model;
using hn::sd::Prompt;

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

struct Loaded {
  explicit Loaded(const std::string& name, at::ScalarType dtype = at::kFloat)
      : golden(name), model(golden.folder(), options(dtype)) {
    // Equal prompts share a handle, as a host's cache makes it.
    for (const auto& text : golden.texts("prompts")) {
      auto& prompt = cache[text];
      if (!prompt) prompt = model.encode_prompt(text);
      prompts.push_back(prompt.get());
    }
    const auto batch = static_cast<std::int64_t>(prompts.size()),
               channels = model.unet().config().channels;
    // In the order of models.py.
    static const std::map<std::string, std::vector<std::int64_t>> sizes{{"plain", {8, 8}},
                                                                        {"odd", {6, 10}},
                                                                        {"deep", {8, 8}},
                                                                        {"bare", {8, 16}},
                                                                        {"wide", {8, 12}}};
    const auto& size = sizes.at(name);
    const std::int64_t factor = model.vae().config().factor();
    latents = {batch, channels, size[0], size[1]};
    pixels = {batch, 3, size[0] * factor, size[1] * factor};
  }
  static hn::sd::LoadOptions options(at::ScalarType dtype) {
    hn::sd::LoadOptions o;
    o.dtype = dtype;
    return o;
  }
  at::Tensor input(const std::string& what, at::IntArrayRef shape, bool unit_variance) const {
    const std::string key = golden.name() + "/" + what;
    return unit_variance ? counter::noise(key, shape) : counter::uniform(key, shape);
  }
  at::Tensor noise() const { return input("noise", latents, true); }
  at::Tensor latent_cotangent() const { return input("latent_cotangent", latents, false); }
  at::Tensor image_cotangent() const { return input("image_cotangent", pixels, false); }

  hn::sd::EulerSchedule steps(std::int64_t n) const {
    return hn::sd::euler_schedule(n, model.scheduler());
  }
  at::Tensor sample(const at::Tensor& x, std::int64_t n, const hn::LoraSet& lora = {}) const {
    return model.sample(x, prompts, lora, steps(n));
  }
  // The golden's adapter on the chosen layers and conv_out; its tensors require gradients.
  hn::LoraSet lora(bool branch_only, Params& params, at::ScalarType dtype = at::kFloat) const {
    const auto& layers = model.unet().layers();
    const int last = model.unet().conv_out_layer();
    auto targets = golden.texts("targets");
    targets.emplace_back("conv_out");
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
      set.set(index, a, make(".lora_B.weight", hn::lora_b_shape(layer, rank, false), 0.5));
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
    const auto grads = torch::autograd::grad({value}, leaves, {cotangent}, true);
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

at::Tensor gradient(const at::Tensor& of, const at::Tensor& by, const at::Tensor& cotangent) {
  return torch::autograd::grad({of}, {by}, {cotangent.to(of.scalar_type())}, true)[0];
}

class SdGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { loaded = std::make_unique<Loaded>(GetParam()); }
  std::unique_ptr<Loaded> loaded;
};

TEST_P(SdGolden, TheLoaderAsksForTheReferencesTensors) {
  for (const char* part : {"unet", "vae", "text_encoder"})
    EXPECT_EQ(counter::inventory(loaded->golden.list(part)),
              loaded->golden.text(std::string("inventory.") + part))
        << part;
}

TEST_P(SdGolden, TokensAndTextStates) {
  const auto& g = loaded->golden;
  const auto prompts = g.texts("prompts");
  for (const std::size_t i : {0u, 1u}) {
    const auto tokens = loaded->model.prompts().tokenize(prompts[i]);
    const std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
    EXPECT_TRUE(at::equal(at::tensor(ids, at::kLong), g.get("ids." + std::to_string(i))))
        << prompts[i];
    loaded->expect("text encoder", loaded->prompts[i]->states, "text." + std::to_string(i));
  }
}

TEST_P(SdGolden, Scheduler) {
  for (const std::int64_t n : {1, 2, 3, 4, 7, 30}) {
    const auto schedule = loaded->steps(n);
    const std::string key = "schedule." + std::to_string(n);
    std::vector<double> times, sigmas;
    for (const auto& step : schedule.steps) {
      times.push_back(step.timestep);
      sigmas.push_back(step.sigma);
    }
    const auto want = loaded->golden.get(key);
    loaded->record("scheduler, time steps",
                   hn::test::relative_error(at::tensor(times, at::kDouble), want[0]), 1e-7);
    loaded->record("scheduler, sigmas",
                   hn::test::relative_error(at::tensor(sigmas, at::kDouble), want[1]), 1e-6);
    EXPECT_NEAR(schedule.init_sigma, loaded->golden.get(key + ".init").item<double>(),
                1e-6 * schedule.init_sigma);
  }
}

TEST_P(SdGolden, UNet) {
  const auto text = loaded->model.text(loaded->prompts);
  for (const std::int64_t t :
       {loaded->model.scheduler().num_train_timesteps - 1, std::int64_t{250}}) {
    const auto x = loaded->noise().requires_grad_(true);
    const auto y = loaded->model.unet()(x, static_cast<double>(t), text, {});
    const std::string key = "unet." + std::to_string(t);
    loaded->expect("U-Net", y, key);
    loaded->expect("U-Net, gradient", gradient(y, x, loaded->latent_cotangent()), key + ".grad");
  }
}

TEST_P(SdGolden, Autoencoder) {
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

TEST_P(SdGolden, Sampling) {
  for (const int n : {1, 2, 4}) {
    const std::string steps = std::to_string(n);
    const auto latents = loaded->sample(loaded->noise(), n);
    loaded->expect("latents, steps " + steps, latents, "latents." + steps);
    loaded->expect("image, steps " + steps, loaded->model.decode(latents), "image." + steps);
  }
  for (const int n : {1, 2}) {
    const std::string steps = std::to_string(n);
    const auto x = loaded->noise().requires_grad_(true);
    const auto image = loaded->model.decode(loaded->sample(x, n));
    loaded->expect("image, steps " + steps + ", gradient by noise",
                   gradient(image, x, loaded->image_cotangent()), "image." + steps + ".grad");
  }
}

TEST_P(SdGolden, NoiseNet) {
  Params params;
  const auto lora = loaded->lora(true, params);
  const auto x = loaded->noise().requires_grad_(true);
  const auto offset = loaded->model.noise_net(x, loaded->prompts, lora);
  loaded->expect("noise_net", offset, "offset");
  loaded->expect_gradients("noise_net", "offset.grad", offset, loaded->latent_cotangent(), x,
                           params);
}

TEST_P(SdGolden, AdaptedGenerator) {
  Params params;
  const auto lora = loaded->lora(false, params);
  const auto x = loaded->noise().requires_grad_(true);
  const auto latents = loaded->sample(x, 2, lora);
  loaded->expect("fine-tuned, 2 steps", latents, "tuned.latents");
  loaded->expect_gradients("fine-tuned, 2 steps", "tuned.grad", latents, loaded->latent_cotangent(),
                           x, params);
}

TEST_P(SdGolden, ZeroStartIsExact) {
  Params params;
  const auto lora = loaded->lora(true, params);
  for (auto& [name, p] : params)
    if (name.ends_with("lora_B.weight")) p.detach().zero_();
  const auto offset = loaded->model.noise_net(loaded->noise(), loaded->prompts, lora);
  EXPECT_EQ(offset.abs().max().item<double>(), 0.0);
}

// A budget of one byte computes every block again; nothing but the memory may change.
TEST_P(SdGolden, BlocksComputedAgainGiveTheSameBits) {
  const auto pass = [&](hn::BlockRunner* run, std::vector<at::Tensor>& grads) {
    Params params;
    const auto lora = loaded->lora(true, params);
    const auto x = loaded->noise().requires_grad_(true);
    const auto moved = x + loaded->model.noise_net(x, loaded->prompts, lora, run);
    const auto latents =
        loaded->model.sample(moved, loaded->prompts, {}, loaded->steps(2), {}, run);
    const auto image = loaded->model.decode(latents, run);
    std::vector<at::Tensor> leaves{x};
    for (const auto& [name, p] : params) leaves.push_back(p);
    grads = torch::autograd::grad({image}, leaves, {loaded->image_cotangent()});
    return image;
  };
  std::vector<at::Tensor> want, got;
  const auto whole = pass(nullptr, want);
  hn::BlockRunner run(1, std::make_shared<hn::BlockCosts>(), {1});
  const auto again = pass(&run, got);
  EXPECT_GT(run.recomputed(), 6u);
  EXPECT_TRUE(at::equal(whole, again));
  ASSERT_EQ(want.size(), got.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(at::equal(want[i], got[i])) << i;
}

// The encoder's gradient too.
TEST_P(SdGolden, TheEncoderComputesAgainAsWell) {
  const auto image =
      (loaded->input("image", loaded->pixels, false) * 0.5 + 0.5).requires_grad_(true);
  const auto cotangent = loaded->input("encode_cotangent", loaded->latents, false);
  hn::BlockRunner run(1, std::make_shared<hn::BlockCosts>(), {1});
  const auto want = gradient(loaded->model.encode(image), image, cotangent),
             got = gradient(loaded->model.encode(image, &run), image, cotangent);
  EXPECT_TRUE(at::equal(want, got));
}

// A tile as large as the latents is the whole picture; smaller ones are compared with
// AutoencoderKL.tiled_decode, for the models whose reference can tile.
TEST_P(SdGolden, Tiles) {
  const auto latents =
      loaded->input("latents", loaded->latents, true) * loaded->model.vae().config().scaling_factor;
  const auto whole = loaded->model.decode(latents);
  const std::int64_t side = std::max(latents.size(2), latents.size(3));
  EXPECT_TRUE(at::equal(loaded->model.decode(latents, nullptr, {side, side}), whole));
  if (!loaded->golden.has("tiles") && !loaded->golden.has("tiles.probes")) return;
  const auto x = latents.clone().requires_grad_(true);
  const hn::Tiling tiling{static_cast<std::int64_t>(loaded->golden.number("tile")),
                          static_cast<std::int64_t>(loaded->golden.number("tile_stride"))};
  const auto tiled = loaded->model.decode(x, nullptr, tiling);
  loaded->expect("decoder in tiles", tiled, "tiles");
  loaded->expect("decoder in tiles, gradient", gradient(tiled, x, loaded->image_cotangent()),
                 "tiles.grad");
}

// Byte weights change the numbers by their rounding and leave every gradient finite and near.
TEST_P(SdGolden, QuantisedWeights) {
  hn::sd::LoadOptions options;
  options.quantise = hn::Quantise::kInt8;
  const Model model(loaded->golden.folder(), options);
  EXPECT_GT(model.report().tensors, 10u);
  EXPECT_LT(model.bytes(), loaded->model.bytes());
  Params params;
  const auto lora = loaded->lora(true, params);
  const auto x = loaded->noise().requires_grad_(true);
  const auto want = loaded->model.noise_net(x, loaded->prompts, lora),
             got = model.noise_net(x, loaded->prompts, lora);
  const double error = hn::test::relative_error(got, want.detach());
  table().add("int8 weights against float32, noise_net", GetParam(), error);
  EXPECT_LT(error, 0.1);
  EXPECT_GT(error, 0.0);
  const auto cotangent = loaded->latent_cotangent();
  const double gradient_error =
      hn::test::relative_error(gradient(got, x, cotangent), gradient(want, x, cotangent));
  table().add("int8 weights against float32, noise_net's gradient", GetParam(), gradient_error);
  EXPECT_LT(gradient_error, 0.2);
}

// The reference's own bfloat16 error is in the golden; ours may be three times as large: other
// roundings of as many operations, one sample.
TEST_P(SdGolden, Bfloat16) {
  const Loaded half(GetParam(), at::kBFloat16);
  half.expect("latents, steps 1, bfloat16", half.sample(half.noise(), 1), "latents.1",
              3 * half.golden.number("bfloat16_error") + 5e-3);
  table().add("the reference's own, bfloat16", GetParam(), half.golden.number("bfloat16_error"));
}

// Directional derivatives in float64 of the whole chain, noise network included, so that nothing
// but the formulas is compared. The bound leaves room for a ReLU that flips inside the step.
TEST_P(SdGolden, FiniteDifferences) {
  const Loaded wide(GetParam(), at::kDouble);
  const auto cotangent = wide.latent_cotangent().to(at::kDouble);
  Params params;
  const auto lora = wide.lora(true, params, at::kDouble);
  const auto noise = wide.noise().to(at::kDouble).requires_grad_(true);
  const auto value = [&] {
    const auto moved = noise + wide.model.noise_net(noise, wide.prompts, lora);
    return (wide.sample(moved, 1) * cotangent).sum();
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
    if (name.starts_with("conv_out") || ++checked <= 4) check("finite differences by LoRA", p);
}

// Ids of thousands of strings, padded with "!", which also cuts strings that have one.
TEST(SdTokens, AreTheReferencesForTheWholeCorpus) {
  const fs::path folder =
      fs::temp_directory_path() / ("hn_sd_tokens_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  for (const char* file : {"vocab.json", "merges.txt"})
    fs::copy(golden::kVocabulary / file, folder / file, fs::copy_options::overwrite_existing);
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"pad_token": "!", "model_max_length": 77})";
  const auto tokenizer = hn::ClipTokenizer::from_hugging_face(folder);
  fs::remove_all(folder);
  EXPECT_EQ(tokenizer.pad_id(), 0);
  EXPECT_EQ(tokenizer.max_length(), 77);

  const auto corpus = nlohmann::json::parse(
      hn::read_text_file(golden::kSource / "tests/golden/tokenizers/corpus.json.gz", "corpus"));
  const auto want = nlohmann::json::parse(std::ifstream(golden::kGoldens / "tokens.json"));
  constexpr std::size_t kChunk = 40;
  ASSERT_EQ(corpus.size(), want.size() * kChunk);
  for (std::size_t c = 0; c < want.size(); ++c) {
    std::string ids;
    for (std::size_t i = c * kChunk; i < (c + 1) * kChunk; ++i)
      for (const auto id : tokenizer.encode(corpus[i].get<std::string>(), 77).ids)
        ids += (ids.empty() ? "" : " ") + std::to_string(id);
    EXPECT_EQ(counter::hex(counter::fnv1a64(ids)), want[c].get<std::string>())
        << "strings " << c * kChunk << " to " << (c + 1) * kChunk - 1;
  }
}

// Schedules without a model: the numbers, and where the steps lead with the answer cos(x + t).
TEST(SdSchedulers, StepsLeadWhereTheReferencesDo) {
  const auto folder = golden::kGoldens / "schedulers";
  const auto file = hn::SafetensorsFile::open(folder / "golden.safetensors");
  const auto get = [&](const std::string& key) {
    const auto& view = file.at(key);
    auto t = at::empty(view.shape, at::kFloat);
    std::memcpy(t.mutable_data_ptr(), view.data, view.nbytes);
    return t.to(at::kDouble);
  };
  for (const std::string name : {"zero_snr", "zero_snr_linear", "leading", "trailing_odd"}) {
    const auto config = hn::sd::SchedulerConfig::read(folder / name / "scheduler_config.json");
    for (const std::int64_t n : {1, 2, 3, 4, 7, 30}) {
      SCOPED_TRACE(name + " " + std::to_string(n));
      const auto schedule = hn::sd::euler_schedule(n, config);
      const std::string key = name + ".schedule." + std::to_string(n);
      const auto want = get(key);
      ASSERT_EQ(want.size(1), static_cast<std::int64_t>(schedule.steps.size()));
      for (std::size_t i = 0; i < schedule.steps.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        EXPECT_EQ(schedule.steps[i].timestep, want[0][at].item<double>());
        const double sigma = want[1][at].item<double>();
        EXPECT_NEAR(schedule.steps[i].sigma, sigma, 1e-6 * sigma);
      }
      EXPECT_NEAR(schedule.init_sigma, get(key + ".init").item<double>(),
                  1e-6 * schedule.init_sigma);
    }
    for (const std::int64_t n : {1, 2, 4}) {
      const auto schedule = hn::sd::euler_schedule(n, config);
      auto x = counter::noise(name, {4}).to(at::kDouble) * schedule.init_sigma;
      for (const auto& step : schedule.steps)
        x = x * step.keep + at::cos(x * step.input_scale + step.timestep) * step.network;
      // The reference's states are float32, as large as the first sigma.
      EXPECT_LE((x - get(name + ".end." + std::to_string(n))).abs().max().item<double>(),
                1e-6 * schedule.init_sigma)
          << name << " " << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SdGolden, testing::ValuesIn(golden::kModels),
                         [](const auto& info) { return info.param; });

}  // namespace
