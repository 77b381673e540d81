// Small ImageReward models as a user has them: the checkpoint of tests/golden/image_reward
// unzipped, its small files beside it, in a folder that goes away with the object.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <hn/formats/safetensors.hpp>
#include <hn/formats/torch_file.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/gzip.hpp"

namespace hn::test {

class ImageRewardModel {
 public:
  explicit ImageRewardModel(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("hn_image_reward_" + std::to_string(::getpid()) + "_" + name)) {
    const auto golden = std::filesystem::path(HN_SOURCE_DIR) / "tests/golden/image_reward" / name;
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
    std::ofstream(path_ / "ImageReward.pt", std::ios::binary)
        << unzip(golden / "ImageReward.pt.gz");
    for (const char* file : {"med_config.json", "vit_config.json", "vocab.txt"})
      if (std::filesystem::exists(golden / file)) std::filesystem::copy(golden / file, path_);
  }
  ImageRewardModel(const ImageRewardModel&) = delete;
  ImageRewardModel& operator=(const ImageRewardModel&) = delete;
  ~ImageRewardModel() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

  // Sets every number of the float32 tensors that `chosen` names to 0, as a load that went wrong
  // without a word leaves them. The checkpoint becomes a model.safetensors.
  void silence(const std::function<bool(const std::string&)>& chosen) const {
    const TorchFile file = TorchFile::open(path_ / "ImageReward.pt");
    std::vector<TensorToWrite> tensors;
    std::vector<std::vector<float>> zeros;
    for (const StridedView& view : file.tensors()) {
      std::int64_t numbers = 1;
      for (const std::int64_t size : view.shape) numbers *= size;
      const auto bytes =
          static_cast<std::uint64_t>(numbers) * (view.dtype == TensorDtype::kF32 ? 4U : 8U);
      TensorToWrite one{view.name, view.dtype, view.shape, view.data, bytes};
      if (chosen(view.name)) {
        zeros.emplace_back(static_cast<std::size_t>(numbers), 0.0f);
        one.data = zeros.back().data();
      }
      tensors.push_back(one);
    }
    write_safetensors(path_ / "model.safetensors", tensors);
    std::filesystem::remove(path_ / "ImageReward.pt");
  }

 private:
  std::filesystem::path path_;
};

}  // namespace hn::test
