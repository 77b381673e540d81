// No exception leaves a plugin: tried on a library that carries its own libstdc++, where one that
// escaped is a SIGABRT.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <hn/hn.h>

#include <cstring>
#include <hn/cpp/client.hpp>
#include <hn/cpp/error.hpp>

namespace {

std::string option_throw;  // the option "throw" of the next create

hn_status config_str(const hn_config*, const char* key, hn_str* out) {
  if (std::strcmp(key, "throw") != 0 || option_throw.empty()) return HN_NOT_FOUND;
  *out = hn::str(option_throw);
  return HN_OK;
}
hn_status config_list(const hn_config*, const char*, std::uint64_t, hn_str*) {
  return HN_NOT_FOUND;
}

class Firewall : public ::testing::Test {
 protected:
  void SetUp() override {
    void* library =
        ::dlopen(HN_BUILD_DIR "/tests/plugins/throwing.hnp/libthrowing.so", RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << ::dlerror();
    entry_ = static_cast<const hn_plugin_v1*>(::dlsym(library, HN_PLUGIN_ENTRY_V1));
    ASSERT_NE(entry_, nullptr);
    host_.struct_size = sizeof host_;
    host_.config_str = &config_str;
    host_.config_list = &config_list;
    option_throw.clear();
    ASSERT_EQ(entry_->create(&host_, nullptr, &instance_, nullptr), HN_OK);
  }
  void TearDown() override {
    if (entry_ != nullptr) entry_->destroy(instance_);
  }

  const hn_plugin_v1* entry_ = nullptr;
  hn_host_v1 host_{};
  hn_instance* instance_ = nullptr;
  hn::ErrorBuffer error_;
};

struct Thrown {
  const char* name;
  hn_status code;
  const char* text;
};
constexpr Thrown kThrown[] = {
    {"error", HN_DATA_LOSS, "[throwing] data loss"},  {"memory", HN_OUT_OF_MEMORY, "out of memory"},
    {"runtime", HN_INTERNAL, "a runtime error"},      {"system", HN_INTERNAL, "/nonexistent/file"},
    {"number", HN_INTERNAL, "unknown exception"},     {"text", HN_INTERNAL, "unknown exception"},
    {"other", HN_NOT_FOUND, "[throwing] no function"}};

TEST_F(Firewall, OpenGivesCodeAndText) {
  const auto* table = static_cast<const hn_fn_v1*>(entry_->get_interface(instance_, HN_FN_V1));
  for (const Thrown& thrown : kThrown) {
    hn_fn* fn = nullptr;
    EXPECT_EQ(table->open(instance_, hn::str(thrown.name), nullptr, &fn, error_.get()),
              thrown.code);
    EXPECT_NE(error_.text().find(thrown.text), std::string::npos) << error_.text();
    EXPECT_EQ(fn, nullptr);
  }
}

TEST_F(Firewall, CreateGivesCodeAndText) {
  for (const Thrown& thrown : kThrown) {
    option_throw = thrown.name;
    hn_instance* instance = nullptr;
    EXPECT_EQ(entry_->create(&host_, nullptr, &instance, error_.get()), thrown.code);
    EXPECT_NE(error_.text().find(thrown.text), std::string::npos) << error_.text();
    EXPECT_EQ(instance, nullptr);
  }
}

TEST_F(Firewall, EncodeMakesAllHandlesOrNone) {
  const auto* table = static_cast<const hn_cond_v1*>(entry_->get_interface(instance_, HN_COND_V1));
  hn::RawPrompts prompts(std::vector<const char*>{"fine", "runtime"});
  hn_cond* handles[2] = {};
  EXPECT_EQ(table->encode(instance_, prompts.data(), prompts.size(), {kDLCPU, 0, 0}, handles,
                          error_.get()),
            HN_INTERNAL);
  EXPECT_EQ(handles[0], nullptr);
  EXPECT_EQ(handles[1], nullptr);
}

TEST_F(Firewall, FunctionsWithoutAStatusAnswerZero) {
  const auto* cond = static_cast<const hn_cond_v1*>(entry_->get_interface(instance_, HN_COND_V1));
  const auto* memory =
      static_cast<const hn_memory_v1*>(entry_->get_interface(instance_, HN_MEMORY_V1));
  hn::RawPrompts prompt(std::vector<const char*>{"fine"});
  hn_cond* handle = nullptr;
  ASSERT_EQ(cond->encode(instance_, prompt.data(), 1, {kDLCPU, 0, 0}, &handle, error_.get()),
            HN_OK);
  EXPECT_EQ(cond->size_bytes(instance_, handle), 0u);
  cond->release(instance_, handle, {kDLCPU, 0, 0});
  EXPECT_EQ(cond->embedding_size(instance_), 0u);
  EXPECT_EQ(hn::used_bytes(*memory, instance_), 0u);
  memory->trim(instance_, {kDLCPU, 0, 0});
}

}  // namespace
