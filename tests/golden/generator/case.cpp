#include "golden/generator/case.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <hn/nn/autoencoder_kl_config.hpp>
#include <hn/nn/clip_towers.hpp>

namespace golden {

hn::test::ParityTable& table() {
  static hn::test::ParityTable made(models());
  return made;
}

std::size_t construct_clip(const fs::path& config, hn::WeightMap& weights) {
  const auto json = nlohmann::json::parse(std::ifstream(config));
  const hn::ClipTextTower tower(hn::parse_clip_text_config(json, "test"), weights, "");
  return 0;
}

TensorList wanted(Construct construct, const fs::path& config) {
  auto weights = hn::WeightMap::dry({}, at::kFloat, "wanted");
  construct(config, weights);
  return weights.requested();
}

void Case::record(const std::string& stage, double error, double tolerance) const {
  table().add(stage, name_, error);
  EXPECT_LE(error, tolerance) << stage << " of " << name_;
}

void Case::expect(const std::string& stage, const at::Tensor& got, const std::string& what,
                  double tolerance) const {
  record(stage, hn::test::digest_error(file_, key(what), got), tolerance);
}

ComputedCase::ComputedCase(const std::string& name, const fs::path& goldens, double lora_b,
                           std::string last)
    : Case(name, goldens), lora_b_(lora_b), last_(std::move(last)) {
  folder_ = fs::temp_directory_path() / ("hn_golden_" + std::to_string(::getpid()) + "_" + name);
  fs::remove_all(folder_);
  fs::copy(goldens / name, folder_, fs::copy_options::recursive);
}

void ComputedCase::set_size(std::int64_t height, std::int64_t width) {
  const auto vae = hn::AutoencoderKLConfig::read(folder_ / "vae/config.json", "golden");
  const auto batch = static_cast<std::int64_t>(file_.texts("prompts").size());
  latents_ = {batch, vae.latent_channels, height, width};
  pixels_ = {batch, 3, height * vae.factor(), width * vae.factor()};
  scaling_factor_ = vae.scaling_factor;
}

void ComputedCase::write_weights() const {
  for (const auto& [part, construct] : parts()) {
    const bool text = part.starts_with("text_encoder");
    counter::write_weights(
        folder_ / part / (text ? "model.safetensors" : "diffusion_pytorch_model.safetensors"),
        name_ + "/" + part, wanted(construct, folder_ / part / "config.json"));
  }
}

at::Tensor ComputedCase::input(const std::string& what) const {
  const std::string key = name_ + "/" + what;
  if (what == "noise") return counter::noise(key, latents_);
  if (what == "image") return counter::uniform(key, pixels_) * 0.5 + 0.5;
  if (what == "latents") return counter::noise(key, latents_) * scaling_factor_;
  if (what == "tiles") return has("tiles") ? input("latents") : at::Tensor();
  if (what == "tiles_cotangent") return input("image_cotangent");
  if (what == "latent_cotangent" || what == "encode_cotangent")
    return counter::uniform(key, latents_);
  if (what == "image_cotangent") return counter::uniform(key, pixels_);
  return {};
}

std::vector<std::string> ComputedCase::targets() const {
  auto all = Case::targets();
  all.push_back(last_);
  return all;
}

at::Tensor ComputedCase::matrix(const std::string& slot, at::IntArrayRef shape) const {
  const double size = slot.ends_with("lora_B.weight") ? lora_b_ : 1.0;
  return counter::weight(name_ + "/lora/" + slot, shape) * size;
}

void ComputedCase::compare_gradients(const std::string& stage, const Params& grads) const {
  const bool noise_net = stage == "noise_net";
  const std::string what = noise_net ? "offset.grad" : "tuned.grad";
  const auto rows = file_.get(what + ".rows");
  ASSERT_EQ(rows.size(0), static_cast<std::int64_t>(grads.size()));
  std::int64_t i = 0;
  for (const auto& [slot, grad] : grads) {
    const auto probes = counter::probes(what + "/" + slot, grad, rows.size(1));
    const double error = hn::test::relative_error(probes, rows[i++]);
    record(stage + ", gradient by LoRA", error, kTolerance);
    if (error > kTolerance) ADD_FAILURE() << slot;
  }
}

}  // namespace golden
