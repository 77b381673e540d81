// Bundles made on the fly for the host's tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <hn/cpp/error.hpp>
#include <string>

#include "support/files.hpp"

namespace hn::host::testing {

namespace fs = std::filesystem;

// A folder of its own, gone at the end of the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "hn_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline void write_text(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

// Replaces the first occurrence; a test that replaces nothing would test nothing.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "no '" << from << "' in the text";
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// As if the plugin were one of hn's, whose options are words without a dot.
inline std::string ours(const std::string& text) {
  return text.find("test.reward.fake") != std::string::npos
             ? replaced(text, "test.reward.fake", "hn.test.fake")
             : replaced(text, "test.generator.gen", "hn.test.gen");
}

// What an author writes, for a reward named NAME.
inline std::string reward_text(const std::string& name = "fake") {
  return R"(schema = 1
id = "test.reward.)" +
         name + R"("
version = "1.2.3"
kind = "reward"
name = ")" +
         name +
         R"("
aliases = []
summary = "A fake."
licence = "Apache-2.0"
functions = ["score"]

[capabilities]
differentiable = true

[reward]
min = -1.0
max = 1.0
direction = "higher"
default_weight = 2.5
loss = { target = 3.0, scale = 1.0, form = "3 - s" }
preprocessing = ["tensor", "official"]
text_limit = 77

[[options]]
key = "crop"
type = "bool"
default = true
help = "Crop."

[[options]]
key = "strength"
type = "float"
min = 0
max = 1
help = "How much."
)";
}

inline std::string generator_text(const std::string& name = "gen") {
  return R"(schema = 1
id = "test.generator.)" +
         name + R"("
version = "1.2.3"
kind = "generator"
name = ")" +
         name +
         R"("
summary = "A fake."
licence = "Apache-2.0"
functions = ["generate", "noise_net"]

[capabilities]
dtypes = ["float32", "bfloat16"]

[[options]]
key = "guidance"
type = "float"
default = 4.5
help = "Guidance."

[[models]]
name = ")" +
         name +
         R"(-small"
weights = "weights/small"
default = true
options = { width = 64, dtype = "bfloat16" }
prompts = { train = "prompts/train.txt", heldout = "prompts/heldout.txt" }

[[models]]
name = ")" +
         name +
         R"(-large"
weights = "required"
)";
}

// What the build appends.
inline std::string build_text(const std::string& sha256, const std::string& libtorch = "none") {
  return R"(
[abi]
major = 1
min_minor = 0

[library.linux-x86_64]
file = "libfake.so"
sha256 = ")" +
         sha256 + R"("

[requires]
libtorch = ")" +
         libtorch + "\"\n";
}

// A bundle with a fake's library ("good", ...) and a manifest that fits it.
inline fs::path make_bundle(const fs::path& bundle, const std::string& author_text,
                            const std::string& fake = "good",
                            const std::string& libtorch = "none") {
  fs::create_directories(bundle);
  fs::copy_file(fs::path(HN_FAKES) / ("libfake_" + fake + ".so"), bundle / "libfake.so",
                fs::copy_options::overwrite_existing);
  write_text(bundle / "plugin.toml",
             author_text + build_text(sha256_file(bundle / "libfake.so"), libtorch));
  return bundle;
}

// The message of the hn::Error that the body throws; code is checked too.
template <class Body>
std::string message_of(hn_status code, const Body& body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "expected hn::Error, got: " << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace hn::host::testing
