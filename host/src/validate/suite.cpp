#include "validate/suite.hpp"

#include <nlohmann/json.hpp>

#include "validate/check.hpp"
#include "validate/child.hpp"

namespace hn::validate {
namespace {

std::vector<Check> all_checks() {
  std::vector<Check> all;
  for (const auto part :
       {entry_checks(), plugin_checks(), cond_checks(), slot_checks(), forward_checks(),
        backward_checks(), gradient_checks(), error_checks(), kind_checks()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

Outcome run_one(const Check& check, const Subject& subject, const std::string& function) {
  // A check judges by exceptions; what a destructor of the probe meets in the plugin is a crash and
  // seen as one.
  try {
    Context context(subject, function);
    const std::string reason = check.skip_reason == nullptr ? "" : check.skip_reason(context);
    if (!reason.empty()) return {Status::kSkipped, reason};
    check.run(context);
    return {Status::kPassed, ""};
  } catch (const Skip& e) {
    return {Status::kSkipped, e.what()};
  } catch (const Failure& e) {
    return {Status::kFailed, e.what()};
  } catch (const Error& e) {  // the suite's own readers of files
    return {Status::kFailed, e.what()};
  } catch (const std::exception& e) {
    return {Status::kFailed, std::string("an exception left the plugin: ") + e.what()};
  } catch (...) {
    return {Status::kFailed, "an exception left the plugin"};
  }
}

}  // namespace

const char* status_name(Status status) {
  switch (status) {
    case Status::kPassed: return "passed";
    case Status::kFailed: return "failed";
    case Status::kSkipped: return "skipped";
    case Status::kCrashed: return "crashed";
    case Status::kTimedOut: return "timed_out";
  }
  return "failed";
}

std::vector<Row> run_suite(const Subject& subject, const Limits& limits) {
  std::vector<Row> rows;
  constexpr Check kLoads = {
      "entry.loads",
      "The library is the one of the manifest, loads, and exports the plugin's constant.",
      Scope::kPlugin, nullptr, [](Context& c) { expect(c.entry() != nullptr, "no entry"); }};
  const Outcome loads =
      run_in_child([&] { return run_one(kLoads, subject, ""); }, limits.per_check);
  rows.push_back({kLoads.name, "", kLoads.what, loads.status, loads.text, loads.seconds});
  if (loads.status != Status::kPassed) return rows;  // nothing else could be said
  for (const Check& check : all_checks()) {
    if (std::string_view(check.name).find(limits.only) == std::string_view::npos) continue;
    const auto functions = check.scope == Scope::kFunction
                               ? functions_of(subject)
                               : std::vector<std::string>{std::string()};
    for (const std::string& function : functions) {
      const Outcome outcome =
          run_in_child([&] { return run_one(check, subject, function); }, limits.per_check);
      rows.push_back(
          {check.name, function, check.what, outcome.status, outcome.text, outcome.seconds});
    }
  }
  return rows;
}

bool all_good(const std::vector<Row>& rows) {
  for (const Row& row : rows)
    if (row.status != Status::kPassed && row.status != Status::kSkipped) return false;
  return true;
}

std::string to_json(const Subject& subject, const std::vector<Row>& rows) {
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  std::size_t passed = 0, skipped = 0;
  for (const Row& row : rows) {
    passed += row.status == Status::kPassed ? 1 : 0;
    skipped += row.status == Status::kSkipped ? 1 : 0;
    checks.push_back({{"check", row.check},
                      {"function", row.function},
                      {"what", row.what},
                      {"status", status_name(row.status)},
                      {"text", row.text},
                      {"seconds", row.seconds}});
  }
  const nlohmann::ordered_json report = {{"bundle", subject.bundle.string()},
                                         {"id", subject.id},
                                         {"version", subject.version},
                                         {"ok", all_good(rows)},
                                         {"passed", passed},
                                         {"failed", rows.size() - passed - skipped},
                                         {"skipped", skipped},
                                         {"checks", std::move(checks)}};
  // A plugin's message may hold bytes that are not UTF-8.
  return report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace hn::validate
