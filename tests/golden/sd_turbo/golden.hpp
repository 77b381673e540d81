// One golden model: its folder assembled for loading (weights computed from their names), its
// tensors and settings, and the table of errors that the tests fill.
#pragma once

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model.hpp"
#include "safetensors/safetensors.hpp"
#include "support/counter_weights.hpp"
#include "torch/weight_map.hpp"

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

class Golden {
 public:
  explicit Golden(const std::string& name)
      : name_(name),
        file_(hn::SafetensorsFile::open(kGoldens / name / "golden.safetensors")),
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
  bool has(const std::string& key) const { return file_.find(key) != nullptr; }
  at::Tensor get(const std::string& key) const {
    const hn::TensorView& view = file_.at(key);
    auto t = at::empty(view.shape, hn::to_scalar_type(view.dtype));
    std::memcpy(t.mutable_data_ptr(), view.data, view.nbytes);
    return t;
  }
  std::string text(const std::string& key) const { return file_.metadata().at(key); }
  double number(const std::string& key) const { return std::stod(text(key)); }
  std::vector<std::string> texts(const std::string& key) const {
    return nlohmann::json::parse(text(key)).get<std::vector<std::string>>();
  }

 private:
  std::string name_;
  hn::SafetensorsFile file_;
  fs::path folder_;
  std::map<std::string, std::vector<hn::ExpectedTensor>> lists_;
};

// Largest difference over the golden's largest magnitude.
inline double relative_error(const at::Tensor& got, const at::Tensor& want) {
  TORCH_CHECK(got.sizes() == want.sizes(), "shape ", got.sizes(), " against ", want.sizes());
  const auto a = got.detach().to(at::kDouble), b = want.to(at::kDouble);
  return ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item<double>();
}

// Errors by stage and model, printed at the end; HN_PARITY_TABLE names a file for the Markdown
// table.
class Table {
 public:
  static Table& get() {
    static Table table;
    return table;
  }
  void add(const std::string& stage, const std::string& model, double error) {
    if (!errors_.contains(stage)) order_.push_back(stage);
    auto& cell = errors_[stage].try_emplace(model, 0.0).first->second;
    cell = std::max(cell, error);
  }
  void print() const {
    std::ostringstream out;
    out << "| stage |";
    for (const auto& model : kModels) out << ' ' << model << " |";
    out << "\n|---|";
    for (std::size_t i = 0; i < kModels.size(); ++i) out << "---|";
    out << '\n';
    for (const auto& stage : order_) {
      out << "| " << stage << " |";
      for (const auto& model : kModels) {
        const auto& row = errors_.at(stage);
        const auto cell = row.find(model);
        if (cell == row.end())
          out << " |";
        else
          out << ' ' << std::scientific << std::setprecision(1) << cell->second << " |";
      }
      out << '\n';
    }
    std::cout << out.str();
    if (const char* path = std::getenv("HN_PARITY_TABLE")) std::ofstream(path) << out.str();
  }

 private:
  std::vector<std::string> order_;
  std::map<std::string, std::map<std::string, double>> errors_;
};

}  // namespace golden
