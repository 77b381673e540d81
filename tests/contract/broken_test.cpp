// The suite itself: a sound plugin passes, and every deliberate defect is caught by the check that
// is meant for it.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "validate/suite.hpp"

namespace hn::validate {
namespace {

Subject subject(const std::string& library, const std::string& id, const std::string& defect) {
  Subject s;
  s.library = std::string(HN_BUILD_DIR "/tests/plugins/") + library;
  s.bundle = s.library.parent_path();
  s.id = id;
  s.version = "1.0.0";
  s.kind = "reward";
  s.functions = {"score"};
  if (!defect.empty()) s.options["defect"] = defect;
  s.open = [library = s.library] {
    void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw Error(HN_NOT_FOUND, ::dlerror());
    return static_cast<const hn_plugin_v1*>(::dlsym(handle, HN_PLUGIN_ENTRY_V1));
  };
  return s;
}

Subject brightness(const std::string& defect) {
  return subject("broken.hnp/libbroken.so", "hn.test.brightness", defect);
}

const Row* find(const std::vector<Row>& rows, const std::string& check) {
  for (const Row& row : rows)
    if (row.check == check) return &row;
  return nullptr;
}

std::string bad_rows(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows)
    if (row.status != Status::kPassed && row.status != Status::kSkipped)
      text += row.check + " " + status_name(row.status) + ": " + row.text + "\n";
  return text;
}

TEST(ContractSuite, ASoundPluginPasses) {
  const auto rows = run_suite(brightness(""));
  EXPECT_TRUE(all_good(rows)) << bad_rows(rows);
  EXPECT_GT(rows.size(), 40u);
}

struct Defect {
  const char* name;
  const char* check;  // that must catch it
  Status status;
  const char* text;  // part of the reason
};

class Caught : public ::testing::TestWithParam<Defect> {};

TEST_P(Caught, ByItsCheck) {
  const Defect& defect = GetParam();
  Limits limits;
  limits.only = defect.check;
  limits.per_check = std::chrono::seconds(defect.status == Status::kTimedOut ? 2 : 60);
  const auto rows = run_suite(brightness(defect.name), limits);
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
    {"throws", "forward.deterministic", Status::kCrashed, "signal 6"},
    {"changes_input", "forward.untouched", Status::kFailed, "changed input image_rgb01"},
    {"overwrites", "backward.accumulate", Status::kFailed, "added onto 2"},
    {"always_adds", "backward.linear", Status::kFailed, "gradient of image_rgb01"},
    {"exits", "backward.linear", Status::kCrashed, "exit code 0"},
    {"crashes", "backward.twice", Status::kCrashed, "signal 11"},
    {"hangs", "backward.twice", Status::kTimedOut, "did not finish within 2 s"},
    {"ignores_strides", "forward.strides", Status::kFailed, "with strides and byte_offset"},
    {"ignores_offset", "forward.strides", Status::kFailed, "with strides and byte_offset"},
    {"remembers", "forward.deterministic", Status::kFailed, "the same call again"},
    {"mixes_samples", "forward.batch_independent", Status::kFailed, "in a batch and alone"},
    {"draws_own_noise", "random.seed", Status::kFailed, "HN_FN_RANDOM is not set"},
    {"clips_gradient", "backward.linear", Status::kFailed, "0.75 a - 2 b"},
    {"assumes_cotangent", "backward.null_cotangent", Status::kFailed, "expected zeros"},
    {"takes_any_flag", "errors.flags", Status::kFailed, "an unknown call flag"},
    {"leaks", "saved.released", Status::kFailed, "not given back"},
    {"sets_locale", "process.surroundings", Status::kFailed, "locale"},
    {"no_text", "open.unknown", Status::kFailed, "without a text"},
    {"takes_any_device", "create.bad_device", Status::kFailed, "nonsense:7"},
    {"takes_any_shape", "errors.counts", Status::kFailed, "one output too many"},
    {"frees_once", "backward.twice", Status::kFailed, "the graph is gone"},
    {"binds_thread", "backward.other_thread", Status::kFailed, "from another thread"},
    {"keeps_pointer", "backward.recomputed", Status::kFailed, "gradient"},
    {"makes_up_interfaces", "entry.interfaces", Status::kFailed, "expected NULL"},
    {"skips_last_sample", "forward.batch", Status::kFailed, "nothing was written"},
    {"old_sizes", "structs.sizes", Status::kFailed, "hn_fn_info"},
};
INSTANTIATE_TEST_SUITE_P(Defects, Caught, ::testing::ValuesIn(kDefects),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ContractSuite, ALooselyLinkedLibraryIsCaught) {
  const auto loose = subject("libloose.so", "test.reward.loose", "");
  Limits limits;
  limits.only = "entry.";
  const auto rows = run_suite(loose, limits);
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
  Limits limits;
  limits.only = "entry.identity";
  const auto rows = run_suite(lying, limits);
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
  std::vector<Row> rows(3);
  rows[0] = {"a.b", "score", "What.", Status::kPassed, "", 0.5};
  rows[1] = {"c.d", "", "What.", Status::kCrashed, "bytes \xff", 0.5};
  rows[2].status = Status::kSkipped;
  const auto report = nlohmann::json::parse(to_json(s, rows));
  EXPECT_EQ(report.at("ok"), false);
  EXPECT_EQ(report.at("passed"), 1);
  EXPECT_EQ(report.at("failed"), 1);
  EXPECT_EQ(report.at("skipped"), 1);
  EXPECT_EQ(report.at("checks").at(1).at("status"), "crashed");
  EXPECT_EQ(report.at("checks").at(0).at("function"), "score");
}

}  // namespace
}  // namespace hn::validate
