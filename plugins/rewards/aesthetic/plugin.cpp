// aesthetic: LAION's aesthetic predictors, how much people like a picture, whatever it shows.
//
//   score = head(image_embedding / |image_embedding|)      OpenAI's ViT-L/14, then linear maps
//
// Source: christophschuhmann/improved-aesthetic-predictor simple_inference.py;
// LAION-AI/aesthetic-predictor (head.hpp). The loss 10 - score is that of Noise Hypernetworks
// (arXiv 2508.09968), which weighs it 0.
#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/nn/weight_audit.hpp>
#include <hn/reward/clip_reward.hpp>
#include <hn/torch/reward.hpp>

#include "head.hpp"

namespace {

namespace fs = std::filesystem;

fs::path weights_folder(const hn::Config& config) {
  const fs::path path = hn::required_weights_option(
      config,
      "a folder with the head's .pth and OpenAI's CLIP ViT-L/14, or a folder \"clip\" with "
      "the latter (or elsewhere: option clip)");
  if (!fs::is_directory(path))
    throw hn::Error(HN_INVALID_ARGUMENT,
                    "[aesthetic] expected a folder with a head and a CLIP model, "
                    "got the file " +
                        path.string());
  return path;
}

fs::path tower_folder(const fs::path& folder, const hn::Config& config) {
  const fs::path given = config.str("clip", "");
  if (given.empty()) return fs::is_directory(folder / "clip") ? folder / "clip" : folder;
  if (!fs::exists(given))
    throw hn::Error(HN_NOT_FOUND, "[option clip] there is no " + given.string());
  return given;
}

hn::ClipFiles tower_files(const fs::path& folder, const hn::Config& config) {
  hn::ClipFiles files = hn::open_clip_files(
      tower_folder(folder, config), {}, {.activation = hn::ClipActivation::kQuickGelu},  // OpenAI's
      hn::activation_option(config));
  // clip.load's processing: Pillow's resize, torchvision's crop.
  files.preprocess.official_crop = hn::CropRounding::kHalfToEven;
  return files;
}

class Aesthetic final : public hn::TorchReward, public hn::AuditsWeights {
 public:
  Aesthetic(const hn::Host& host, const hn::Config& config)
      : TorchReward(host),
        folder_(weights_folder(config)),
        tower_(hn::translate_errors([&] {
          const hn::Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
          return hn::ClipModel(tower_files(folder_, config), hn::dtype_option(config),
                               hn::device_option(config), hn::ClipParts::kImageOnly);
        })),
        head_(hn::translate_errors([&] {
          const hn::Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
          return hn::aesthetic::Head(
              hn::WeightFiles::open(hn::aesthetic::find_head(folder_, config.str("head", ""))),
              tower_.config().projection_dim, tower_.device());
        })),
        mode_(hn::choice_option(config, "preprocess", {"tensor", "official"}) == "tensor"
                  ? hn::PreprocessMode::kTensor
                  : hn::PreprocessMode::kOfficial) {}

  at::Tensor score(const at::Tensor& image, const hn::Call& call) override {
    hn::check_clip_image("aesthetic", image, tower_.device());
    if (call.batch() == 0) return at::zeros({0}, image.options()) + image.sum() * 0.0;
    const at::Tensor pixels = hn::clip_pixels(image, tower_.preprocess(), mode_);
    return head_.forward(tower_.image_embedding(pixels, call.deterministic()));
  }

  std::vector<hn::MemoryUse> memory_use() const override {
    return {{hn::dl_device(tower_.device()), tower_.weight_bytes() + head_.bytes()}};
  }

 private:
  fs::path folder_;
  hn::ClipModel tower_;
  hn::aesthetic::Head head_;
  hn::PreprocessMode mode_;
};

}  // namespace

HN_PLUGIN(Aesthetic, "hn.reward.aesthetic", "0.1.0");
