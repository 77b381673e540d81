// hps: Human Preference Score v2.1 and v2.0, a ViT-H/14 CLIP fine-tuned on choices that people
// made.
//
//   score = cos(image_embedding, text_embedding)      no logit scale
//
// Source: hpsv2 1.2.0 (PyPI) hpsv2/img_score.py and hpsv2/src/open_clip; HPSv2, arXiv 2306.09341.
// The loss 1 - cos with weight 5 is that of Noise Hypernetworks (arXiv 2508.09968).
#include <hn/cpp/error.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/reward/clip_reward.hpp>

namespace {

namespace fs = std::filesystem;

struct Version {
  const char* name;
  const char* file;  // as published in xswu/HPSv2
};
constexpr Version kVersions[] = {{"2.1", "HPS_v2.1_compressed.pt"},
                                 {"2.0", "HPS_v2_compressed.pt"}};

// The two versions have one architecture and scores that are not comparable: taking one for the
// other would go unnoticed.
void refuse_other_version(const fs::path& path, const Version& wanted) {
  for (const Version& other : kVersions) {
    if (other.file == wanted.file) continue;
    const bool is_other = path.filename() == other.file;
    const bool only_other =
        fs::is_directory(path) && fs::exists(path / other.file) && !fs::exists(path / wanted.file);
    if (is_other || only_other)
      throw hn::Error(HN_INVALID_ARGUMENT, "[hps] " + path.string() + ": expected " + wanted.file +
                                               " for version " + wanted.name + ", got " +
                                               other.file + " of version " + other.name +
                                               " (say version = \"" + other.name + "\" for it)");
  }
}

hn::ClipRewardSpec spec(const hn::Config& config) {
  const bool old = hn::choice_option(config, "version", {"2.1", "2.0"}) == "2.0";
  const Version& version = kVersions[old ? 1 : 0];
  const fs::path path = hn::required_weights_option(
      config, std::string("the folder with ") + version.file + ", or that file");
  refuse_other_version(path, version);
  hn::ClipRewardSpec spec{
      "hps", hn::open_clip_files(path, {version.file}, {}, hn::activation_option(config)),
      hn::ClipOutput::kCosine, hn::ClipConvention::kOpenClip};
  spec.files.assumed.clear();  // hpsv2 builds ViT-H-14 whatever stands beside the file
  // hpsv2 turns the 8-bit image into a tensor before it resizes, and crops with torchvision.
  spec.files.preprocess.official_resizes_bytes = false;
  spec.files.preprocess.official_crop = hn::CropRounding::kHalfToEven;
  return spec;
}

class Hps final : public hn::ClipReward {
 public:
  Hps(const hn::Host& host, const hn::Config& config) : ClipReward(host, config, spec(config)) {}
};

}  // namespace

HN_PLUGIN(Hps, "hn.reward.hps", "0.1.0");
