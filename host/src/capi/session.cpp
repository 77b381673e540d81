// hnhost.h: sessions.
#include "capi/session.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

namespace {

using hn::Error;
using hn::host::argument;
using hn::host::cat;
using hn::host::entry;
using hn::host::need;
using hn::host::on_session;
using hn::host::SessionCall;
using hn::host::Within;

std::filesystem::path path_of(const char* function, hn_str path) {
  const auto text = hn::host::text_of(path, function, "path");
  if (text.empty()) throw Error(HN_INVALID_ARGUMENT, cat("[", function, "] the path is empty"));
  return std::string(text);
}

nlohmann::json rewards_of(const hnhost_session& s) {
  auto rows = nlohmann::json::array();
  for (std::size_t k = 0; k < s.spec.rewards.size(); ++k) {
    const hn::core::RewardSpec& reward = s.spec.rewards[k];
    const hn::host::RewardFacts& facts = s.host->registry().reward(reward.registered).reward();
    const hn::core::RewardTraits traits = s.core->traits(k);
    // A difference of two scores has other bounds than they.
    const auto bound = [&](const std::optional<double>& of_score) {
      return of_score && !reward.relative ? nlohmann::json(*of_score) : nlohmann::json();
    };
    rows.push_back({{"name", reward.name},
                    {"plugin_id", reward.plugin.id},
                    {"weight", reward.weight},
                    {"train", reward.train},
                    {"columns", traits.columns},
                    {"reads_prompts", traits.reads_prompts},
                    {"differentiable", traits.differentiable},
                    {"range", {bound(facts.min), bound(facts.max)}},
                    {"direction", reward.higher_is_better ? "higher" : "lower"}});
  }
  return rows;
}

nlohmann::json described(const hnhost_session& s) {
  const hn::core::Shapes& shapes = s.core->shapes();
  nlohmann::json json = {{"device", s.config.device},
                         {"used_bytes", shapes.used_bytes},
                         {"rewards", rewards_of(s)},
                         {"config", hn::host::to_toml(s.config)}};
  if (s.rewards_alone) return json;
  json.update({{"generator", s.config.generator},
               {"noise", shapes.noise},
               {"image", shapes.image},
               {"generator_steps", shapes.steps},
               {"trainable", shapes.trainable},
               {"step", s.core->step()},
               {"steps", s.config.train.spec.steps}});
  return json;
}

void train(SessionCall& call, std::uint64_t n) {
  hnhost_session& s = *call;
  const auto refuse = [](const char* text, hn_status code = HN_INVALID_ARGUMENT) {
    throw Error(code, text);
  };
  if (s.rewards_alone)
    refuse("[hnhost_train] the session was opened with rewards alone", HN_UNSUPPORTED);
  const auto trained = [](const hn::core::RewardSpec& reward) { return reward.train; };
  if (std::none_of(s.spec.rewards.begin(), s.spec.rewards.end(), trained))
    refuse("[hnhost_train] no [[reward]] with train = true");
  if (s.config.net.kind == hn::core::NetKind::kNone)
    refuse("[hnhost_train] nothing to train: [net] kind is \"none\"");
  if (s.config.train.prompts.empty())
    refuse("[hnhost_train] no prompts: name a file in [train] prompts");
  const std::uint64_t last = s.core->step() + n;
  const auto samples =
      static_cast<double>(s.config.train.spec.batch * s.config.train.spec.accumulation);
  double seconds = 0;
  for (std::uint64_t i = 1; i <= n; ++i) {
    const hn::core::StepReport report = s.core->train_step();
    seconds += report.seconds;
    const double left = seconds / static_cast<double>(i) * static_cast<double>(n - i);
    if (report.skipped) s.host->log(HN_LOG_WARNING, cat("step skipped: ", report.why));
    call.leave();  // on_step may sample, score and save
    const bool stop = s.hooks->stepped(hn::host::step_of(report, last, samples, left));
    call.enter();
    if (stop)
      throw Error(HN_CANCELLED,
                  cat("[hnhost_train] on_step asked to stop after step ", report.step));
  }
}

std::unique_ptr<hnhost_session> open(hnhost* host, const hnhost_session_args& args,
                                     const char* function) {
  auto s = std::make_unique<hnhost_session>(host);
  s->rewards_alone = (args.flags & HNHOST_SESSION_REWARDS) != 0;
  const auto use = s->rewards_alone ? hn::host::ConfigUse::kRewards : hn::host::ConfigUse::kRun;
  s->config = s->host->configure(hn::host::text_of(args.config, function, "config"), use);
  s->spec = hn::host::session_spec(s->config, s->host->registry(), use);
  const hn::host::HookScope heard(*s->hooks, hn::host::known_hooks(function, args.hooks));
  hn::core::Services services = hn::host::make_services(*s->host, s->hooks);
  if (s->rewards_alone) {
    s->core = s->host->open_rewards(s->config, std::move(services), args.stream);
    return s;
  }
  // All of them: whoever takes the steps also chooses what to measure them with.
  std::vector<hn::core::Prompt> prompts;
  if (!s->config.train.prompts.empty())
    prompts = hn::host::load_prompts(s->config, s->host->registry(), s->config.train.prompts);
  s->core = s->host->open_session(s->config, std::move(services), std::move(prompts), args.stream);
  return s;
}

// A call that only needs a path.
template <class Body>
hn_status with_path(hnhost_session* session, const char* function, Within within, hn_str path,
                    hn_error* error, Body&& body) {
  return entry(error, [&] {
    on_session(session, function, within, nullptr,
               [&](SessionCall& call) { body(*(*call).core, path_of(function, path)); });
  });
}

}  // namespace

extern "C" {

hn_status hnhost_session_open(hnhost* host, const hnhost_session_args* args, hnhost_session** out,
                              hn_error* error) {
  constexpr const char* kWhere = "hnhost_session_open";
  return hn::host::giving(kWhere, out, error, [&] {
    need(host, kWhere, "host");
    *out = open(host, argument(args, kWhere, "args"), kWhere).release();
  });
}

void hnhost_session_close(hnhost_session* session) { hn::host::close_session(session); }

void hnhost_session_cancel(hnhost_session* session) {
  if (session != nullptr) session->hooks->request_stop();
}

hn_status hnhost_session_describe(hnhost_session* session, hnhost_text** out, hn_error* error) {
  constexpr const char* kWhere = "hnhost_session_describe";
  return hn::host::giving(kWhere, out, error, [&] {
    on_session(session, kWhere, Within::kSteps, nullptr, [&](SessionCall& call) {
      hn::host::give_text(hn::host::dumped(described(*call)), out);
    });
  });
}

hn_status hnhost_train(hnhost_session* session, uint64_t n, const hnhost_hooks* hooks,
                       hn_error* error) {
  return entry(error, [&] {
    on_session(session, "hnhost_train", Within::kNothing, hooks,
               [&](SessionCall& call) { train(call, n); });
  });
}

hn_status hnhost_sample(hnhost_session* session, const hnhost_sample_args* args, hn_error* error) {
  constexpr const char* kWhere = "hnhost_sample";
  return entry(error, [&] {
    const hnhost_sample_args known = argument(args, kWhere, "args");
    on_session(session, kWhere, Within::kSteps, known.hooks,
               [&](SessionCall& call) { hn::host::sample(call, known); });
  });
}

hn_status hnhost_score(hnhost_session* session, const hnhost_score_args* args, hn_error* error) {
  constexpr const char* kWhere = "hnhost_score";
  return entry(error, [&] {
    const hnhost_score_args known = argument(args, kWhere, "args");
    on_session(session, kWhere, Within::kSteps, known.hooks,
               [&](SessionCall& call) { hn::host::score(call, known); });
  });
}

hn_status hnhost_adapter_save(hnhost_session* session, hn_str folder, hn_error* error) {
  return with_path(session, "hnhost_adapter_save", Within::kSteps, folder, error,
                   [](auto& core, const auto& path) { core.save_adapter(path); });
}

hn_status hnhost_adapter_load(hnhost_session* session, hn_str folder, hn_error* error) {
  return with_path(session, "hnhost_adapter_load", Within::kNothing, folder, error,
                   [](auto& core, const auto& path) { core.load_adapter(path); });
}

hn_status hnhost_checkpoint_save(hnhost_session* session, hn_str file, hn_error* error) {
  return with_path(session, "hnhost_checkpoint_save", Within::kSteps, file, error,
                   [](auto& core, const auto& path) { core.save_checkpoint(path); });
}

hn_status hnhost_checkpoint_load(hnhost_session* session, hn_str file, hn_error* error) {
  return with_path(session, "hnhost_checkpoint_load", Within::kNothing, file, error,
                   [](auto& core, const auto& path) { core.load_checkpoint(path); });
}

}  // extern "C"
