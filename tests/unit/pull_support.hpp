// Pulls of one small listed model from a hub on the loopback interface.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "pull/http_module.hpp"
#include "pull/pull.hpp"
#include "support/fake_hub.hpp"
#include "unit/loader_support.hpp"

namespace hn::pull::test {

using hn::test::FakeHub;
using hn::test::HubReply;
using hn::test::HubRequest;
using host::testing::message_of;
using host::testing::write_text;
using nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

namespace fs = std::filesystem;

// Bytes that no two parts have in common.
inline std::string noise(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

inline std::string read(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return out.str();
}

constexpr const char* kList =
    "schema = 1\n[[models]]\nname = \"tiny\"\naliases = [\"t\"]\nrepo = \"o/n\"\n"
    "files = [\"config.json\", \"unet/*.safetensors\"]\nlicence = \"Apache-2.0\"\npermissive = "
    "true\n";

class PullTest : public ::testing::Test {
 protected:
  PullTest()
      : big_(noise(300'000)),
        hub_({{"config.json", "{\"a\": 1}"}, {"unet/w.safetensors", big_}, {"README.md", "no"}}) {
    places_.cache = folder_ / "hub";
    places_.endpoint = hub_.url();
    request_.model = "tiny";
    request_.net.first_pause = std::chrono::milliseconds(1);
    request_.net.longest_pause = std::chrono::milliseconds(4);
    request_.net.attempts = 4;
    request_.transfer.part_bytes = 64 << 10;
    services_.log = [this](std::int32_t, std::string_view text) {
      const std::lock_guard lock(mutex_);
      notes_ += std::string(text) + "\n";
    };
  }

  WeightsList list(const std::string& text = kList) const {
    write_text(folder_ / "list.toml", text);
    return WeightsList::read({folder_ / "list.toml"});
  }
  ordered_json run(const std::string& text = kList) {
    return pull(list(text), places_, request_, http_module(HN_HTTP_MODULE), services_);
  }
  // The error's text; the code is checked.
  std::string fails(hn_status code, const std::string& text = kList) {
    return message_of(code, [&] { run(text); });
  }
  fs::path repo() const { return places_.cache / "models--o--n"; }
  fs::path snapshot() const { return repo() / "snapshots" / FakeHub::kCommit; }
  std::string notes() const {
    const std::lock_guard lock(mutex_);
    return notes_;
  }
  // Everything is there, right, and nothing else is left.
  void expect_whole() const {
    EXPECT_EQ(read(snapshot() / "config.json"), "{\"a\": 1}");
    EXPECT_EQ(read(snapshot() / "unet/w.safetensors"), big_);
    EXPECT_FALSE(fs::exists(snapshot() / "README.md"));
    EXPECT_EQ(blobs(), 2u);
  }
  std::size_t blobs() const {
    std::size_t n = 0;
    std::error_code none;
    for (auto it = fs::directory_iterator(repo() / "blobs", none);
         !none && it != fs::directory_iterator(); ++it)
      ++n;
    return n;
  }

  host::testing::TempFolder folder_;
  std::string big_;
  FakeHub hub_;
  HubPlaces places_;
  PullRequest request_;
  core::Services services_;
  mutable std::mutex mutex_;
  std::string notes_;
};

}  // namespace hn::pull::test
