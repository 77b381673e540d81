// The suite itself: a sound plugin passes, and every deliberate defect is caught by the check that
// is meant for it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "contract_support.hpp"

namespace hn::validate {
namespace {

Subject brightness(const std::string& defect) {
  return subject("broken.hnp/libbroken.so", "hn.test.brightness", defect);
}

TEST(ContractSuite, ASoundPluginPasses) {
  const auto rows = run_suite(brightness(""));
  EXPECT_TRUE(all_good(rows)) << bad_rows(rows);
  EXPECT_GT(rows.size(), 40u);
}

class Caught : public ::testing::TestWithParam<Defect> {};

TEST_P(Caught, ByItsCheck) {
  const Defect& defect = GetParam();
  Plan plan;
  plan.checks = {defect.check};
  plan.per_check = std::chrono::seconds(defect.status == Status::kTimedOut ? 2 : 60);
  const auto rows = run_suite(brightness(defect.name), plan);
  const Row* row = find(rows, defect.check);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(status_name(row->status), std::string(status_name(defect.status))) << row->text;
  EXPECT_NE(row->text.find(defect.text), std::string::npos) << row->text;
  EXPECT_FALSE(all_good(rows));
}

constexpr Defect kDefects[] = {
    {"wrong_gradient", "gradient.finite_differences", Status::kFailed, "central differences give"},
    {"partial_gradient", "gradient.finite_differences", Status::kFailed,
     "along a random direction"},
    {"writes_past_end", "forward.untouched", Status::kFailed, "wrote outside output score"},
    {"throws", "forward.works", Status::kCrashed, "signal 6"},
    {"changes_input", "forward.untouched", Status::kFailed, "changed input image_rgb01"},
    {"overwrites", "backward.accumulate", Status::kFailed, "added onto 2"},
    {"always_adds", "backward.linear", Status::kFailed, "gradient of image_rgb01"},
    {"exits", "backward.works", Status::kCrashed, "exit code 0"},
    {"crashes", "backward.works", Status::kCrashed, "signal 11"},
    {"hangs", "backward.works", Status::kTimedOut, "did not finish within 2 s"},
    {"ignores_strides", "forward.strides", Status::kFailed, "with strides and byte_offset"},
    {"ignores_offset", "forward.strides", Status::kFailed, "with strides and byte_offset"},
    {"remembers", "forward.deterministic", Status::kFailed, "the same call again"},
    {"mixes_samples", "forward.batch_independent", Status::kFailed, "in a batch and alone"},
    {"draws_own_noise", "random.seed", Status::kFailed, "HN_FN_RANDOM is not set"},
    {"clips_gradient", "backward.linear", Status::kFailed, "0.75 a - 2 b"},
    {"assumes_cotangent", "backward.null_cotangent", Status::kFailed, "expected zeros"},
    {"takes_any_flag", "errors.flags", Status::kFailed, "an unknown call flag"},
    {"leaks", "saved.released", Status::kFailed, "not given back"},
    {"sets_locale", "process.surroundings", Status::kFailed, "the locale"},
    {"no_text", "open.unknown", Status::kFailed, "without a text"},
    {"takes_any_device", "create.bad_device", Status::kFailed, "nonsense:7"},
    {"takes_any_shape", "errors.counts", Status::kFailed, "one output too many"},
    {"frees_once", "backward.twice", Status::kFailed, "the graph is gone"},
    {"binds_thread", "backward.other_thread", Status::kFailed, "from another thread"},
    {"keeps_pointer", "backward.recomputed", Status::kFailed, "gradient"},
    {"makes_up_interfaces", "entry.interfaces", Status::kFailed, "expected NULL"},
    {"skips_last_sample", "forward.batch", Status::kFailed, "nothing was written"},
    {"old_sizes", "structs.sizes", Status::kFailed, "hn_fn_info"},
    {"fails_to_create", "create.works", Status::kFailed, "no instance today"},
    {"leaves_thread", "threads.joined", Status::kFailed, "left running after destroy: 1"},
    {"two_images", "slots.sane", Status::kFailed, "two slots of semantic image_rgb01"},
    {"own_word", "slots.sane", Status::kFailed, "'picture' has no dot"},
    {"unknown_slot_flag", "slots.sane", Status::kFailed, "unknown flags 512"},
    {"unknown_fn_flag", "slots.sane", Status::kFailed, "info: unknown flags 512"},
    {"sets_reserved", "open.works", Status::kFailed, "reserved must stay zero, got 7"},
    {"any_slot", "slots.range", Status::kFailed, "expected an error, got HN_OK"},
    {"needs_samples", "forward.batch", Status::kFailed, "batch 0: "},
    {"moves_away", "process.surroundings", Status::kFailed, "the working folder ("},
    {"catches_signals", "process.surroundings", Status::kFailed, "the handler of signal Interrupt"},
    {"rounds_up", "process.surroundings", Status::kFailed, "rounding"},
    {"detaches", "gradient.finite_differences", Status::kFailed, "was the graph cut off?"},
    {"writes_past_gradient", "backward.works", Status::kFailed, "wrote outside the gradient"},
    {"changes_cotangent", "backward.works", Status::kFailed, "changed the cotangent of score"},
    {"opens_despite", "open.unknown", Status::kFailed, "*out is not NULL"},
    {"spills_text", "errors.buffer", Status::kFailed, "a buffer of 8 bytes: wrote byte 8"},
    {"other_code", "errors.buffer", Status::kFailed, "hn_error.code"},
    {"keeps_unasked", "forward.works", Status::kFailed, "expected saved = NULL"},
    {"keeps_nothing", "backward.works", Status::kFailed, "gave no saved"},
    {"half_plan", "plan.bytes", Status::kFailed, "peak_bytes includes saved_bytes"},
    {"dislikes_null", "create.null", Status::kCrashed, "signal 11"},
    {"new_tables", "entry.interfaces", Status::kFailed, "the same table every time"},
};
INSTANTIATE_TEST_SUITE_P(Defects, Caught, ::testing::ValuesIn(kDefects),
                         [](const auto& info) { return std::string(info.param.name); });

// What is no defect: a thread that destroy joins, and a slot whose name is not its semantic.
TEST(ContractSuite, WhatOnlyLooksOddPasses) {
  for (const char* oddity : {"joins_thread", "own_name"}) {
    const auto rows = run_suite(brightness(oddity));
    EXPECT_TRUE(all_good(rows)) << oddity << ": " << bad_rows(rows);
  }
}

TEST(ContractSuite, OneRootIsOneFailure) {
  const auto rows = run_suite(brightness("throws"));
  std::size_t failed = 0, not_run = 0;
  for (const Row& row : rows) {
    if (row.status == Status::kNotRun) {
      ++not_run;
      EXPECT_EQ(row.text, "not run: needs forward.works score") << row.check;
    } else if (row.status != Status::kPassed && row.status != Status::kSkipped) {
      ++failed;
      EXPECT_EQ(row.check, "forward.works") << row.text;
    }
  }
  EXPECT_EQ(failed, 1u) << bad_rows(rows);
  EXPECT_GT(not_run, 20u);
  EXPECT_FALSE(all_good(rows));
}

TEST(ContractSuite, ASizeThatIsPassedOverIsTold) {
  for (const bool refuses : {false, true}) {
    Subject s = brightness(refuses ? "refuses_size" : "passes_over_size");
    s.kind = "generator";
    s.functions = {"generate"};
    Plan plan;
    plan.checks = {"options.size"};
    const auto rows = run_suite(s, plan);
    const Row* row = find(rows, "options.size");
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->status, refuses ? Status::kPassed : Status::kFailed) << row->text;
    if (!refuses) {
      EXPECT_EQ(row->text,
                "opened with width = 16, height = 16, its pictures are 8 x 8: a size that cannot "
                "be kept must be refused");
    }
  }
}

TEST(ContractSuite, AnOptionThatNobodyReadsIsTold) {
  Subject s = brightness("");
  s.option_keys.push_back("unread_strength");
  Plan plan;
  plan.checks = {"options.read"};
  const auto rows = run_suite(s, plan);
  EXPECT_EQ(find(rows, "options.read")->status, Status::kFailed);
  EXPECT_EQ(find(rows, "options.read")->text,
            "listed in the manifest, and never asked for by the code: unread_strength");
}

TEST(ContractSuite, AManifestThatIsNotUnderstoodIsTold) {
  Subject s = brightness("");
  s.manifest_problem = "plugin.toml:3: sumary: unknown key";
  Plan plan;
  plan.checks = {"manifest.*"};
  const auto rows = run_suite(s, plan);
  EXPECT_EQ(find(rows, "manifest.strict")->text, s.manifest_problem);
  EXPECT_EQ(find(rows, "manifest.strict")->status, Status::kFailed);
}

TEST(ContractSuite, ChosenChecksBringWhatTheyNeed) {
  Plan plan;
  plan.checks = {"backward.twice", "plan.*"};
  std::vector<std::string> names, told;
  plan.progress = [&](const std::string& name, std::uint64_t done, std::uint64_t total) {
    told.push_back(name);
    EXPECT_LE(done, total);
  };
  for (const Row& row : run_suite(brightness(""), plan)) names.push_back(row.check);
  EXPECT_EQ(names,
            (std::vector<std::string>{"entry.loads", "create.works", "open.works", "forward.works",
                                      "backward.works", "plan.bytes", "backward.twice"}));
  EXPECT_EQ(told.size(), names.size() + 1) << "the loading too";
  plan.checks = {"backwards.twice"};
  try {
    run_suite(brightness(""), plan);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), HN_NOT_FOUND);
    EXPECT_NE(std::string(e.what()).find("did you mean 'backward.twice'"), std::string::npos)
        << e.what();
  }
}

// The process that asks may have threads: it forks nothing.
TEST(ContractSuite, RunsBesideThreadsOfTheCaller) {
  std::atomic<bool> done{false};
  std::vector<std::thread> busy;
  for (int i = 0; i < 3; ++i)
    busy.emplace_back([&] {
      while (!done) std::vector<char>(4096).data()[0] = 1;  // holds malloc's locks now and then
    });
  Plan plan;
  plan.checks = {"forward.*"};
  std::vector<Row> rows[2];
  std::thread other([&] { rows[0] = run_suite(brightness(""), plan); });
  rows[1] = run_suite(brightness(""), plan);
  other.join();
  done = true;
  for (auto& thread : busy) thread.join();
  for (const auto& each : rows) EXPECT_TRUE(all_good(each)) << bad_rows(each);
}

TEST(ContractSuite, StopsWhenItIsAsked) {
  Plan plan;
  plan.checks = {"backward.works"};
  plan.cancelled = [] { return true; };
  try {
    run_suite(brightness("hangs"), plan);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), HN_CANCELLED);
  }
}

TEST(ContractSuite, WithoutItsHelperItSaysSo) {
  ::setenv("HN_HELPER", "/nonexistent/helper", 1);
  try {
    run_suite(brightness(""));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), HN_NOT_FOUND);
    EXPECT_NE(std::string(e.what()).find("/nonexistent/helper"), std::string::npos) << e.what();
  }
  ::setenv("HN_HELPER", "/bin/false", 1);
  const auto rows = run_suite(brightness(""));
  ::unsetenv("HN_HELPER");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].status, Status::kCrashed);
  EXPECT_NE(rows[0].text.find("exit code 1"), std::string::npos) << rows[0].text;
}

TEST(ContractSuite, ALooselyLinkedLibraryIsCaught) {
  const auto loose = subject("libloose.so", "test.reward.loose", "");
  Plan plan;
  plan.checks = {"entry.*"};
  const auto rows = run_suite(loose, plan);
  EXPECT_EQ(find(rows, "entry.exports")->status, Status::kFailed);
  EXPECT_NE(find(rows, "entry.exports")->text.find("loose_helper"), std::string::npos);
#if defined(__GNUC__) && !defined(__clang__)
  EXPECT_EQ(find(rows, "entry.unique")->status, Status::kFailed);
#endif
  EXPECT_EQ(find(rows, "entry.dependencies")->status, Status::kFailed);
  EXPECT_NE(find(rows, "entry.dependencies")->text.find("libstdc++"), std::string::npos);
}

TEST(ContractSuite, ALyingManifestIsCaught) {
  Subject lying = brightness("");
  lying.version = "9.9.9";
  Plan plan;
  plan.checks = {"entry.identity"};
  const auto rows = run_suite(lying, plan);
  EXPECT_EQ(find(rows, "entry.identity")->status, Status::kFailed);
  EXPECT_NE(find(rows, "entry.identity")->text.find("9.9.9"), std::string::npos);
}

TEST(ContractSuite, ALibraryThatDoesNotLoadIsOneRow) {
  const auto rows = run_suite(subject("missing.so", "test", ""));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].check, "entry.loads");
  EXPECT_EQ(rows[0].status, Status::kFailed);
}

TEST(ContractSuite, TheReportIsJson) {
  const Subject s = brightness("");
  std::vector<Row> rows(4);
  rows[0] = {"a.b", "score", "What.", Status::kPassed, "", 0.5};
  rows[1] = {"c.d", "", "What.", Status::kCrashed, "bytes \xff", 0.5};
  rows[2].status = Status::kSkipped;
  rows[3].status = Status::kNotRun;
  const auto report = nlohmann::json::parse(to_json(s, rows, 2.5));
  EXPECT_EQ(report.at("ok"), false);
  EXPECT_EQ(report.at("passed"), 1);
  EXPECT_EQ(report.at("failed"), 1);
  EXPECT_EQ(report.at("skipped"), 1);
  EXPECT_EQ(report.at("not_run"), 1);
  EXPECT_EQ(report.at("seconds"), 2.5);
  EXPECT_EQ(report.at("checks").at(1).at("status"), "crashed");
  EXPECT_EQ(report.at("checks").at(0).at("function"), "score");
}

}  // namespace
}  // namespace hn::validate
