// sdk/generator/prompt_store: prompts on disk, files that are broken, the size bound.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <hn/generator/prompt_store.hpp>
#include <hn/generator/text_encoder_mode.hpp>

#include "unit/memory_support.hpp"

namespace hn {
namespace {

namespace fs = std::filesystem;
using test::config_of;
using test::expect_error;
using test::TestFolder;

struct Store {
  Store(const fs::path& folder, const std::string& key = "model 1",
        std::uint64_t limit = std::uint64_t{1} << 30)
      : store(folder, key, limit, [this](const std::string& line) { warnings.push_back(line); }) {}
  std::vector<std::string> warnings;
  PromptStore store;
};

fs::path only_file(const fs::path& folder) { return fs::directory_iterator(folder)->path(); }

TEST(PromptStore, GivesBackWhatWasPutBitForBit) {
  const TestFolder folder;
  const PromptStore::Tensors tensors{
      {"states", at::randn({5, 8}).to(at::kBFloat16)},
      {"mask", at::arange(5)},
      {"wide", at::randn({4, 6}).t()},
  };
  Store first(folder.path() / "a" / "b");
  EXPECT_FALSE(first.store.find("a cat").has_value());
  first.store.put("a cat", tensors);
  Store second(folder.path() / "a" / "b");
  const auto found = second.store.find("a cat");
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->size(), tensors.size());
  for (const auto& [name, want] : tensors) {
    EXPECT_EQ(found->at(name).scalar_type(), want.scalar_type());
    EXPECT_TRUE(at::equal(found->at(name), want)) << name;
  }
  EXPECT_FALSE(second.store.find("a cat ").has_value());
  EXPECT_FALSE(Store(folder.path() / "a" / "b", "model 2").store.find("a cat").has_value());
  EXPECT_TRUE(second.warnings.empty());
}

TEST(PromptStore, ABrokenFileIsSaidAndReplaced) {
  const TestFolder folder;
  Store s(folder.path());
  const PromptStore::Tensors tensors{{"states", at::randn({3, 4})}};
  s.store.put("p", tensors);
  const auto file = only_file(folder.path());
  const std::string good = test::read_bytes(file);
  for (const std::string& bad :
       {good.substr(0, good.size() / 2), std::string("nothing of the kind"), std::string(), [&] {
          std::string other = good;  // another prompt's header under this name
          other.replace(other.find("\"prompt\":\"p\""), 12, "\"prompt\":\"q\"");
          return other;
        }()}) {
    folder.write(file.filename().string(), bad);
    s.warnings.clear();
    EXPECT_FALSE(s.store.find("p").has_value());
    ASSERT_EQ(s.warnings.size(), 1u);
    EXPECT_NE(s.warnings[0].find("encoded anew"), std::string::npos) << s.warnings[0];
    EXPECT_NE(s.warnings[0].find(file.filename().string()), std::string::npos) << s.warnings[0];
    s.store.put("p", tensors);
    EXPECT_TRUE(s.store.find("p").has_value());
  }
}

TEST(PromptStore, WhatCannotBeKeptIsSaid) {
  const TestFolder folder;
  Store s(folder.path() / "gone");
  fs::remove_all(folder.path() / "gone");
  s.store.put("p", {{"states", at::zeros({1})}});
  ASSERT_EQ(s.warnings.size(), 1u);
  EXPECT_NE(s.warnings[0].find("is not kept"), std::string::npos);
  expect_error(HN_NOT_FOUND, {"prompt_cache", "under"}, [&] {
    folder.write("file", "x");
    Store(folder.path() / "file" / "under");
  });
}

TEST(PromptStore, TheOldestGoWhenItIsFull) {
  const TestFolder folder;
  const PromptStore::Tensors tensors{{"states", at::zeros({1000})}};  // about 4,200 bytes a file
  Store s(folder.path(), "m", 5 * 4400);
  for (int i = 0; i < 5; ++i) {
    s.store.put("prompt " + std::to_string(i), tensors);
    for (const auto& entry : fs::directory_iterator(folder.path()))
      fs::last_write_time(entry.path(), entry.last_write_time() - std::chrono::seconds(10));
  }
  ASSERT_EQ(folder.file_count(), 5u);
  EXPECT_TRUE(s.store.find("prompt 0").has_value());  // used now
  s.store.put("prompt 5", tensors);
  EXPECT_TRUE(s.store.find("prompt 0").has_value());
  EXPECT_TRUE(s.store.find("prompt 5").has_value());
  EXPECT_FALSE(s.store.find("prompt 1").has_value());
  EXPECT_LT(folder.file_count(), 6u);
}

TEST(PromptStore, OptionsAndTheUsersFolder) {
  const auto read = [](const test::Options& options, bool by_default) {
    return prompt_store_option(config_of(options), by_default);
  };
  EXPECT_FALSE(read({}, false).has_value());
  EXPECT_FALSE(read({{"prompt_cache", std::string("off")}}, true).has_value());
  EXPECT_EQ(read({{"prompt_cache", std::string("/x")}}, false)->folder, "/x");
  EXPECT_EQ(read({{"prompt_cache", std::string("/x")}, {"prompt_cache_mb", std::int64_t{3}}}, false)
                ->limit,
            3u << 20);
  expect_error(HN_INVALID_ARGUMENT, {"prompt_cache_mb", "got 0"}, [&] {
    read({{"prompt_cache_mb", std::int64_t{0}}}, false);
  });
  const char* const names[] = {"HN_PROMPT_CACHE", "XDG_CACHE_HOME", "HOME"};
  std::map<std::string, std::string> old;
  for (const char* name : names)
    if (const char* value = std::getenv(name)) old[name] = value;
  ::setenv("HN_PROMPT_CACHE", "/named", 1);
  EXPECT_EQ(read({}, true)->folder, "/named");
  ::unsetenv("HN_PROMPT_CACHE");
  ::setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(read({}, true)->folder, "/cache/hn/prompts");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", "/home/me", 1);
  EXPECT_EQ(read({}, true)->folder, "/home/me/.cache/hn/prompts");
  ::unsetenv("HOME");
  expect_error(HN_NOT_FOUND, {"prompt_cache", "HOME"}, [&] { read({}, true); });
  for (const auto& [name, value] : old) ::setenv(name.c_str(), value.c_str(), 1);
}

TEST(ContentFingerprint, ChangesWithAnyFile) {
  const TestFolder folder;
  folder.write("config.json", "{}");
  std::string large(20 << 20, 'a');
  folder.write("model.safetensors", large);
  const std::string first = content_fingerprint(folder.path());
  EXPECT_EQ(first.size(), 32u);
  EXPECT_EQ(content_fingerprint(folder.path()), first);
  folder.write("config.json", "{ }");
  const std::string second = content_fingerprint(folder.path());
  EXPECT_NE(second, first);
  for (char& c : large) c = 'b';
  folder.write("model.safetensors", large);
  EXPECT_NE(content_fingerprint(folder.path()), second);
  expect_error(HN_NOT_FOUND, {"gone"}, [&] { content_fingerprint(folder.path() / "gone"); });
}

TEST(OnDemand, LoadsFreesAndLoadsAgain) {
  const OnDemand<int> number([] { return std::make_unique<int>(7); }, false);
  EXPECT_FALSE(number.loaded());
  EXPECT_EQ(number.get(), 7);
  number.free();
  EXPECT_FALSE(number.loaded());
  EXPECT_EQ(number.get(), 7);
  EXPECT_EQ(number.loads(), 2);
  const test::Options wrong{{"text_encoder", std::string("gone")}};
  expect_error(HN_INVALID_ARGUMENT, {"text_encoder", "keep, free, cpu", "gone"},
               [&] { text_encoder_option(config_of(wrong)); });
}

}  // namespace
}  // namespace hn
