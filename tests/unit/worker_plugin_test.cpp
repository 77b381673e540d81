// Plugins in worker processes: the same numbers, and every way to be lost survived.
#include <chrono>
#include <cstdio>

#include "unit/worker_support.hpp"

namespace hn::test {
namespace {

using ::testing::HasSubstr;

struct Failure {
  hn_status code = HN_OK;
  std::string text;
};
template <class Body>
Failure failure_of(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  return {};
}

// ---- the same numbers

const hn_plugin_v1* here(const std::filesystem::path& bundle) {
  return host::open_plugin(host::read_manifest(bundle), "none").entry;
}

TEST(WorkerPlugin, GivesTheSameNumbersAsInThisProcess) {
  for (const auto& bundle : {kRedness, kWild}) {
    const InWorker placed = in_worker(bundle);
    Client inside(here(bundle), options_for(bundle)), worker(placed.entry, placed.options);
    if (bundle == kWild)
      for (Client* client : {&inside, &worker}) client->encode("a cat");
    for (const std::int64_t batch : {1, 4, 2}) {
      std::vector<float> a(static_cast<std::size_t>(batch * 3 * 16 * 16), 0.25f), b = a;
      EXPECT_EQ(inside.score(batch, 16, &a), worker.score(batch, 16, &b));
      EXPECT_EQ(a, b);
      EXPECT_EQ(inside.score(batch, 16, &a, true), worker.score(batch, 16, &b, true));
      EXPECT_EQ(a, b) << "added to what was there";
    }
  }
}

TEST(WorkerPlugin, CarriesPromptsColumnsEmbeddingsAndMemory) {
  const InWorker placed = in_worker(kWild);
  Client inside(here(kWild), options_for(kWild)), worker(placed.entry, placed.options);
  Numbers mask({1, 2, 2}, {0.125f, 0, 0, 0});
  std::vector<std::vector<float>> scores, columns(2);
  std::vector<float> pooled;
  for (Client* client : {&inside, &worker}) {
    client->encode("a red cat", "dogs", &mask);
    client->encode("a kite");
    scores.push_back(client->score(2, 8, nullptr, false, &columns[scores.size()]));
    Numbers out({2}, {0, 0});
    ErrorBuffer error;
    check(client->cond()->embedding(client->raw(), client->handle(0), Client::kCpu, &out.tensor,
                                    error.get()),
          error);
    pooled.push_back(out.data[0]);
    EXPECT_EQ(out.data[1], 7);
    EXPECT_EQ(used_bytes(*client->interface<hn_memory_v1>(HN_MEMORY_V1), client->raw()), 123u);
    EXPECT_EQ(client->interface<hn_adapter_v1>(HN_ADAPTER_V1), nullptr);
    EXPECT_GE(client->cond()->size_bytes(client->raw(), client->handle(0)), 100u);
  }
  EXPECT_EQ(scores[0], scores[1]);
  EXPECT_EQ(columns[0], columns[1]);
  EXPECT_EQ(pooled[0], pooled[1]);
  EXPECT_TRUE(worker.listener.heard("wild is here"));
}

// The embedded CLIP over LibTorch: here, in a worker, in a sandbox.
TEST(WorkerPlugin, APluginWithLibtorchGivesTheSameBits) {
  const std::filesystem::path bundle = std::filesystem::path(HN_PLUGIN_DIR) / "clip.hnp";
  if (!std::filesystem::exists(bundle)) GTEST_SKIP() << "built without LibTorch";
  ::setenv("OMP_NUM_THREADS", "1", 1);
  const core::Options options = {{"weights", (bundle / "weights" / "tiny-clip").string()}};
  const host::Manifest manifest = host::read_manifest(bundle);
  Client inside(host::open_plugin(manifest, manifest.libtorch).entry, options_for(bundle, options));
  inside.encode("a red cat");
  std::vector<float> wanted(2 * 3 * 64 * 64, 0.5f);
  const std::vector<float> scores = inside.score(2, 64, &wanted, true);
  for (const bool sandbox : {false, true}) {
    const InWorker placed = in_worker(bundle, options, {}, sandbox);
    Client worker(placed.entry, placed.options);
    worker.encode("a red cat");
    std::vector<float> grad(2 * 3 * 64 * 64, 0.5f);
    EXPECT_EQ(worker.score(2, 64, &grad, true), scores) << (sandbox ? "in a sandbox" : "");
    EXPECT_EQ(grad, wanted) << (sandbox ? "in a sandbox" : "");
  }
}

TEST(WorkerPlugin, ErrorsComeWithCodeAndText) {
  const InWorker placed = in_worker(kWild);
  Client worker(placed.entry, placed.options);
  Failure refused = failure_of([&] { worker.encode("refused"); });
  EXPECT_EQ(refused.code, HN_INVALID_ARGUMENT);
  EXPECT_THAT(refused.text, HasSubstr("not this prompt"));
  refused = failure_of([&] { worker.score(3, 8); });
  EXPECT_EQ(refused.code, HN_INVALID_ARGUMENT) << refused.text;
  worker.encode("a cat");
  EXPECT_EQ(worker.score(3, 8).size(), 3u) << "it lives on";
}

TEST(WorkerPlugin, OptionsOfEveryTypeAndWrongOnesCross) {
  const InWorker placed = in_worker(kWild, {{"deed", std::int64_t{3}}});
  const Failure refused = failure_of([&] { Client client(placed.entry, placed.options); });
  EXPECT_EQ(refused.code, HN_INVALID_ARGUMENT);
  EXPECT_THAT(refused.text, HasSubstr("[option deed] expected text"));
}

TEST(WorkerPlugin, CudaIsRefusedByName) {
  const InWorker placed = in_worker(kWild, {{"device", std::string("cuda:0")}});
  const Failure refused = failure_of([&] { Client client(placed.entry, placed.options); });
  EXPECT_EQ(refused.code, HN_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("cuda:0"));
}

TEST(WorkerPlugin, AMissingProgramIsNamed) {
  const InWorker placed = in_worker(kWild);
  ::setenv("HN_WORKER", "/nowhere/hnhost-worker", 1);
  const Failure refused = failure_of([&] { Client client(placed.entry, placed.options); });
  EXPECT_EQ(refused.code, HN_NOT_FOUND);
  EXPECT_THAT(refused.text, HasSubstr("/nowhere/hnhost-worker"));
  ::setenv("HN_WORKER", "/bin/true", 1);
  const Failure wrong = failure_of([&] { Client client(placed.entry, placed.options); });
  EXPECT_EQ(wrong.code, HN_UNAVAILABLE);
  EXPECT_THAT(wrong.text, HasSubstr("exit code 0"));
}

// Not a test: prints what a forward and backward cost here and there (docs/isolation.md).
TEST(WorkerPlugin, DISABLED_WhatACrossingCosts) {
  using Clock = std::chrono::steady_clock;
  const InWorker placed = in_worker(kRedness);
  Client inside(here(kRedness), options_for(kRedness)), worker(placed.entry, placed.options);
  for (const auto& [batch, side] : {std::pair{1, 8}, {16, 64}, {16, 256}}) {
    double best[2] = {1e9, 1e9};
    for (int round = 0; round < 20; ++round) {
      int which = 0;
      for (Client* client : {&inside, &worker}) {
        std::vector<float> grad(static_cast<std::size_t>(batch * 3 * side * side), 0);
        const auto began = Clock::now();
        client->score(batch, side, &grad);
        const double took = std::chrono::duration<double, std::micro>(Clock::now() - began).count();
        best[which] = std::min(best[which], took);
        ++which;
      }
    }
    std::printf("(%d,3,%d,%d): %.0f us here, %.0f us in a worker\n", batch, side, side, best[0],
                best[1]);
  }
}

// ---- cancelling, progress

TEST(WorkerPlugin, ProgressIsHeardAndCancellingIsHeededWhileACallRuns) {
  const InWorker placed = in_worker(kWild, {{"deed", std::string("wait_for_cancel")}});
  Client worker(placed.entry, placed.options);
  worker.encode("a cat");
  worker.listener.on_progress = [&] {
    if (worker.listener.progress.size() > 3) worker.listener.stop = true;
  };
  const Failure stopped = failure_of([&] { worker.score(1, 8); });
  EXPECT_EQ(stopped.code, HN_CANCELLED);
  EXPECT_THAT(stopped.text, HasSubstr("[wild] stopped"));
  EXPECT_EQ(worker.listener.progress.at(0), "waiting");
}

// ---- lost workers

struct Loss {
  const char* deed;
  const char* at;
  hn_status code;
  const char* says;
};
std::ostream& operator<<(std::ostream& out, const Loss& loss) {
  return out << loss.deed << " in " << loss.at;
}

class WorkerLoss : public ::testing::TestWithParam<Loss> {};

// The deed is done once; then the same calls go well, in a worker that was started again.
TEST_P(WorkerLoss, IsAnErrorByNameAndTheNextUseGoesWell) {
  const Loss& loss = GetParam();
  TestFolder folder;
  core::PluginPlace place;
  place.timeout_seconds = std::string_view(loss.deed) == "hang" ? 2 : 120;
  place.memory_bytes = 512u << 20;
  const InWorker placed = in_worker(kWild,
                                    {{"deed", std::string(loss.deed)},
                                     {"at", std::string(loss.at)},
                                     {"once", (folder.path() / "done").string()}},
                                    place);
  const auto all = [](Client& client) {
    client.encode("a cat");
    std::vector<float> grad(3 * 8 * 8, 0);
    std::vector<float> scores = client.score(1, 8, &grad);
    scores.insert(scores.end(), grad.begin(), grad.end());
    return scores;
  };
  std::vector<float> expected;
  {
    Client inside(here(kWild), options_for(kWild));
    expected = all(inside);
  }
  if (std::string_view(loss.at) == "create" || std::string_view(loss.at) == "open") {
    const Failure failure = failure_of([&] { Client client(placed.entry, placed.options); });
    EXPECT_EQ(failure.code, loss.code) << failure.text;
    EXPECT_THAT(failure.text, HasSubstr(loss.says));
    EXPECT_THAT(failure.text, HasSubstr(loss.at));
    Client again(placed.entry, placed.options);
    EXPECT_EQ(all(again), expected);
    return;
  }
  Client worker(placed.entry, placed.options);
  const Failure failure = failure_of([&] { all(worker); });
  EXPECT_EQ(failure.code, loss.code) << failure.text;
  EXPECT_THAT(failure.text, HasSubstr(loss.says));
  EXPECT_THAT(failure.text, HasSubstr(loss.at));
  EXPECT_THAT(failure.text, HasSubstr("wild"));
  std::vector<float> grad(3 * 8 * 8, 0);
  if (std::string_view(loss.at) == "encode") worker.encode("a cat");
  std::vector<float> scores = worker.score(1, 8, &grad);
  scores.insert(scores.end(), grad.begin(), grad.end());
  EXPECT_EQ(scores, expected);
  EXPECT_TRUE(worker.listener.heard("started again"));
}

INSTANTIATE_TEST_SUITE_P(
    Table, WorkerLoss,
    ::testing::Values(Loss{"segv", "forward", HN_UNAVAILABLE, "crashed in forward of score: Segm"},
                      Loss{"segv", "backward", HN_UNAVAILABLE, "Segmentation fault (signal 11)"},
                      Loss{"segv", "create", HN_UNAVAILABLE, "signal 11"},
                      Loss{"segv", "open", HN_UNAVAILABLE, "signal 11"},
                      Loss{"segv", "encode", HN_UNAVAILABLE, "signal 11"},
                      Loss{"abort", "forward", HN_UNAVAILABLE, "Aborted (signal 6)"},
                      Loss{"exit", "forward", HN_UNAVAILABLE, "exit code 3"},
                      Loss{"exit0", "backward", HN_UNAVAILABLE, "exit code 0"},
                      Loss{"hang", "forward", HN_DEADLINE, "no sign of life for 2 s"},
                      Loss{"hang", "create", HN_DEADLINE, "no sign of life for 2 s"},
                      Loss{"past", "forward", HN_UNAVAILABLE, "beside output score"},
                      Loss{"before", "forward", HN_UNAVAILABLE, "wrote outside of its tensors"},
                      Loss{"past", "backward", HN_UNAVAILABLE, "beside gradient of image_rgb01"},
                      Loss{"far", "forward", HN_UNAVAILABLE, "signal 11"}));

TEST(WorkerPlugin, WhatForwardKeptIsLostWithTheWorker) {
  TestFolder folder;
  const InWorker placed = in_worker(kWild, {{"deed", std::string("segv")},
                                            {"at", std::string("encode")},
                                            {"after", std::int64_t{1}},
                                            {"once", (folder.path() / "done").string()}});
  Client worker(placed.entry, placed.options);
  worker.encode("a cat");
  worker.before_backward = [&] {
    EXPECT_EQ(failure_of([&] { worker.encode("b"); }).code, HN_UNAVAILABLE);
  };
  std::vector<float> grad(3 * 8 * 8, 0.5f);
  const Failure lost = failure_of([&] { worker.score(1, 8, &grad); });
  EXPECT_EQ(lost.code, HN_UNAVAILABLE);
  EXPECT_THAT(lost.text, HasSubstr("what forward of score kept"));
  EXPECT_EQ(grad[0], 0.5f) << "gradients stay as they were";
  worker.before_backward = {};
  EXPECT_EQ(worker.score(1, 8, &grad).size(), 1u);
}

TEST(WorkerPlugin, CrashesWhileItIsDestroyedOrReleasesAreTheWorkersOwn) {
  for (const char* at : {"destroy", "saved_release"}) {
    const InWorker placed =
        in_worker(kWild, {{"deed", std::string("segv")}, {"at", std::string(at)}});
    Client worker(placed.entry, placed.options);
    worker.encode("a cat");
    std::vector<float> grad(3 * 8 * 8, 0);
    EXPECT_EQ(worker.score(1, 8, &grad).size(), 1u) << at;
  }
}

TEST(WorkerPlugin, ALeakEndsAtTheLimitOfMemory) {
  core::PluginPlace place;
  place.memory_bytes = 256u << 20;
  const InWorker placed = in_worker(kWild, {{"deed", std::string("leak")}}, place);
  Client worker(placed.entry, placed.options);
  worker.encode("a cat");
  EXPECT_EQ(failure_of([&] { worker.score(1, 8); }).code, HN_OUT_OF_MEMORY);
}

TEST(WorkerPlugin, EndlessWorkEndsAtTheLimitOfProcessorTime) {
  core::PluginPlace place;
  place.cpu_seconds = 1;
  const InWorker placed = in_worker(kWild, {{"deed", std::string("chatter")}}, place);
  Client worker(placed.entry, placed.options);
  worker.encode("a cat");
  const Failure failure = failure_of([&] { worker.score(1, 8); });
  EXPECT_EQ(failure.code, HN_UNAVAILABLE) << failure.text;
}

TEST(WorkerPlugin, AChangedFloatingPointModeIsAnErrorAsInThisProcess) {
  const InWorker placed = in_worker(kWild, {{"deed", std::string("rounding")}});
  Client worker(placed.entry, placed.options);
  worker.encode("a cat");
  const Failure failure = failure_of([&] { worker.score(1, 8); });
  EXPECT_EQ(failure.code, HN_INTERNAL);
  EXPECT_THAT(failure.text, HasSubstr("rounding mode"));
}

// ---- the sandbox

class WorkerSandbox : public ::testing::TestWithParam<const char*> {};

TEST_P(WorkerSandbox, RefusesWhatAWorkerMayOtherwiseDo) {
  const std::string deed = GetParam();
  for (const bool sandbox : {false, true}) {
    TestFolder folder;
    const auto file = folder.write("file", "mine");
    const InWorker placed =
        in_worker(kWild, {{"deed", deed}, {"path", file.string()}}, core::PluginPlace{}, sandbox);
    Client worker(placed.entry, placed.options);
    worker.encode("a cat");
    const Failure failure = failure_of([&] { worker.score(1, 8); });
    if (sandbox)
      EXPECT_EQ(failure.code, HN_OK) << failure.text;
    else
      EXPECT_EQ(failure.code, HN_UNAVAILABLE) << deed << " should work without a sandbox";
    if (sandbox) {
      EXPECT_EQ(read_bytes(file), "mine");
      EXPECT_EQ(folder.file_count(), 1u);
      EXPECT_TRUE(worker.listener.heard("sandbox: "));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Deeds, WorkerSandbox,
                         ::testing::Values("socket", "unix_socket", "write", "append", "unlink",
                                           "rename", "chmod", "truncate", "mkdir", "fork", "exec",
                                           "kill_host", "read_others"));

TEST(WorkerPlugin, ASandboxStillComputesReadsItsFilesAndStartsThreads) {
  TestFolder folder;
  const auto file = folder.write("file", "mine");
  for (const char* deed : {"thread", "read_own"}) {
    const InWorker placed =
        in_worker(kWild, {{"deed", std::string(deed)}, {"path", file.string()}}, {}, true);
    Client inside(here(kWild), options_for(kWild)), worker(placed.entry, placed.options);
    for (Client* client : {&inside, &worker}) client->encode("a cat");
    EXPECT_EQ(inside.score(2, 8), worker.score(2, 8)) << deed;
  }
}

TEST(WorkerPlugin, ASandboxedPluginCannotTalkForEver) {
  core::PluginPlace place;
  place.timeout_seconds = 1;
  const InWorker placed = in_worker(kWild, {{"deed", std::string("chatter")}}, place, true);
  Client worker(placed.entry, placed.options);
  worker.encode("a cat");
  EXPECT_EQ(failure_of([&] { worker.score(1, 8); }).code, HN_DEADLINE);
}

}  // namespace
}  // namespace hn::test
