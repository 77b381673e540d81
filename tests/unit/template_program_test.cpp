// templates/reward_score_only: a program run to its end, and each way in which one fails.
#include <chrono>
#include <csignal>

#include "templates/reward_score_only/program.hpp"
#include "unit/sdk_test_files.hpp"

namespace my_reward_score_only {
namespace {

using hn::test::expect_error;

std::string run(const std::string& script, double seconds = 20) {
  return run_program({"sh", "-c", script}, "/tmp", {seconds, 1000, {}});
}

TEST(Program, WhatItPrints) {
  EXPECT_EQ(run("echo 1; echo 2"), "1\n2\n");
  EXPECT_EQ(run("pwd"), "/tmp\n");
  EXPECT_EQ(run("cat"), "");  // no standard input
  EXPECT_EQ(run("echo noise >&2"), "");
  EXPECT_EQ(run_program({"echo", "a b", "$HOME"}, "/tmp", {}),
            "a b $HOME\n");  // no shell in between
}

TEST(Program, EndsThatAreErrors) {
  expect_error(HN_INTERNAL, {"sh ended with code 3", "first last"},
               [] { run("echo first >&2; echo last >&2; exit 3"); });
  expect_error(HN_INTERNAL, {"ended with code 1, without a word"}, [] { run("exit 1"); });
  expect_error(HN_INTERNAL, {"ended by signal 9"}, [] { run("kill -9 $$"); });
  expect_error(HN_INTERNAL, {"printed more than 1000 bytes"}, [] { run("yes"); });
  expect_error(HN_NOT_FOUND, {"cannot start no-such-program", "No such file"},
               [] { run_program({"no-such-program"}, "/tmp", {}); });
  expect_error(HN_NOT_FOUND, {"there is no /no/such/folder"},
               [] { run_program({"sh"}, "/no/such/folder", {}); });
}

double seconds_of(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(Program, ALimitOrAWishEndsIt) {
  const auto late = [](const char* script) {
    expect_error(HN_INTERNAL, {"took longer than 0.3", "timeout"}, [&] { run(script, 0.3); });
  };
  EXPECT_LT(seconds_of([&] { late("sleep 30"); }), 10);
  EXPECT_LT(seconds_of([&] { late("trap '' TERM; sleep 30; sleep 30"); }), 10);
  EXPECT_LT(seconds_of([&] { late("exec >&- 2>&-; sleep 30"); }), 10);  // its pipes are closed
  expect_error(HN_CANCELLED, {"cancelled"}, [] {
    run_program({"sleep", "30"}, "/tmp", {60, 1000, [] { return true; }});
  });
}

// A process that it leaves behind holds the pipes; nobody waits for that.
TEST(Program, WhatItLeavesRunning) {
  std::string printed;
  EXPECT_LT(seconds_of([&] { printed = run("sleep 30 & echo 2"); }), 10);
  EXPECT_EQ(printed, "2\n");
}

TEST(Program, WhatTheHostBlocksIsNotThePrograms) {
  sigset_t pipe, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  expect_error(HN_INTERNAL, {"ended by signal 15"}, [] { run("kill $$; sleep 30", 10); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(Program, AHostThatIgnoresChildren) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  expect_error(HN_INTERNAL, {"ignores SIGCHLD"}, [] { run("exit 0"); });
  std::signal(SIGCHLD, before);
}

}  // namespace
}  // namespace my_reward_score_only
