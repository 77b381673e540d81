// What parity tests share: a golden file, the error of a tensor, and the table of errors that a
// run prints.
#pragma once

#include <ATen/ATen.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <hn/formats/safetensors.hpp>
#include <hn/nn/weight_map.hpp>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/counter_weights.hpp"

namespace hn::test {

// golden.safetensors: tensors, and settings in its metadata.
class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& path) : file_(SafetensorsFile::open(path)) {}

  bool has(const std::string& key) const { return file_.find(key) != nullptr; }
  at::Tensor get(const std::string& key) const {
    const TensorView& view = file_.at(key);
    auto t = at::empty(view.shape, to_scalar_type(view.dtype));
    std::memcpy(t.mutable_data_ptr(), view.data, view.nbytes);
    return t;
  }
  bool has_text(const std::string& key) const { return file_.metadata().contains(key); }
  std::vector<std::string> keys(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const auto& t : file_.tensors())
      if (t.name.starts_with(prefix)) found.push_back(t.name);
    return found;
  }
  std::string text(const std::string& key) const { return file_.metadata().at(key); }
  double number(const std::string& key) const { return std::stod(text(key)); }
  nlohmann::json json(const std::string& key) const { return nlohmann::json::parse(text(key)); }
  std::vector<std::string> texts(const std::string& key) const {
    return json(key).get<std::vector<std::string>>();
  }

 private:
  SafetensorsFile file_;
};

// Largest difference over the golden's largest magnitude.
inline double relative_error(const at::Tensor& got, const at::Tensor& want) {
  TORCH_CHECK(got.sizes() == want.sizes(), "shape ", got.sizes(), " against ", want.sizes());
  const auto a = got.detach().to(at::kDouble), b = want.to(at::kDouble);
  return ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item<double>();
}

// The error of `got` against what counter_weights.py's digest() stored under `key`.
inline double digest_error(const GoldenFile& golden, const std::string& key,
                           const at::Tensor& got) {
  if (golden.has(key)) return relative_error(got, golden.get(key));
  return relative_error(counter::probes(key, got), golden.get(key + ".probes"));
}

// Errors by stage and model; HN_PARITY_TABLE names a file for the Markdown table.
class ParityTable {
 public:
  explicit ParityTable(std::vector<std::string> models) : models_(std::move(models)) {}
  void add(const std::string& stage, const std::string& model, double error) {
    if (!errors_.contains(stage)) order_.push_back(stage);
    auto& cell = errors_[stage].try_emplace(model, 0.0).first->second;
    cell = std::max(cell, error);
  }
  void print() const {
    std::ostringstream out;
    out << "| stage |";
    for (const auto& model : models_) out << ' ' << model << " |";
    out << "\n|---|";
    for (std::size_t i = 0; i < models_.size(); ++i) out << "---|";
    out << '\n';
    for (const auto& stage : order_) {
      out << "| " << stage << " |";
      for (const auto& model : models_) {
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
  std::vector<std::string> models_, order_;
  std::map<std::string, std::map<std::string, double>> errors_;
};

}  // namespace hn::test
