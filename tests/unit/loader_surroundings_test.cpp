// What a plugin has to leave as it was, and what is told while it runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hnhost/hnhost.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <clocale>
#include <csignal>
#include <filesystem>
#include <thread>
#include <vector>

#include "core/surroundings.hpp"
#include "loader/plugin_calls.hpp"

namespace hn::host {
namespace {

using core::Surroundings;
using ::testing::HasSubstr;
using Depth = core::Surroundings::Depth;

TEST(SurroundingsTest, NothingChangedIsNothingTold) {
  EXPECT_EQ(Surroundings(Depth::kQuick).restore(), "");
  EXPECT_EQ(Surroundings(Depth::kWhole).restore(), "");
  const Surroundings before(Depth::kQuick);
  volatile double zero = 0;
  EXPECT_TRUE(1 / zero > 0) << "sets a sticky bit, which is no mode";
  EXPECT_EQ(before.restore(), "");
}

TEST(SurroundingsTest, FloatingPointModes) {
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    const Surroundings before(Depth::kQuick);
    std::fesetround(mode);
    EXPECT_EQ(before.restore(), "the rounding mode");
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  }
#if defined(__x86_64__)
  const Surroundings before(Depth::kQuick);
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
  feenableexcept(FE_DIVBYZERO);
  EXPECT_EQ(before.restore(),
            "flushing of tiny numbers to zero, the traps of floating-point exceptions");
  EXPECT_EQ(fegetexcept(), 0);
  volatile float tiny = 1e-40f;
  EXPECT_GT(tiny * 1.0f, 0.0f);
#endif
}

TEST(SurroundingsTest, LocaleOfProcessAndThread) {
  const Surroundings before(Depth::kQuick);
  std::setlocale(LC_NUMERIC, "C.UTF-8");
  const locale_t own = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
  uselocale(own);
  EXPECT_THAT(before.restore(), ::testing::StartsWith("the locale (C before, LC_CTYPE=C;"));
  EXPECT_STREQ(std::setlocale(LC_ALL, nullptr), "C");
  EXPECT_EQ(uselocale(nullptr), LC_GLOBAL_LOCALE);
  freelocale(own);
}

TEST(SurroundingsTest, ProcessWideThings) {
  const auto folder = std::filesystem::current_path();
  const mode_t mask = umask(022);
  {
    const Surroundings before(Depth::kWhole);
    std::filesystem::current_path("/");
    umask(077);
    std::signal(SIGINT, SIG_IGN);
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &some, nullptr);
    EXPECT_EQ(before.restore(), "the working folder (" + folder.string() +
                                    " before, / after), the umask (0022 before, 0077 after), the "
                                    "mask of signals, the handler of signal Interrupt");
    EXPECT_EQ(before.restore(), "");
  }
  EXPECT_EQ(std::filesystem::current_path(), folder);
  EXPECT_EQ(std::signal(SIGINT, SIG_DFL), SIG_DFL);
  EXPECT_EQ(umask(mask), 022u);
}

TEST(SurroundingsTest, AHandlerThatServedOnceIsNoChange) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGTERM, &action, nullptr);
  const Surroundings before(Depth::kWhole);
  std::raise(SIGTERM);
  EXPECT_EQ(before.restore(), "");
  EXPECT_EQ(std::signal(SIGTERM, SIG_DFL), SIG_DFL);
}

TEST(RunningPlugin, InnermostOfTheThreadElseOfAnother) {
  hnhost_plugin_call call{};
  call.struct_size = sizeof(call);
  EXPECT_EQ(hnhost_running_plugin(&call), 0);
  EXPECT_EQ(hnhost_running_plugin(nullptr), 0);
  {
    const core::PluginCallScope outer(&plugin_calls(), {"a", "/liba.so", "create"});
    {
      const core::PluginCallScope inner(&plugin_calls(), {"b", "/libb.so", "score", 3});
      ASSERT_EQ(hnhost_running_plugin(&call), 1);
      EXPECT_STREQ(call.plugin, "b");
      EXPECT_STREQ(call.library, "/libb.so");
      EXPECT_STREQ(call.function, "score");
      EXPECT_EQ(call.step, 3u);
      EXPECT_EQ(call.flags, 0u);
    }
    ASSERT_EQ(hnhost_running_plugin(&call), 1);
    EXPECT_STREQ(call.plugin, "a");
    std::thread([&] {
      ASSERT_EQ(hnhost_running_plugin(&call), 1);
      EXPECT_EQ(call.flags, HNHOST_CALL_OF_OTHER_THREAD);
      EXPECT_STREQ(call.plugin, "a");
      const core::PluginCallScope own(&plugin_calls(), {"c", "", "trim"});
      ASSERT_EQ(hnhost_running_plugin(&call), 1);
      EXPECT_EQ(call.flags, 0u);
      EXPECT_STREQ(call.plugin, "c");
    }).join();
    ASSERT_EQ(hnhost_running_plugin(&call), 1);
    EXPECT_STREQ(call.plugin, "a");
  }
  EXPECT_EQ(hnhost_running_plugin(&call), 0);
}

TEST(RunningPlugin, AStructShorterThanTheFirstVersionIsNotFilled) {
  const core::PluginCallScope scope(&plugin_calls(), {"a", "/liba.so", "create"});
  hnhost_plugin_call call{};
  call.struct_size = offsetof(hnhost_plugin_call, library);
  call.function = "untouched";
  EXPECT_EQ(hnhost_running_plugin(&call), 0);
  EXPECT_EQ(call.plugin, nullptr);
  EXPECT_STREQ(call.function, "untouched");
}

TEST(RunningPlugin, MoreThreadsThanPlacesRunAllTheSame) {
  core::PluginCalls calls;
  std::vector<std::thread> threads;
  std::atomic<int> in{0}, told{0};
  for (int i = 0; i < 100; ++i)
    threads.emplace_back([&] {
      const core::PluginCallScope scope(&calls, {"a", "", "score"});
      told += calls.of(pthread_self()) != nullptr ? 1 : 0;
      for (++in; in < 100;) std::this_thread::yield();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, 64);
  EXPECT_EQ(calls.any(), nullptr);
}

}  // namespace
}  // namespace hn::host
