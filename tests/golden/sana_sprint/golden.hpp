// One golden model: its folder assembled for loading, its tensors and settings, and the table of
// errors that the tests fill.
#pragma once

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model.hpp"
#include <hn/formats/safetensors.hpp>
#include <hn/nn/weight_map.hpp>

namespace golden {

inline const std::filesystem::path kSource = HN_SOURCE_DIR;
inline const std::filesystem::path kEmbedded =
    kSource / "plugins/generators/sana_sprint/weights/emoji-sprint";
inline const std::vector<std::string> kModels{"emoji-sprint", "plain", "biased",
                                              "wide",         "convs", "deep"};

class Golden {
 public:
  explicit Golden(const std::string& name)
      : name_(name),
        file_(hn::SafetensorsFile::open(kSource / "tests/golden/sana_sprint" / name /
                                        "golden.safetensors")) {
    if (name == "emoji-sprint") {
      folder_ = kEmbedded;
      return;
    }
    // The stored models have no tokenizer of their own: a folder of links puts the embedded one
    // beside the rest.
    folder_ = std::filesystem::temp_directory_path() /
              ("hn_sana_" + std::to_string(::getpid()) + "_" + name);
    std::filesystem::create_directories(folder_);
    for (const char* part : {"transformer", "vae", "text_encoder", "scheduler"})
      link(file_.path().parent_path() / part, part);
    link(kEmbedded / "tokenizer", "tokenizer");
  }
  ~Golden() {
    if (folder_ != kEmbedded) std::filesystem::remove_all(folder_);
  }
  Golden(const Golden&) = delete;
  Golden& operator=(const Golden&) = delete;

  const std::string& name() const { return name_; }
  const std::filesystem::path& folder() const { return folder_; }
  bool has(const std::string& key) const { return file_.find(key) != nullptr; }
  at::Tensor get(const std::string& key) const {
    const hn::TensorView& view = file_.at(key);
    auto t = at::empty(view.shape, hn::to_scalar_type(view.dtype));
    std::memcpy(t.mutable_data_ptr(), view.data, view.nbytes);
    return t;
  }
  std::string text(const std::string& key) const { return file_.metadata().at(key); }
  double number(const std::string& key) const { return std::stod(text(key)); }
  std::vector<std::string> list(const std::string& key) const {
    return nlohmann::json::parse(text(key)).get<std::vector<std::string>>();
  }
  std::vector<std::string> keys(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const auto& t : file_.tensors())
      if (t.name.starts_with(prefix)) found.push_back(t.name);
    return found;
  }

 private:
  void link(const std::filesystem::path& target, const std::string& name) const {
    std::filesystem::remove(folder_ / name);
    std::filesystem::create_directory_symlink(target, folder_ / name);
  }
  std::string name_;
  hn::SafetensorsFile file_;
  std::filesystem::path folder_;
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
    out << "\n|---|" << [] {
      std::string s;
      for (std::size_t i = 0; i < kModels.size(); ++i) s += "---|";
      return s;
    }() << '\n';
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
