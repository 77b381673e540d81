// The shared library as an embedder has it: lists in milliseconds, and neither LibTorch nor a
// plugin is in the process afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hnhost/hnhost.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <hnhost/hnhost.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string mapped_files() {
  std::ostringstream text;
  text << std::ifstream("/proc/self/maps").rdbuf();
  return text.str();
}

class Listing : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // The machine's own plugins are none of this test's business.
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    unsetenv("HN_PLUGIN_PATH");
  }
};

TEST_F(Listing, ListsAndInspectsWithoutLoadingAnything) {
  const auto begin = std::chrono::steady_clock::now();
  hn::engine::Host host;
  const auto json = nlohmann::json::parse(host.list());
  const auto end = std::chrono::steady_clock::now();
  std::cout << "open and list: " << std::chrono::duration<double, std::milli>(end - begin).count()
            << " ms, " << json["plugins"].size() << " plugins\n";
  for (const auto& row : json["plugins"]) {
    if (row["status"] != "ok") continue;
    const auto one = nlohmann::json::parse(host.inspect(row["name"].get<std::string>()));
    EXPECT_EQ(one["id"], row["id"]);
  }
  const std::string maps = mapped_files();
  EXPECT_THAT(maps, Not(HasSubstr("libtorch")));
  EXPECT_THAT(maps, Not(HasSubstr("libc10")));
  EXPECT_THAT(maps, Not(HasSubstr(".hnp/")));
  EXPECT_THAT(maps, HasSubstr("libhnhost.so"));
}

TEST_F(Listing, ErrorsAreCodeAndText) {
  const hn::engine::Host host;
  try {
    host.inspect("nothing-like-this");
    FAIL();
  } catch (const hn::engine::Error& e) {
    EXPECT_EQ(e.code(), HN_NOT_FOUND);
    EXPECT_THAT(e.what(), HasSubstr("nothing-like-this"));
  }
}

TEST_F(Listing, NullArguments) {
  hnhost* host = nullptr;
  EXPECT_EQ(hnhost_open(nullptr, nullptr, nullptr), HN_INVALID_ARGUMENT);
  ASSERT_EQ(hnhost_open(nullptr, &host, nullptr), HN_OK);
  EXPECT_EQ(hnhost_list(host, hn_str{"", 0}, nullptr, nullptr), HN_INVALID_ARGUMENT);
  hnhost_text* text = nullptr;
  char message[64];
  hn_error error{};
  error.struct_size = sizeof(error);
  error.message = message;
  error.capacity = sizeof(message);
  EXPECT_EQ(hnhost_list(nullptr, hn_str{"", 0}, &text, &error), HN_INVALID_ARGUMENT);
  EXPECT_STREQ(message, "[hnhost_list] host is NULL");
  EXPECT_EQ(text, nullptr);
  hnhost_close(host);
  hnhost_close(nullptr);
  hnhost_text_free(nullptr);
  EXPECT_EQ(hnhost_text_view(nullptr).len, 0u);
}

TEST_F(Listing, PathsOfTheProgramComeFirst) {
  const hn::engine::Host host({"/never/there", "/nor/this"});
  const auto json = nlohmann::json::parse(host.list("plugins"));
  EXPECT_EQ(json["search_path"][0], "/never/there");
  EXPECT_EQ(json["search_path"][1], "/nor/this");
}

TEST_F(Listing, ApiVersion) { EXPECT_EQ(hnhost_api_version(), HNHOST_API_VERSION); }

TEST_F(Listing, Version) { EXPECT_THAT(hnhost_version(), HasSubstr(".")); }

}  // namespace
