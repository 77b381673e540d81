// SD-Turbo's side of the parity tests (tests/golden/generator). Goldens: make.py beside this file;
// weights and inputs are computed from their names.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <hn/nn/autoencoder_kl.hpp>

#include "golden/generator/case.hpp"
#include "model.hpp"
#include "text/text_file.hpp"

namespace golden {
namespace {

using hn::sd::Model;

const fs::path kGoldens = kSource / "tests/golden/sd_turbo";
const fs::path kVocabulary = kSource / "plugins/rewards/clip/weights/tiny-clip";

const Model& as_model(const hn::Pipeline& model) { return static_cast<const Model&>(model); }

class SdCase final : public ComputedCase {
 public:
  explicit SdCase(const std::string& name) : ComputedCase(name, kGoldens, 0.5, "conv_out") {
    // In the order of models.py.
    static const std::map<std::string, std::pair<std::int64_t, std::int64_t>> sizes{
        {"plain", {8, 8}},
        {"odd", {6, 10}},
        {"deep", {8, 8}},
        {"bare", {8, 16}},
        {"wide", {8, 12}}};
    const auto [height, width] = sizes.at(name);
    set_size(height, width);
    if (name == "plain") return;
    for (const char* file : {"vocab.json", "merges.txt"})
      add(kVocabulary / file, std::string("tokenizer/") + file);
    write_weights();
  }

  std::unique_ptr<hn::Pipeline> load(const hn::PipelineOptions& options) const override {
    return std::make_unique<Model>(folder_, options);
  }
  std::vector<std::int64_t> tokens(const hn::Pipeline& model,
                                   const std::string& prompt) const override {
    const auto ids = as_model(model).prompts().tokenize(prompt);
    return {ids.begin(), ids.end()};
  }
  std::vector<NetworkStage> network_stages(const hn::Pipeline& model) const override {
    std::vector<NetworkStage> stages;
    for (const std::int64_t t :
         {as_model(model).scheduler().num_train_timesteps - 1, std::int64_t{250}}) {
      const std::string key = "unet." + std::to_string(t);
      stages.push_back({static_cast<double>(t), key, key + ".grad"});
    }
    return stages;
  }
  at::Tensor network(const hn::Pipeline& model, const at::Tensor& x, double time,
                     const hn::PassContext& context) const override {
    return as_model(model).unet()(x, time, as_model(model).text(context), context.lora,
                                  &context.run);
  }
};

}  // namespace

const std::vector<std::string>& models() {
  static const std::vector<std::string> names{"plain", "odd", "deep", "bare", "wide"};
  return names;
}

std::unique_ptr<Case> make_case(const std::string& model) {
  return std::make_unique<SdCase>(model);
}

const std::vector<std::pair<std::string, Construct>>& parts() {
  static const std::vector<std::pair<std::string, Construct>> all{
      {"unet",
       [](const fs::path& config, hn::WeightMap& weights) {
         return hn::sd::UNet(hn::sd::UNetConfig::read(config), weights).layers().size();
       }},
      {"vae",
       [](const fs::path& config, hn::WeightMap& weights) {
         const hn::AutoencoderKL vae(hn::AutoencoderKLConfig::read(config, "sd_turbo"), weights);
         return std::size_t{0};
       }},
      {"text_encoder", construct_clip}};
  return all;
}

std::vector<Published> published() {
  const fs::path at = kGoldens / "published";
  const auto part = [&](const std::string& name, std::int64_t numbers, std::size_t layers) {
    Published p;
    p.part = name;
    p.tensors = at / (name + ".tensors");
    p.config = at / (name + ".json");
    p.numbers = numbers;
    p.layers = layers;
    return p;
  };
  // conv_in, conv_out, the time embedding's 2; 22 residual blocks of 3 with 14 shortcuts; 16
  // transformers of 12 layers; 3 samplers each way.
  std::vector<Published> all{part("unet", 865'910'724, 4u + 22 * 3 + 14 + 16 * 12 + 6),
                             part("vae", 83'653'863, 0), part("text_encoder", 340'387'840, 0)};
  // As the published file spells them, with the buffer that it carries.
  all.back().prefix = "text_model.";
  all.back().beside = {{"text_model.embeddings.position_ids", {1, 77}}};
  return all;
}

namespace {

class SdGolden : public testing::TestWithParam<std::string> {};

TEST_P(SdGolden, Scheduler) {
  const SdCase golden(GetParam());
  const auto config =
      hn::sd::SchedulerConfig::read(golden.folder() / "scheduler/scheduler_config.json");
  for (const std::int64_t n : {1, 2, 3, 4, 7, 30}) {
    const auto schedule = hn::sd::euler_schedule(n, config);
    const std::string key = "schedule." + std::to_string(n);
    std::vector<double> times, sigmas;
    for (const auto& step : schedule.steps) {
      times.push_back(step.timestep);
      sigmas.push_back(step.sigma);
    }
    const auto want = golden.file().get(key);
    golden.record("scheduler, time steps",
                  hn::test::relative_error(at::tensor(times, at::kDouble), want[0]), 1e-7);
    golden.record("scheduler, sigmas",
                  hn::test::relative_error(at::tensor(sigmas, at::kDouble), want[1]), 1e-6);
    EXPECT_NEAR(schedule.init_sigma, golden.file().get(key + ".init").item<double>(),
                1e-6 * schedule.init_sigma);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SdGolden, testing::ValuesIn(models()),
                         [](const auto& info) { return info.param; });

// Ids of thousands of strings, padded with "!", which also cuts strings that have one.
TEST(SdTokens, AreTheReferencesForTheWholeCorpus) {
  const fs::path folder =
      fs::temp_directory_path() / ("hn_sd_tokens_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  for (const char* file : {"vocab.json", "merges.txt"})
    fs::copy(kVocabulary / file, folder / file, fs::copy_options::overwrite_existing);
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"pad_token": "!", "model_max_length": 77})";
  const auto tokenizer = hn::ClipTokenizer::from_hugging_face(folder);
  fs::remove_all(folder);
  EXPECT_EQ(tokenizer.pad_id(), 0);
  EXPECT_EQ(tokenizer.max_length(), 77);

  const auto corpus = nlohmann::json::parse(
      hn::read_text_file(kSource / "tests/golden/tokenizers/corpus.json.gz", "corpus"));
  const auto want = nlohmann::json::parse(std::ifstream(kGoldens / "tokens.json"));
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
  const auto folder = kGoldens / "schedulers";
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

}  // namespace
}  // namespace golden
