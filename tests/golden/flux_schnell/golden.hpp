// One golden model of FLUX: its folder assembled for loading (weights computed from their names,
// vocabularies from where they are kept), and what the loader asks for.
#pragma once

#include <unistd.h>
#include <zlib.h>

#include <array>
#include <memory>

#include "model.hpp"
#include "support/parity.hpp"

namespace golden {

namespace fs = std::filesystem;

inline const fs::path kSource = HN_SOURCE_DIR;
inline const fs::path kGoldens = kSource / "tests/golden/flux_schnell";
inline const fs::path kClip = kSource / "plugins/rewards/clip/weights/tiny-clip";
inline const fs::path kT5 = kSource / "tests/golden/tokenizers/t5";
inline const std::vector<std::string> kModels{"plain", "guided", "double", "single", "long"};

using TensorList = std::vector<hn::ExpectedTensor>;

// What the loader asks for, by part of the folder: taken from its constructors, without data.
inline std::map<std::string, TensorList> wanted(const fs::path& folder) {
  using hn::WeightMap;
  std::map<std::string, TensorList> lists;
  const auto dry = [&](const std::string& part, const auto& construct) {
    auto weights = WeightMap::dry({}, at::kFloat, part);
    construct(weights, folder / part / "config.json");
    lists[part] = weights.requested();
  };
  dry("transformer", [](WeightMap& weights, const fs::path& config) {
    const hn::flux::Transformer transformer(hn::flux::TransformerConfig::read(config), weights);
  });
  dry("vae", [](WeightMap& weights, const fs::path& config) {
    const hn::AutoencoderKL vae(hn::AutoencoderKLConfig::read(config, "flux_schnell"), weights);
  });
  dry("text_encoder", [](WeightMap& weights, const fs::path& config) {
    const auto json = nlohmann::json::parse(std::ifstream(config));
    const hn::ClipTextTower tower(hn::parse_clip_text_config(json, "test"), weights, "");
  });
  dry("text_encoder_2", [](WeightMap& weights, const fs::path& config) {
    const hn::T5Encoder encoder(hn::T5Config::read(config), weights);
  });
  return lists;
}

inline void unzip(const fs::path& from, const fs::path& to) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(from.c_str(), "rb"), gzclose);
  TORCH_CHECK(file != nullptr, "cannot open ", from.string());
  std::ofstream out(to, std::ios::binary);
  std::array<char, 65536> chunk{};
  for (int n = 0; (n = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()))) > 0;)
    out.write(chunk.data(), n);
}

class Golden : public hn::test::GoldenFile {
 public:
  explicit Golden(const std::string& name)
      : GoldenFile(kGoldens / name / "golden.safetensors"),
        name_(name),
        folder_(fs::temp_directory_path() / ("hn_flux_" + std::to_string(::getpid()) + name)) {
    fs::remove_all(folder_);
    fs::copy(kGoldens / name, folder_, fs::copy_options::recursive);
    lists_ = wanted(folder_);
    if (name == "plain") return;  // stored whole
    for (const char* file : {"vocab.json", "merges.txt"})
      fs::copy(kClip / file, folder_ / "tokenizer" / file);
    const auto tokenizer = texts("tokenizer");
    const bool whole = tokenizer[1] == "tokenizer.json";
    unzip(kT5 / (tokenizer[0] + (whole ? ".tokenizer.json.gz" : ".model.gz")),
          folder_ / "tokenizer_2" / tokenizer[1]);
    for (const auto& [part, list] : lists_)
      counter::write_weights(
          folder_ / part /
              (part.starts_with("text_encoder") ? "model.safetensors"
                                                : "diffusion_pytorch_model.safetensors"),
          name + "/" + part, list);
  }
  ~Golden() { fs::remove_all(folder_); }
  Golden(const Golden&) = delete;
  Golden& operator=(const Golden&) = delete;

  const std::string& name() const { return name_; }
  const fs::path& folder() const { return folder_; }
  const TensorList& list(const std::string& part) const { return lists_.at(part); }

 private:
  std::string name_;
  fs::path folder_;
  std::map<std::string, TensorList> lists_;
};

}  // namespace golden
