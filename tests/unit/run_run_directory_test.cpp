#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/run_directory.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;
namespace fs = std::filesystem;

constexpr const char* kConfig = "seed = 1\n[train]\nlr = 0.001\n";
constexpr const char* kOther = "seed = 1\n[train]\nlr = 0.01\nbatch = 4\n";

void touch(const fs::path& file) { std::ofstream(file) << "x"; }

TEST(RunDirectory, CreatesAndContinues) {
  const TestFolder folder;
  const fs::path root = folder.path() / "a" / "b";
  {
    const RunDirectory run(root, kConfig, false);
    EXPECT_EQ(read_bytes(run.config()), kConfig);
    EXPECT_TRUE(fs::is_directory(run.samples()));
    touch(run.checkpoint());
  }
  const RunDirectory again(root, kConfig, false);
  EXPECT_TRUE(fs::exists(again.checkpoint()));
}

TEST(RunDirectory, AnotherConfigurationIsRefusedByKey) {
  const TestFolder folder;
  const fs::path root = folder.path() / "run";
  { touch(RunDirectory(root, kConfig, false).checkpoint()); }
  expect_error(HN_INVALID_ARGUMENT,
               {root.string(), "train.lr: 0.001 there, 0.01 now",
                "train.batch: not set there, 4 now", "--overwrite"},
               [&] { RunDirectory(root, kOther, false); });
  EXPECT_TRUE(fs::exists(root / "checkpoint.safetensors"));
  EXPECT_EQ(read_bytes(root / "config.toml"), kConfig);
}

TEST(RunDirectory, MoreStepsGoOnInIt) {
  const TestFolder folder;
  const fs::path root = folder.path() / "run";
  const auto text = [](int steps, int patience) {
    return "[train]\nsteps = " + std::to_string(steps) +
           "\n[validation]\npatience = " + std::to_string(patience) + "\n";
  };
  { touch(RunDirectory(root, text(80, 0), false).checkpoint()); }
  { const RunDirectory longer(root, text(160, 3), false); }
  EXPECT_EQ(read_bytes(root / "config.toml"), text(160, 3));
  EXPECT_TRUE(fs::exists(root / "checkpoint.safetensors"));
  expect_error(HN_INVALID_ARGUMENT, {"train.steps: 160 there, 80 now"},
               [&] { RunDirectory(root, text(80, 3), false); });
  expect_error(HN_INVALID_ARGUMENT, {"train.steps: 160 there, 200 now", "seed: not set there"},
               [&] { RunDirectory(root, "seed = 1\n" + text(200, 3), false); });
  EXPECT_EQ(read_bytes(root / "config.toml"), text(160, 3));
}

TEST(RunDirectory, OverwriteRemovesTheRunAndNothingElse) {
  const TestFolder folder;
  const fs::path root = folder.path() / "run";
  {
    const RunDirectory run(root, kConfig, false);
    for (const auto& file : {run.checkpoint(), run.metrics(), run.summary(), run.scores(),
                             run.report(), run.events(), run.samples() / "before.png"})
      touch(file);
    touch(root / "notes.txt");
  }
  const RunDirectory run(root, kOther, true);
  EXPECT_EQ(read_bytes(run.config()), kOther);
  for (const auto& file : {run.checkpoint(), run.metrics(), run.summary(), run.scores(),
                           run.report(), run.events(), run.samples() / "before.png"})
    EXPECT_FALSE(fs::exists(file)) << file;
  EXPECT_TRUE(fs::exists(root / "notes.txt"));
}

TEST(RunDirectory, WithoutACheckpointThereIsNothingToLose) {
  const TestFolder folder;
  { touch(RunDirectory(folder.path() / "run", kConfig, false).metrics()); }
  const RunDirectory run(folder.path() / "run", kOther, false);
  EXPECT_EQ(read_bytes(run.config()), kOther);
  EXPECT_FALSE(fs::exists(run.metrics()));
}

TEST(RunDirectory, ForeignFoldersAreLeftAlone) {
  const TestFolder folder;
  folder.write("thesis.tex", "x");
  for (const bool overwrite : {false, true})
    expect_error(HN_INVALID_ARGUMENT, {"not a run directory", "thesis.tex"},
                 [&] { RunDirectory(folder.path(), kConfig, overwrite); });
  EXPECT_TRUE(fs::exists(folder.path() / "thesis.tex"));
}

TEST(RunDirectory, TwoRunsInOneFolder) {
  const TestFolder folder;
  const RunDirectory first(folder.path() / "run", kConfig, false);
  expect_error(HN_INVALID_ARGUMENT, {"in use by another run", std::to_string(::getpid())},
               [&] { RunDirectory(folder.path() / "run", kConfig, true); });
}

TEST(RunDirectory, AKilledRunLeavesNoLock) {
  const TestFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const RunDirectory run(folder.path() / "run", kConfig, false);
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_NO_THROW(RunDirectory(folder.path() / "run", kConfig, false));
}

TEST(RunDirectory, WhatKilledProcessesLeftIsRemoved) {
  const TestFolder folder;
  const fs::path root = folder.path() / "run";
  {
    const RunDirectory run(root, kConfig, false);
    fs::create_directories(run.samples() / "before");
    fs::create_directories(run.adapter());
  }
  const std::vector<std::string> ours = {".checkpoint.safetensors.tmp.7.0",
                                         ".config.toml.tmp.7.12",
                                         ".metrics.jsonl.tmp.7.1",
                                         "samples/.step_0002.png.tmp.7.3",
                                         "samples/before/.00.png.tmp.7.3",
                                         "adapter/.adapter_config.json.tmp.7.3",
                                         "adapter/.adapter_model.safetensors.tmp.7.3"};
  const std::vector<std::string> foreign = {".page.html.tmp.7.0",
                                            "checkpoint.safetensors.tmp.7.0",
                                            ".checkpoint.safetensors.tmp.x.0",
                                            ".checkpoint.safetensors.tmp.7",
                                            "samples/.notes.txt.tmp.7.0",
                                            "adapter/.x.tmp.7.0"};
  for (const bool overwrite : {false, true}) {
    for (const auto& names : {ours, foreign})
      for (const auto& name : names) {
        fs::create_directories((root / name).parent_path());
        touch(root / name);
      }
    const RunDirectory run(root, kConfig, overwrite);
    for (const auto& name : ours) EXPECT_FALSE(fs::exists(root / name)) << name;
    // With --overwrite the folders go as a whole.
    for (const auto& name : foreign) {
      const bool stays = !overwrite || name.find('/') == std::string::npos;
      EXPECT_EQ(fs::exists(root / name), stays) << name;
    }
  }
}

// Its target would be overwritten with the process's number.
TEST(RunDirectory, ALockThatIsALinkIsRefused) {
  const TestFolder folder;
  const auto target = folder.write("thesis.tex", "mine");
  const fs::path root = folder.path() / "run";
  fs::create_directories(root);
  fs::create_symlink(target, root / ".lock");
  expect_error(HN_INVALID_ARGUMENT, {".lock", "symbolic link", "remove"},
               [&] { RunDirectory(root, kConfig, false); });
  EXPECT_EQ(read_bytes(target), "mine");
  fs::remove(root / ".lock");
  ASSERT_EQ(::mkfifo((root / ".lock").c_str(), 0600), 0);
  expect_error(HN_INVALID_ARGUMENT, {".lock", "no regular file"},
               [&] { RunDirectory(root, kConfig, false); });
}

TEST(RunDirectory, PlacesThatCannotBeFolders) {
  const TestFolder folder;
  const fs::path file = folder.write("file", "x");
  expect_error(HN_INVALID_ARGUMENT, {"is a file"}, [&] { RunDirectory(file, kConfig, false); });
  expect_error(HN_NOT_FOUND, {"cannot be created"},
               [&] { RunDirectory(file / "below", kConfig, false); });
  // A file system without writing, for root too.
  expect_error(HN_NOT_FOUND, {"cannot be created"},
               [] { RunDirectory("/proc/hn-run", kConfig, false); });
}

TEST(RunDirectory, ABrokenConfigurationIsNamed) {
  const TestFolder folder;
  { touch(RunDirectory(folder.path() / "run", kConfig, false).checkpoint()); }
  std::ofstream(folder.path() / "run" / "config.toml") << "seed = = 1";
  expect_error(HN_DATA_LOSS,
               {(folder.path() / "run" / "config.toml").string(), "line 1", "--overwrite"},
               [&] { RunDirectory(folder.path() / "run", kConfig, false); });
}

TEST(RunDirectory, DifferencesByKey) {
  EXPECT_TRUE(config_differences("a = 1\nb = [1, 2]\n", "b = [ 1, 2 ]\na = 1").empty());
  EXPECT_EQ(
      config_differences("[t]\nx = 1\n[[r]]\nn = \"a\"\n", "t.x = 1\n[[r]]\nn = \"b\"\n").size(),
      1u);
  EXPECT_EQ(config_differences("a = 1", "").at(0), "a: 1 there, not set now");
  // Of lists of tables the key that differs, and what is empty is not set.
  EXPECT_EQ(
      config_differences("[[r]]\nn = 1\n[[r]]\nn = 2\nm = 3", "[[r]]\nn = 1\n[[r]]\nn = 4\nm = 3"),
      std::vector<std::string>{"r[1].n: 2 there, 4 now"});
  EXPECT_EQ(config_differences("[[r]]\nn = 1", "[[r]]\nn = 1\n[[r]]\nn = 2"),
            std::vector<std::string>{"r[1].n: not set there, 2 now"});
  EXPECT_TRUE(config_differences("[[r]]\nn = 1", "t = ''\n[[r]]\nn = 1\nforms = []").empty());
  EXPECT_EQ(config_differences("[[r]]\nn = 1", "[[r]]\nn = 1\nforms = [1]"),
            std::vector<std::string>{"r[0].forms: not set there, [ 1 ] now"});
}

}  // namespace
}  // namespace hn::host
