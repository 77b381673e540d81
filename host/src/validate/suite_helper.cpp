#include "validate/suite_helper.hpp"

#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/host.hpp"
#include "loader/library.hpp"
#include "validate/check.hpp"
#include "validate/children.hpp"

namespace hn::validate {
namespace {

using Json = nlohmann::json;

Json options_json(const core::Options& options) {
  Json all = Json::object();
  for (const auto& [key, value] : options)
    all[key] = std::visit([](const auto& v) { return Json(v); }, value);
  return all;
}

core::Options options_of(const Json& all) {
  core::Options options;
  for (const auto& [key, value] : all.items()) {
    if (value.is_boolean())
      options[key] = value.get<bool>();
    else if (value.is_number_integer())
      options[key] = value.get<std::int64_t>();
    else if (value.is_number_float())
      options[key] = value.get<double>();
    else if (value.is_string())
      options[key] = value.get<std::string>();
    else
      options[key] = value.get<std::vector<std::string>>();
  }
  return options;
}

Subject subject_of(const Json& said) {
  Subject s;
  s.bundle = said.at("bundle").get<std::string>();
  s.library = said.at("library").get<std::string>();
  s.id = said.at("id");
  s.version = said.at("version");
  s.kind = said.at("kind");
  s.functions = said.at("functions").get<std::vector<std::string>>();
  s.libtorch = said.at("libtorch");
  s.weights = said.at("weights");
  s.manifest_problem = said.at("manifest_problem");
  s.option_keys = said.at("option_keys").get<std::vector<std::string>>();
  s.options = options_of(said.at("options"));
  s.bare = said.at("bare");
  s.core_file = said.at("core_file").get<std::string>();
  s.core_libtorch = said.at("core_libtorch");
  return s;
}

int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::clamp(CPU_COUNT(&set), 1, 16);
}

Outcome run_one(const Check& check, Context context) {
  // A check judges by exceptions; what a destructor of the probe meets in the plugin is a crash and
  // seen as one.
  try {
    const std::string reason = check.skip_reason == nullptr ? "" : check.skip_reason(context);
    if (!reason.empty()) return {Status::kSkipped, reason};
    check.run(context);
    return {Status::kPassed, ""};
  } catch (const Skip& e) {
    return {Status::kSkipped, e.what()};
  } catch (const Note& e) {
    return {Status::kPassed, e.what()};
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

const hn_plugin_v1* open_bare(const Subject& subject) {
  void* handle = ::dlopen(subject.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw Error(HN_NOT_FOUND, ::dlerror());
  const void* entry = ::dlsym(handle, HN_PLUGIN_ENTRY_V1);
  if (entry == nullptr) throw Error(HN_INVALID_ARGUMENT, "it exports no " HN_PLUGIN_ENTRY_V1);
  return static_cast<const hn_plugin_v1*>(entry);
}

class Suite {
 public:
  Suite(const Json& said, apart::Channel& channel)
      : subject_(subject_of(said.at("subject"))),
        jobs_(jobs_of(subject_, said.at("checks").get<std::vector<std::string>>())),
        limit_(said.at("seconds").get<std::int64_t>()),
        at_once_(said.at("side_by_side").get<int>()),
        channel_(channel),
        children_(channel.socket()),
        states_(jobs_.size(), State::kWaiting) {
    if (at_once_ <= 0) at_once_ = cores();
  }

  void run() {
    if (!load()) return;
    while (left_ > 0) {
      start_what_can();
      if (left_ == 0) return;
      const auto finished = children_.wait();
      if (finished.empty()) return;  // nobody listens
      for (const auto& [job, outcome] : finished)
        tell(job, outcome.status, outcome.text, outcome.seconds);
    }
  }

 private:
  enum class State { kWaiting, kRunning, kGood, kBad };

  bool load() {
    const auto began = std::chrono::steady_clock::now();
    const std::size_t before = thread_names().size();
    std::string problem;
    try {
      if (subject_.bare) {
        entry_ = open_bare(subject_);
      } else {
        host::HostOptions options;
        options.core_file = subject_.core_file;
        options.core_libtorch = subject_.core_libtorch;
        host_.emplace(std::move(options));
        // Known by its path: the search path says nothing of the bundle that was meant.
        const host::Manifest& manifest =
            *host_->registry().find((subject_.bundle / "").string()).plugin;
        const bool own = manifest.libtorch == "none" || manifest.libtorch == host_->core_libtorch();
        if (own && manifest.libtorch != "none") host_->core();
        before_plugin_ = thread_names().size();
        // With another LibTorch it will run in a process of its own, as it does here.
        entry_ = own ? host_->open_plugin(manifest, {core::Isolation::kNone}).entry
                     : host::open_plugin_alone(manifest).entry;
      }
    } catch (const std::exception& e) {
      problem = e.what();
    }
    const std::size_t started = thread_names().size() - std::max(before, before_plugin_);
    if (problem.empty() && thread_names().size() > std::max(before, before_plugin_))
      problem = "loading it started " + std::to_string(started) +
                " threads: a library waits for create before it does anything";
    tell(0, problem.empty() ? Status::kPassed : Status::kFailed, problem,
         std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    return problem.empty();
  }

  void start_what_can() {
    for (std::size_t i = 0;
         i < jobs_.size() && children_.running() < static_cast<std::size_t>(at_once_); ++i) {
      if (states_[i] != State::kWaiting) continue;
      const Job& job = jobs_[i];
      bool wait = false;
      const Job* missing = nullptr;
      for (const std::size_t need : job.needs) {
        wait = wait || states_[need] == State::kWaiting || states_[need] == State::kRunning;
        if (states_[need] == State::kBad && missing == nullptr) missing = &jobs_[need];
      }
      if (missing != nullptr) {
        tell(i, Status::kNotRun, "not run: needs " + root_of(*missing), 0);
        continue;
      }
      if (wait) continue;
      states_[i] = State::kRunning;
      children_.start(i, limit_,
                      [&] { return run_one(*job.check, Context(subject_, job.function, entry_)); });
    }
  }

  // The failure at the bottom of one that was not run for another's sake.
  std::string root_of(const Job& job) const {
    for (const std::size_t need : job.needs)
      if (states_[need] == State::kBad) return root_of(jobs_[need]);
    return job.function.empty() ? job.check->name : job.check->name + (" " + job.function);
  }

  void tell(std::size_t job, Status status, const std::string& text, double seconds) {
    states_[job] =
        status == Status::kPassed || status == Status::kSkipped ? State::kGood : State::kBad;
    --left_;
    channel_.say(
        Json{{"job", job}, {"status", status_name(status)}, {"text", text}, {"seconds", seconds}}
            .dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  Subject subject_;
  std::vector<Job> jobs_;
  std::chrono::seconds limit_;
  int at_once_;
  apart::Channel& channel_;
  Children children_;
  std::vector<State> states_;
  std::size_t left_ = jobs_.size();
  std::optional<host::Host> host_;
  const hn_plugin_v1* entry_ = nullptr;
  std::size_t before_plugin_ = 0;
};

}  // namespace

std::string suite_request(const Subject& s, const Plan& plan) {
  const Json subject = {{"bundle", s.bundle.string()},
                        {"library", s.library.string()},
                        {"id", s.id},
                        {"version", s.version},
                        {"kind", s.kind},
                        {"functions", s.functions},
                        {"libtorch", s.libtorch},
                        {"weights", s.weights},
                        {"manifest_problem", s.manifest_problem},
                        {"option_keys", s.option_keys},
                        {"options", options_json(s.options)},
                        {"bare", s.bare},
                        {"core_file", s.core_file.string()},
                        {"core_libtorch", s.core_libtorch}};
  return Json{{"subject", subject},
              {"checks", plan.checks},
              {"seconds", plan.per_check.count()},
              {"side_by_side", plan.side_by_side}}
      .dump();
}

void serve_suite(std::string_view request, apart::Channel& channel) {
  Suite(Json::parse(request), channel).run();
}

}  // namespace hn::validate
