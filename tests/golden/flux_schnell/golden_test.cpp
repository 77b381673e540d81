// FLUX's side of the parity tests (tests/golden/generator). Goldens: make.py beside this file;
// weights and inputs are computed from their names, vocabularies are taken from where they are
// kept.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <hn/nn/autoencoder_kl.hpp>
#include <memory>

#include "golden/generator/case.hpp"
#include "model.hpp"
#include "support/gzip.hpp"

namespace golden {
namespace {

using hn::flux::Model;

const fs::path kGoldens = kSource / "tests/golden/flux_schnell";
const fs::path kClip = kSource / "plugins/rewards/clip/weights/tiny-clip";
const fs::path kT5 = kSource / "tests/golden/tokenizers/t5";

const Model& as_model(const hn::Pipeline& model) { return static_cast<const Model&>(model); }

class FluxCase final : public ComputedCase {
 public:
  explicit FluxCase(const std::string& name) : ComputedCase(name, kGoldens, 0.2, "re:proj_out") {
    const auto size = file_.json("latents").get<std::vector<std::int64_t>>();
    set_size(size[0], size[1]);
    if (name == "plain") return;
    for (const char* file : {"vocab.json", "merges.txt"})
      add(kClip / file, std::string("tokenizer/") + file);
    const auto tokenizer = file_.texts("tokenizer");
    const bool whole = tokenizer[1] == "tokenizer.json";
    std::ofstream(folder_ / "tokenizer_2" / tokenizer[1], std::ios::binary)
        << hn::test::unzip(kT5 / (tokenizer[0] + (whole ? ".tokenizer.json.gz" : ".model.gz")));
    write_weights();
  }

  std::unique_ptr<hn::Pipeline> load(const hn::PipelineOptions& options) const override {
    return std::make_unique<Model>(folder_, options,
                                   static_cast<std::int64_t>(file_.number("tokens")));
  }
  hn::test::Options options() const override {
    return {{"guidance_scale", file_.number("guidance")}};
  }
  std::vector<std::int64_t> tokens(const hn::Pipeline& model,
                                   const std::string& prompt) const override {
    return as_model(model).t5().tokenize(prompt);
  }
  std::map<std::string, std::string> text_stages() const override {
    return {{"states", "states"}, {"pooled", "pooled"}};
  }
  std::vector<NetworkStage> network_stages(const hn::Pipeline&) const override {
    return {{1.0, "transformer.1.0", "transformer.1.0.grad"},
            {0.25, "transformer.0.25", "transformer.0.25.grad"}};
  }
  at::Tensor network(const hn::Pipeline& model, const at::Tensor& x, double time,
                     const hn::PassContext& context) const override {
    return as_model(model).transformer()(x, as_model(model).text(context), time,
                                         file_.number("guidance"), context.lora, context.run);
  }
};

}  // namespace

const std::vector<std::string>& models() {
  static const std::vector<std::string> names{"plain", "guided", "double", "single", "long"};
  return names;
}

std::unique_ptr<Case> make_case(const std::string& model) {
  return std::make_unique<FluxCase>(model);
}

const std::vector<std::pair<std::string, Construct>>& parts() {
  static const std::vector<std::pair<std::string, Construct>> all{
      {"transformer",
       [](const fs::path& config, hn::WeightMap& weights) {
         using namespace hn::flux;
         return Transformer(TransformerConfig::read(config), weights).layers().size();
       }},
      {"vae",
       [](const fs::path& config, hn::WeightMap& weights) {
         const hn::AutoencoderKL vae(hn::AutoencoderKLConfig::read(config, "flux_schnell"),
                                     weights);
         return std::size_t{0};
       }},
      {"text_encoder", construct_clip},
      {"text_encoder_2", [](const fs::path& config, hn::WeightMap& weights) {
         const hn::T5Encoder encoder(hn::T5Config::read(config), weights);
         return std::size_t{0};
       }}};
  return all;
}

// 19 double blocks of 14 layers, 38 single ones of 6, the embedders' four, two of the inputs, two
// last.
std::vector<Published> published() {
  const auto part = [](const std::string& name, std::int64_t numbers, std::size_t layers) {
    Published p;
    p.part = name;
    p.tensors = kGoldens / "published" / (name + ".tensors");
    p.config = kGoldens / "published" / name / "config.json";
    p.numbers = numbers;
    p.layers = layers;
    return p;
  };
  std::vector<Published> all{part("transformer", 11'891'178'560, 19u * 14 + 38 * 6 + 4 + 2 + 2),
                             part("vae", 83'819'683, 0), part("text_encoder", 123'060'480, 0),
                             part("text_encoder_2", 4'762'310'656, 0)};
  all.back().ignored = {"decoder.", "lm_head."};
  return all;
}

namespace {

class FluxGolden : public testing::TestWithParam<std::string> {};

TEST_P(FluxGolden, Scheduler) {
  const FluxCase golden(GetParam());
  const std::int64_t tokens = golden.latents()[2] * golden.latents()[3] / 4;
  const auto compare = [&](const std::string& key, std::int64_t n,
                           const hn::flux::SchedulerConfig& config) {
    std::vector<double> times, deltas;
    for (const auto& step : hn::flux::flow_match_schedule(n, config, tokens)) {
      times.push_back(step.timestep);
      deltas.push_back(step.delta);
    }
    const auto want = golden.file().get(key + "." + std::to_string(n));
    golden.record("scheduler, times",
                  hn::test::relative_error(at::tensor(times, at::kDouble), want[0]), 1e-6);
    golden.record("scheduler, lengths of steps",
                  hn::test::relative_error(at::tensor(deltas, at::kDouble), want[1]), 1e-6);
  };
  auto config =
      hn::flux::SchedulerConfig::read(golden.folder() / "scheduler/scheduler_config.json");
  for (const std::int64_t n : {1, 2, 3, 4, 7, 30}) compare("schedule", n, config);
  config.shift_terminal = 0.1;
  for (const std::int64_t n : {2, 4, 7}) compare("terminal", n, config);
  EXPECT_THROW(hn::flux::flow_match_schedule(1, config, tokens), hn::Error);
}

INSTANTIATE_TEST_SUITE_P(Models, FluxGolden, testing::ValuesIn(models()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace golden
