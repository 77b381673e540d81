// The rewards' manifests name their embedded weights truly: every file is there, with the size and
// the SHA-256 that stand in plugin.toml.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace hn::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string sha256(const std::string& bytes) {
  std::vector<unsigned char> digest(EVP_MAX_MD_SIZE);
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  std::string text;
  char pair[3];
  for (unsigned i = 0; i < length; ++i) {
    std::snprintf(pair, sizeof pair, "%02x", digest[i]);
    text += pair;
  }
  return text;
}

std::string value(const std::string& table, const std::string& key) {
  std::smatch found;
  const bool there = std::regex_search(table, found, std::regex("\n" + key + " = \"?([^\"\n]*)"));
  return there ? found[1].str() : "";
}

TEST(RewardManifests, EmbeddedWeightsAreWhatTheySay) {
  int checked = 0;
  for (const char* reward : {"redness", "clip", "judge"}) {
    const fs::path folder = fs::path(HN_SOURCE_DIR) / "plugins/rewards" / reward;
    std::string text = read(folder / "plugin.toml");
    for (std::size_t at = text.find("[[weights]]"); at != std::string::npos;
         at = text.find("[[weights]]", at + 1)) {
      const std::string table = text.substr(at + 11, text.find("\n[", at) - at - 11);
      if (value(table, "repo") != "embedded") continue;
      const std::string bytes = read(folder / value(table, "file"));
      EXPECT_EQ(std::to_string(bytes.size()), value(table, "bytes"))
          << reward << ": " << value(table, "file");
      EXPECT_EQ(sha256(bytes), value(table, "sha256")) << reward << ": " << value(table, "file");
      ++checked;
    }
  }
  EXPECT_EQ(checked, 2);
}

}  // namespace
}  // namespace hn::test
