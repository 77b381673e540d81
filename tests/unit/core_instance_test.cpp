// Calls into a plugin as the host watches them: told while they run, exceptions stopped, changed
// modes put back.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cfenv>
#include <clocale>
#include <csignal>
#include <functional>
#include <stdexcept>

#include "core/function_client.hpp"
#include "core/instance.hpp"
#include "core/prompt_cache.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// What the plugin does in each call before it does what it should.
std::function<void()> misdeed;  // NOLINT: a test's switch

hn_status wild_forward(hn_fn* fn, const hn_call* call, hn_saved** saved, hn_error* error) {
  if (misdeed) misdeed();
  return tables::kFn.forward(fn, call, saved, error);
}
hn_status wild_encode(hn_instance* p, const hn_prompt* const* prompts, std::uint64_t n,
                      hn_stream stream, hn_cond** out, hn_error* error) {
  if (misdeed) misdeed();
  return tables::kCond.encode(p, prompts, n, stream, out, error);
}
void wild_trim(hn_instance*, hn_stream) {
  if (misdeed) misdeed();
}

const void* wild_interface(hn_instance* instance, const char* id) {
  static hn_fn_v1 fn = tables::kFn;
  static hn_cond_v1 cond = tables::kCond;
  static hn_memory_v1 memory = tables::kMemory;
  fn.forward = &wild_forward;
  cond.encode = &wild_encode;
  memory.trim = &wild_trim;
  const std::string_view wanted(id);
  if (wanted == HN_FN_V1) return &fn;
  if (wanted == HN_COND_V1) return &cond;
  if (wanted == HN_MEMORY_V1) return &memory;
  return fake::generator_plugin()->get_interface(instance, id);
}

hn_status wild_create(const hn_host_v1* host, const hn_config* config, hn_instance** out,
                      hn_error* error) {
  if (misdeed) misdeed();
  return fake::generator_plugin()->create(host, config, out, error);
}

class CoreInstance : public CoreTest {
 protected:
  CoreInstance() {
    wild_ = *fake::generator_plugin();
    wild_.get_interface = &wild_interface;
    wild_.create = &wild_create;
    misdeed = nullptr;
  }
  void SetUp() override { open(); }
  void TearDown() override {
    misdeed = nullptr;
    fn_.reset();
    cache_.reset();
    instance_.reset();
  }
  void open() {
    instance_ = std::make_unique<Instance>(runtime_, Plugin{&wild_, "g", "", "/a/libwild.so"},
                                           "wild", Options{});
    fn_ = std::make_unique<FunctionClient>(*instance_, "generate", Options{});
    cache_ = std::make_unique<PromptCache>(1 << 20, 1);
  }
  void forward(bool keep = false) {
    const auto doing = std::exchange(misdeed, nullptr);
    const auto pins = cache_->get(*instance_, std::span(&prompt_, 1));
    misdeed = doing;
    const std::vector<at::Tensor> in = {at::zeros({1, 2, 2, 2}), {}},
                                  out = {at::empty({1, 3, 2, 2}), {}};
    const std::vector<std::uint8_t> need =
        keep ? std::vector<std::uint8_t>{1, 0} : std::vector<std::uint8_t>{};
    fn_->forward({in, out, pins.handles(), need, 0, 0});
  }

  PluginCalls calls_;
  std::string log_;
  Prompt prompt_ = "a";
  Services services() {
    Services all;
    all.log = [this](std::int32_t, std::string_view text) { log_ += std::string(text) + "\n"; };
    all.plugin_calls = &calls_;
    return all;
  }
  HostServices services_{services()};
  Runtime runtime_{services_, {kDLCPU, 0, 0}, {}};
  hn_plugin_v1 wild_{};
  std::unique_ptr<Instance> instance_;
  std::unique_ptr<FunctionClient> fn_;
  std::unique_ptr<PromptCache> cache_;
};

TEST_F(CoreInstance, ACallIsToldWhileItRuns) {
  PluginCalls::Call seen{};
  misdeed = [&] {
    const PluginCalls::Call* call = calls_.of(pthread_self());
    ASSERT_NE(call, nullptr);
    seen = *call;
  };
  services_.at_step(7);
  forward();
  EXPECT_STREQ(seen.plugin, "wild");
  EXPECT_STREQ(seen.library, "/a/libwild.so");
  EXPECT_STREQ(seen.function, "generate");
  EXPECT_EQ(seen.step, 7u);
  EXPECT_EQ(calls_.of(pthread_self()), nullptr);
  EXPECT_EQ(calls_.any(), nullptr);
}

TEST_F(CoreInstance, AnExceptionThatLeavesThePluginNamesIt) {
  misdeed = [] { throw std::runtime_error("thrown on purpose"); };
  EXPECT_FAILS(HN_INTERNAL,
               HasSubstr("wild: generate: an exception left the plugin: thrown on purpose"),
               forward());
  misdeed = [] { throw 42; };
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("wild: generate: an exception left the plugin"), forward());
  misdeed = [] { throw std::runtime_error("early"); };
  const Prompt other = "b";
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("wild: prompt 'b': an exception left the plugin: early"),
               cache_->get(*instance_, std::span(&other, 1)));
  instance_->trim();
  EXPECT_THAT(log_, HasSubstr("wild: trim: an exception left the plugin: early"));
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("wild: create: an exception left the plugin: early"),
               Instance(runtime_, Plugin{&wild_, "g", "", ""}, "wild", Options{}));
}

TEST_F(CoreInstance, AModeLeftByAComputationIsPutBackAndRefused) {
  misdeed = [] { std::fesetround(FE_UPWARD); };
  for (const bool keep : {false, true}) {
    EXPECT_FAILS(HN_INTERNAL, HasSubstr("wild: generate: the plugin changed the rounding mode"),
                 forward(keep));
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  }
  const Prompt other = "b";
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("wild: prompt 'b': the plugin changed the rounding mode"),
               cache_->get(*instance_, std::span(&other, 1)));
  misdeed = [] { std::setlocale(LC_ALL, "C.UTF-8"); };
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("the plugin changed the locale (C before, C.UTF-8 after)"),
               forward());
  EXPECT_STREQ(std::setlocale(LC_ALL, nullptr), "C");
  misdeed = nullptr;
  forward();
}

TEST_F(CoreInstance, LibtorchsModesAreLookedAtToo) {
  const int threads = at::get_num_threads();
  misdeed = [&] { at::set_num_threads(threads + 1); };
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("the plugin changed LibTorch's number of threads"),
               forward());
  EXPECT_EQ(at::get_num_threads(), threads);
  misdeed = [] { at::globalContext().setDeterministicAlgorithms(true, true); };
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("LibTorch's deterministic algorithms"), forward());
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
}

TEST_F(CoreInstance, TheFirstCallIsLookedAtInFull) {
  const auto folder = std::filesystem::current_path();
  misdeed = [] { std::filesystem::current_path("/"); };
  EXPECT_FAILS(HN_INTERNAL,
               AllOf(HasSubstr("wild: generate: the plugin changed the working folder ("),
                     HasSubstr(folder.string() + " before, / after")),
               forward());
  EXPECT_EQ(std::filesystem::current_path(), folder);
}

TEST_F(CoreInstance, WhatCreateLeavesIsPutBackWithAWarning) {
  TearDown();
  misdeed = [] {
    std::fesetround(FE_DOWNWARD);
    std::signal(SIGALRM, SIG_IGN);
  };
  open();
  misdeed = nullptr;
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  EXPECT_EQ(std::signal(SIGALRM, SIG_DFL), SIG_DFL);
  EXPECT_THAT(log_, HasSubstr("wild: create: the plugin changed the rounding mode, the handler of "
                              "signal Alarm clock; it was put back"));
  forward();
}

}  // namespace
}  // namespace hn::core::test
