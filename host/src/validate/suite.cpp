// The suite from the side of the process that asks for it: it starts the helper and collects rows.
#include "validate/suite.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "apart/helper.hpp"
#include "support/nearest.hpp"
#include "validate/check.hpp"
#include "validate/helper_row.hpp"
#include "validate/suite_helper.hpp"

namespace hn::validate {
namespace {

constexpr std::pair<Status, const char*> kNames[] = {
    {Status::kPassed, "passed"},   {Status::kFailed, "failed"},      {Status::kSkipped, "skipped"},
    {Status::kCrashed, "crashed"}, {Status::kTimedOut, "timed_out"}, {Status::kNotRun, "not_run"}};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    all.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

bool fits(const std::string& pattern, const char* name) {
  return ::fnmatch(pattern.c_str(), name, 0) == 0;
}

// The rows that a helper has told so far.
class Rows {
 public:
  Rows(const std::vector<Job>& jobs, const Plan& plan)
      : jobs_(jobs), plan_(plan), known_(jobs.size()) {
    for (const Job& job : jobs)
      rows_.push_back({job.check->name, job.function, job.check->what, Status::kPassed, "", 0});
  }
  void set(std::size_t job, Status status, std::string text, double seconds) {
    if (known_.at(job))
      throw Error(HN_DATA_LOSS, "[validate] the helper process answered check " +
                                    std::string(jobs_[job].check->name) + " twice");
    known_[job] = true;
    rows_[job].status = status;
    rows_[job].text = std::move(text);
    rows_[job].seconds = seconds;
    ++done_;
    tell(jobs_[job].check->name);
  }
  void tell(const std::string& name) const {
    if (plan_.progress) plan_.progress(name, done_, rows_.size());
  }
  bool complete() const { return done_ == rows_.size(); }
  bool loading_is_known() const { return done_ > 0; }
  // The helper is gone. Whatever a check does it does in a child, so it was the loading.
  void end_loading(Status status, const std::string& why) {
    rows_.front().status = status;
    rows_.front().text = why;
  }
  std::vector<Row> take() && { return std::move(rows_); }

 private:
  const std::vector<Job>& jobs_;
  const Plan& plan_;
  std::vector<Row> rows_;
  std::vector<bool> known_;
  std::size_t done_ = 0;
};

}  // namespace

const char* status_name(Status status) {
  for (const auto& [value, name] : kNames)
    if (value == status) return name;
  return "failed";
}

Status status_of(std::string_view name) {
  for (const auto& [value, text] : kNames)
    if (text == name) return value;
  return Status::kFailed;
}

std::span<const Check> all_checks() {
  static const std::vector<Check> all = [] {
    std::vector<Check> checks;
    for (const auto part :
         {entry_checks(), works_checks(), plugin_checks(), table_checks(), option_checks(),
          service_checks(), cond_checks(), field_checks(), slot_checks(), shape_checks(),
          forward_checks(), backward_checks(), lifetime_checks(), gradient_checks(), error_checks(),
          hint_checks(), kind_checks()})
      checks.insert(checks.end(), part.begin(), part.end());
    // A root stands before what needs it.
    const auto is_root = [](const Check& check) {
      return check.name == std::string_view(kLoads) ||
             std::string_view(check.name).ends_with(".works");
    };
    std::stable_partition(checks.begin(), checks.end(), is_root);
    return checks;
  }();
  return all;
}

std::vector<Job> jobs_of(const Subject& subject, const std::vector<std::string>& patterns) {
  const std::span<const Check> checks = all_checks();
  std::vector<std::string> names;
  for (const Check& check : checks) names.emplace_back(check.name);
  std::set<std::string> chosen = {kLoads};
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (const std::string& name : names) {
      if (!fits(pattern, name.c_str())) continue;
      chosen.insert(name);
      any = true;
    }
    if (!any)
      throw Error(HN_NOT_FOUND,
                  "[validate] no check '" + pattern + "'" + host::suggestion(pattern, names));
  }
  if (patterns.empty()) chosen.insert(names.begin(), names.end());
  // What a chosen one needs stands before it.
  for (std::size_t i = checks.size(); i-- > 0;)
    if (chosen.contains(checks[i].name))
      for (const std::string& need : words(checks[i].needs)) chosen.insert(need);

  const std::vector<std::string> functions = functions_of(subject);
  std::vector<Job> jobs;
  for (const Check& check : checks) {
    if (!chosen.contains(check.name)) continue;
    for (const std::string& function :
         check.scope == Scope::kFunction ? functions : std::vector<std::string>{""}) {
      Job job{&check, function, {}};
      for (const std::string& need : words(check.needs))
        for (std::size_t i = 0; i < jobs.size(); ++i) {
          const Job& other = jobs[i];
          const bool same = other.function.empty() ||
                            other.function == (function.empty() ? functions.front() : function);
          if (other.check->name == need && same) job.needs.push_back(i);
        }
      jobs.push_back(std::move(job));
    }
  }
  return jobs;
}

std::vector<Row> run_suite(const Subject& subject, const Plan& plan) {
  using Heard = apart::Channel::Heard;
  using Clock = std::chrono::steady_clock;
  const std::vector<Job> jobs = jobs_of(subject, plan.checks);
  Rows rows(jobs, plan);
  rows.tell("loading");
  // One thread each: pools of threads would not survive the forks, and checks run side by side.
  apart::Helper helper("suite", suite_request(subject, plan),
                       {{"OMP_NUM_THREADS", "1"}, {"MKL_NUM_THREADS", "1"}});
  const auto patience = plan.per_check + std::chrono::seconds(20);
  auto last = Clock::now();
  std::string line;
  while (!rows.complete()) {
    if (plan.cancelled && plan.cancelled())
      throw Error(HN_CANCELLED, "[validate] stopped by the user");
    const Heard heard = helper.listen(std::chrono::milliseconds(100), line);
    if (heard == Heard::kLine) {
      last = Clock::now();
      HelperRow row = read_helper_row(line, jobs.size());
      rows.set(row.job, row.status, std::move(row.text), row.seconds);
    } else if (heard == Heard::kEnd) {
      if (rows.loading_is_known()) break;  // it told why nothing else follows
      const std::string how = helper.how_it_ended();
      rows.end_loading(Status::kCrashed,
                       (how.starts_with("signal") ? "the plugin crashed when it was loaded: "
                                                  : "the plugin ended the process when it was "
                                                    "loaded: ") +
                           how);
      break;
    } else if (Clock::now() - last > patience) {
      rows.end_loading(Status::kTimedOut,
                       "did not finish within " + std::to_string(plan.per_check.count()) + " s");
      break;
    }
  }
  std::vector<Row> all = std::move(rows).take();
  // Nothing else could be said of a library that does not load.
  if (all.front().status != Status::kPassed) all.resize(1);
  return all;
}

bool all_good(const std::vector<Row>& rows) {
  return std::all_of(rows.begin(), rows.end(), [](const Row& row) {
    return row.status == Status::kPassed || row.status == Status::kSkipped;
  });
}

std::string to_json(const Subject& subject, const std::vector<Row>& rows, double seconds) {
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  const auto count = [&](Status status) {
    return std::count_if(rows.begin(), rows.end(),
                         [&](const Row& row) { return row.status == status; });
  };
  const auto passed = count(Status::kPassed), skipped = count(Status::kSkipped),
             not_run = count(Status::kNotRun);
  for (const Row& row : rows)
    checks.push_back({{"check", row.check},
                      {"function", row.function},
                      {"what", row.what},
                      {"status", status_name(row.status)},
                      {"text", row.text},
                      {"seconds", row.seconds}});
  const auto all = static_cast<std::ptrdiff_t>(rows.size());
  const nlohmann::ordered_json report = {{"bundle", subject.bundle.string()},
                                         {"id", subject.id},
                                         {"version", subject.version},
                                         {"ok", all_good(rows)},
                                         {"passed", passed},
                                         {"failed", all - passed - skipped - not_run},
                                         {"skipped", skipped},
                                         {"not_run", not_run},
                                         {"seconds", seconds},
                                         {"checks", std::move(checks)}};
  // A plugin's message may hold bytes that are not UTF-8.
  return report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string list_json() {
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  for (const Check& check : all_checks())
    checks.push_back({{"check", check.name},
                      {"what", check.what},
                      {"each_function", check.scope == Scope::kFunction},
                      {"needs", words(check.needs)}});
  return nlohmann::ordered_json{{"checks", std::move(checks)}}.dump(2);
}

}  // namespace hn::validate
