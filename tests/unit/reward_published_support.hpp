// The small models of tests/golden/clip_rewards, unpacked by the build, and copies of them to
// damage.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <hn/formats/safetensors.hpp>
#include <nlohmann/json.hpp>

#include "unit/reward_support.hpp"

namespace hn::test {

namespace fs = std::filesystem;

inline fs::path published(const std::string& name) {
  return fs::path(HN_BUILD_DIR) / "golden/clip_rewards" / name;
}

// float32 or bfloat16 values of one golden tensor.
inline Tensor golden_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorView& v = file.at(name);
  std::vector<float> values(static_cast<std::size_t>(v.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (v.dtype == TensorDtype::kF32) {
      std::memcpy(&values[i], v.data + 4 * i, 4);
    } else {  // bfloat16: the upper half of a float32
      std::uint16_t half = 0;
      std::memcpy(&half, v.data + 2 * i, 2);
      const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
      std::memcpy(&values[i], &bits, 4);
    }
  }
  return Tensor(v.shape, std::move(values));
}

// A copy of one model that a test may change.
class PublishedCopy {
 public:
  explicit PublishedCopy(const std::string& name)
      : path_(fs::temp_directory_path() /
              ("hn_published_" + std::to_string(::getpid()) + "_" +
               testing::UnitTest::GetInstance()->current_test_info()->name() + "_" + name)) {
    fs::remove_all(path_);
    fs::copy(published(name), path_, fs::copy_options::recursive);
  }
  ~PublishedCopy() { fs::remove_all(path_); }
  PublishedCopy(const PublishedCopy&) = delete;
  PublishedCopy& operator=(const PublishedCopy&) = delete;

  const fs::path& path() const { return path_; }
  void edit_json(const std::string& file,
                 const std::function<void(nlohmann::json&)>& change) const {
    nlohmann::json json = nlohmann::json::parse(std::ifstream(path_ / file));
    change(json);
    std::ofstream(path_ / file) << json;
  }
  void expect_refused(const std::string& reward, hn_status status,
                      std::initializer_list<const char*> texts, Options options = {}) const {
    options.try_emplace("weights", path_.string());
    const Outcome o = Reward::create_outcome(reward, options);
    EXPECT_EQ(o.status, status) << o.text;
    for (const char* text : texts) EXPECT_THAT(o.text, testing::HasSubstr(text));
  }

 private:
  fs::path path_;
};

}  // namespace hn::test
