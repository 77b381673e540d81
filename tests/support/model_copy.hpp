// A copy of a model's folder that a test may spoil; gone at the end.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <hn/formats/safetensors.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hn::test {

namespace fs = std::filesystem;

class ModelCopy {
 public:
  ModelCopy(const fs::path& source, const std::vector<std::string>& parts)
      : root_(fs::temp_directory_path() / ("hn_model_copy_" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_);
    for (const std::string& part : parts)
      fs::copy(source / part, root_ / part, fs::copy_options::recursive);
  }
  ~ModelCopy() { fs::remove_all(root_); }
  ModelCopy(const ModelCopy&) = delete;
  ModelCopy& operator=(const ModelCopy&) = delete;

  const fs::path& root() const { return root_; }
  void edit_json(const std::string& file, const std::function<void(nlohmann::json&)>& edit) const {
    nlohmann::json json = nlohmann::json::parse(std::ifstream(root_ / file));
    edit(json);
    std::ofstream(root_ / file) << json;
  }
  // Rewrites a weights file; edit may erase, rename or reshape entries.
  void edit_weights(const std::string& file,
                    const std::function<void(std::vector<TensorToWrite>&)>& edit) const {
    const auto old = SafetensorsFile::open(root_ / file);
    std::vector<TensorToWrite> tensors;
    for (const auto& t : old.tensors())
      tensors.push_back({t.name, t.dtype, t.shape, t.data, t.nbytes});
    edit(tensors);
    write_safetensors(root_ / file, tensors);
  }

 private:
  fs::path root_;
};

}  // namespace hn::test
