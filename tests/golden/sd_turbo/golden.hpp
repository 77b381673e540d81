// One golden model: its folder assembled for loading (weights computed from their names), and its
// tensors and settings.
#pragma once

#include <ATen/ATen.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model.hpp"
#include <hn/formats/safetensors.hpp>
#include "support/counter_weights.hpp"
#include "support/parity.hpp"
#include <hn/nn/weight_map.hpp>

namespace golden {

namespace fs = std::filesystem;

inline const fs::path kSource = HN_SOURCE_DIR;
inline const fs::path kGoldens = kSource / "tests/golden/sd_turbo";
inline const fs::path kVocabulary = kSource / "plugins/rewards/clip/weights/tiny-clip";
inline const std::vector<std::string> kModels{"plain", "odd", "deep", "bare", "wide"};

// What the loader asks for, by part of the folder: taken from its constructors, without data.
inline std::map<std::string, std::vector<hn::ExpectedTensor>> wanted(const fs::path& folder) {
  using hn::WeightMap;
  std::map<std::string, std::vector<hn::ExpectedTensor>> lists;
  const auto dry = [&](const std::string& part, const auto& construct) {
    auto weights = WeightMap::dry({}, at::kFloat, part);
    construct(weights);
    lists[part] = weights.requested();
  };
  dry("unet", [&](WeightMap& weights) {
    const hn::sd::UNet unet(hn::sd::UNetConfig::read(folder / "unet/config.json"), weights);
  });
  dry("vae", [&](WeightMap& weights) {
    const hn::AutoencoderKL vae(
        hn::AutoencoderKLConfig::read(folder / "vae/config.json", "sd_turbo"), weights);
  });
  dry("text_encoder", [&](WeightMap& weights) {
    const auto json = nlohmann::json::parse(std::ifstream(folder / "text_encoder/config.json"));
    const hn::ClipTextTower tower(hn::parse_clip_text_config(json, "test"), weights, "");
  });
  return lists;
}

class Golden : public hn::test::GoldenFile {
 public:
  explicit Golden(const std::string& name)
      : GoldenFile(kGoldens / name / "golden.safetensors"),
        name_(name),
        folder_(fs::temp_directory_path() / ("hn_sd_" + std::to_string(::getpid()) + "_" + name)) {
    fs::remove_all(folder_);
    fs::copy(kGoldens / name, folder_, fs::copy_options::recursive);
    lists_ = wanted(folder_);
    if (name == "plain") return;  // stored whole
    for (const char* file : {"vocab.json", "merges.txt"})
      fs::copy(kVocabulary / file, folder_ / "tokenizer" / file);
    for (const auto& [part, list] : lists_)
      counter::write_weights(folder_ / part /
                                 (part == "text_encoder" ? "model.safetensors"
                                                         : "diffusion_pytorch_model.safetensors"),
                             name + "/" + part, list);
  }
  ~Golden() { fs::remove_all(folder_); }
  Golden(const Golden&) = delete;
  Golden& operator=(const Golden&) = delete;

  const std::string& name() const { return name_; }
  const fs::path& folder() const { return folder_; }
  const std::vector<hn::ExpectedTensor>& list(const std::string& part) const {
    return lists_.at(part);
  }

 private:
  std::string name_;
  fs::path folder_;
  std::map<std::string, std::vector<hn::ExpectedTensor>> lists_;
};

}  // namespace golden
