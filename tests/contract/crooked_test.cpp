// The checks of what stands round a call: prompts, sizes, hints, services and optional tables; each
// catches the mistake that is meant for it, and a sound plugin passes them all.
#include <gtest/gtest.h>

#include <cstdlib>
#include <hn/formats/input_file.hpp>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "contract_support.hpp"

namespace hn::validate {
namespace {

Subject crooked(const std::string& defect) {
  Subject s = subject("crooked.hnp/libcrooked.so", "hn.test.crooked", defect);
  s.functions = {"score", "encode", "noise_net"};
  s.options["tone"] = std::string("plain");
  return s;
}

Row row_of(const std::string& defect, const char* check, const char* function = nullptr) {
  Plan plan;
  plan.checks = {check};
  Row found;
  for (const Row& row : run_suite(crooked(defect), plan))
    if (row.check == check && (function == nullptr || row.function == function)) {
      found = row;
      if (row.status != Status::kPassed && row.status != Status::kSkipped) break;
    }
  return found;
}

TEST(ContractSuite, APluginWithEverythingPasses) {
  for (const char* oddity : {"", "in_latents"}) {
    const auto rows = run_suite(crooked(oddity));
    EXPECT_TRUE(all_good(rows)) << oddity << ": " << bad_rows(rows);
    EXPECT_EQ(find(rows, "shapes.told")->status, Status::kPassed);
    EXPECT_EQ(find(rows, "cond.fields")->status, Status::kPassed);
    EXPECT_EQ(find(rows, "audit.components")->status, Status::kPassed);
  }
}

class CaughtToo : public ::testing::TestWithParam<Defect> {};

TEST_P(CaughtToo, ByItsCheck) {
  const Defect& defect = GetParam();
  const Row row = row_of(defect.name, defect.check);
  EXPECT_EQ(status_name(row.status), std::string(status_name(defect.status))) << row.text;
  EXPECT_NE(row.text.find(defect.text), std::string::npos) << row.text;
}

constexpr Status kFailed = Status::kFailed, kCrashed = Status::kCrashed;
constexpr Defect kDefects[] = {
    {"four_colours", "slots.meaning", kFailed, "image_rgb01 is float32 [B,3,H,W], got"},
    {"loose_matrix", "slots.meaning", kFailed, "lora_a is a parameter"},
    {"one_name", "slots.kept", kFailed, "live until close"},
    {"judges_both", "slots.sane", kFailed, "expected image_rgb01 or latents, got both"},
    {"tells_another", "shapes.told", kFailed, "dimension 0 is 2"},
    {"tells_too_much", "shapes.told", kFailed, "wrote more than the 2 entries"},
    {"takes_any_room", "shapes.told", kFailed, "wrote more than the "},
    {"reads_data", "shapes.told", kCrashed, "signal 11"},
    {"reads_out", "shapes.told", kFailed, "expected an output"},
    {"takes_smaller", "shapes.told", kFailed, "smaller than shapes told, in dimension 2"},
    {"one_size", "forward.sizes", kFailed, "a buffer of another size"},
    {"remembers_size", "forward.sizes", kFailed, "after other sizes"},
    {"ignores_negative", "cond.fields", kFailed, "names negative, and no value"},
    {"ignores_json", "cond.fields", kFailed, "names json, and no value"},
    {"ignores_tensors", "cond.fields", kFailed, "names tensors, and no value"},
    {"reads_undeclared", "cond.fields", kFailed, "with negative, which prompt_fields does not"},
    {"any_tensor", "cond.fields", kFailed, "a tensor of an unknown name"},
    {"leaves_handles", "cond.fields", kFailed, "not every *out is NULL"},
    {"more_fields", "cond.fields", kFailed, "unknown bits"},
    {"keeps_text", "cond.borrowed", kFailed, "whose text changed after encode"},
    {"any_prompt_flag", "cond.structs", kFailed, "a prompt with an unknown flag"},
    {"refuses_hints", "calls.hints", kFailed, "a call with a hint"},
    {"ignores_arguments", "errors.next", kFailed, "says that it matters"},
    {"talks_of_success", "errors.untouched", kFailed, "forward gave HN_OK and wrote"},
    {"cuts_characters", "errors.buffer", kFailed, "is no UTF-8"},
    {"keeps_options", "options.borrowed", kFailed, "after the texts of the options changed"},
    {"reads_output", "backward.reads_no_output", kFailed, "after the outputs were overwritten"},
    {"refuses_budget", "backward.budget", kFailed, "saved_budget_bytes = 1"},
    {"ignores_zero_stride", "forward.broadcast", kFailed, "with a stride of 0"},
    {"unused_input", "gradient.depends", kFailed, "need_grad of unused alone"},
    {"asks_always", "host.calls", kFailed, "is_cancelled was asked while no call"},
    {"logs_late", "host.calls", kFailed, "after destroy had returned"},
    {"fails_cancelled", "host.cancelled", kFailed, "expected HN_CANCELLED, got HN_INTERNAL"},
    {"one_at_a_time", "threads.instances", kFailed, "somebody else is at work"},
    {"trims_saved", "memory.trim", kFailed, "from a saved after trim"},
    {"endless_devices", "memory.devices", kFailed, "told before"},
    {"other_end", "memory.devices", kFailed, "expected HN_NOT_FOUND, got HN_INTERNAL"},
    {"turned_matrix", "adapter.slots", kFailed, "expected (3,2), got (2,3)"},
    {"other_layer", "adapter.slots", kFailed, "parameters of elsewhere"},
    {"audits_nothing", "audit.components", kFailed, "told no component"},
    {"audits_in_prose", "audit.components", kFailed, "expected a JSON object"},
    {"audits_anything", "audit.components", kFailed, "weights that are not there"},
    {"any_dtype", "create.bad_dtype", kFailed, "float7"},
    {"plans_by_data", "plan.bytes", kCrashed, "signal 11"},
    {"any_vjp", "structs.sizes", kFailed, "an hn_vjp shorter than version 1.0"},
    {"needs_all_inputs", "forward.optional", kFailed, "ends before the optional inputs"},
    {"mixes_gradient", "forward.batch_independent", kFailed, "HN_FN_MIXES_SAMPLES is not set"},
};
INSTANTIATE_TEST_SUITE_P(Defects, CaughtToo, ::testing::ValuesIn(kDefects),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ContractSuite, AnOpenOutputNeedsShapes) {
  const Row row = row_of("no_shapes", "forward.works", "encode");
  EXPECT_EQ(row.status, Status::kFailed);
  EXPECT_NE(row.text.find("shapes, which would tell it, is NULL"), std::string::npos) << row.text;
}

// The flag is the plugin's right; without need it costs the host its batches.
TEST(ContractSuite, AFlagWithoutNeedIsNoted) {
  const Row idle = row_of("claims_to_mix", "forward.batch_independent", "score");
  EXPECT_EQ(idle.status, Status::kPassed);
  EXPECT_NE(idle.text.find("the host could split batches"), std::string::npos) << idle.text;
  const Row needed = row_of("mixes_with_flag", "forward.batch_independent", "score");
  EXPECT_EQ(needed.status, Status::kPassed);
  EXPECT_EQ(needed.text, "");
}

TEST(ContractSuite, AMadeUpTableWithoutAnInstanceIsCaught) {
  ::setenv("HN_CROOKED_TABLES", "1", 1);
  const Row row = row_of("", "entry.plugin_interfaces");
  ::unsetenv("HN_CROOKED_TABLES");
  EXPECT_EQ(row.status, Status::kFailed);
  EXPECT_NE(row.text.find("expected NULL"), std::string::npos) << row.text;
}

// docs/validate.md lays each rule beside its check: all of them, and no other.
TEST(ContractSuite, TheDocumentNamesEveryCheck) {
  const std::string page = read_whole_file(HN_SOURCE_DIR "/docs/validate.md", 1 << 20);
  std::set<std::string> known, named;
  const auto listed = nlohmann::json::parse(list_json());
  for (const auto& check : listed.at("checks")) known.insert(check.at("check").get<std::string>());
  const std::regex word("`([a-z_]+\\.[a-z_]+)`");
  for (auto at = std::sregex_iterator(page.begin(), page.end(), word); at != std::sregex_iterator();
       ++at)
    if (!(*at)[1].str().ends_with(".md")) named.insert((*at)[1].str());
  EXPECT_EQ(named, known);
}

}  // namespace
}  // namespace hn::validate
