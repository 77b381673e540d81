// hnhost.h: sessions.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <hn/cpp/error.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "capi/arguments.hpp"
#include "capi/tensors.hpp"
#include "capi/text.hpp"
#include "config/ranges.hpp"
#include "host/hooks.hpp"
#include "host/host.hpp"
#include "support/cat.hpp"

struct hnhost_session {
  explicit hnhost_session(hnhost* opened) : use(opened), host(&opened->host) {}

  hn::host::HostUse use;  // destroyed last
  hn::host::Host* host;
  hn::host::RunConfig config;
  hn::core::SessionSpec spec;  // names and facts of the rewards, in the session's order
  std::shared_ptr<hn::host::HookSlot> hooks;
  std::unique_ptr<hn::core::Session> core;
};

namespace {

using hn::Error;
using hn::host::cat;
using hn::host::need;
using Shape = std::vector<std::int64_t>;

Shape batched(std::int64_t batch, const Shape& shape) {
  Shape all = {batch};
  all.insert(all.end(), shape.begin(), shape.end());
  return all;
}

std::vector<hn::core::Prompt> prompts_of(const char* where, const hn_str* prompts,
                                         std::uint64_t n) {
  std::vector<hn::core::Prompt> texts;
  if (n != 0) need(prompts, where, "prompts");
  for (std::uint64_t i = 0; i < n; ++i) texts.emplace_back(std::string(hn::view(prompts[i])));
  return texts;
}

void refuse_flags(const char* where, std::uint32_t flags, std::uint32_t known) {
  if ((flags & ~known) != 0)
    throw Error(HN_UNSUPPORTED, cat("[", where, "] unknown flags ", flags & ~known));
}

std::filesystem::path path_of(const char* where, hn_str path) {
  if (path.len == 0) throw Error(HN_INVALID_ARGUMENT, cat("[", where, "] the path is empty"));
  return std::string(hn::view(path));
}

nlohmann::json described(const hnhost_session& s) {
  const hn::core::Shapes& shapes = s.core->shapes();
  nlohmann::json json = {{"generator", s.config.generator},
                         {"noise", shapes.noise},
                         {"image", shapes.image},
                         {"generator_steps", shapes.steps},
                         {"trainable", shapes.trainable},
                         {"used_bytes", shapes.used_bytes},
                         {"step", s.core->step()},
                         {"steps", s.config.train.spec.steps},
                         {"config", hn::host::to_toml(s.config)}};
  json["rewards"] = nlohmann::json::array();
  for (const hn::core::RewardSpec& reward : s.spec.rewards) {
    const hn::host::RewardFacts& facts = s.host->registry().reward(reward.name).reward();
    json["rewards"].push_back({{"name", reward.name},
                               {"plugin_id", reward.plugin.id},
                               {"weight", reward.weight},
                               {"train", reward.train},
                               {"range",
                                {facts.min ? nlohmann::json(*facts.min) : nlohmann::json(),
                                 facts.max ? nlohmann::json(*facts.max) : nlohmann::json()}},
                               {"direction", facts.higher_is_better ? "higher" : "lower"}});
  }
  return json;
}

hnhost_step step_of(const hn::core::StepReport& report, std::uint64_t steps, double samples,
                    double seconds_left) {
  hnhost_step step{};
  step.struct_size = sizeof(step);
  step.flags = report.skipped ? 1u : 0u;
  step.step = report.step;
  step.steps = steps;
  step.reward = report.reward;
  step.kl = report.kl;
  step.loss = report.loss;
  step.grad_norm = report.grad_norm;
  step.lr = report.lr;
  step.samples_per_second = report.seconds > 0 ? samples / report.seconds : 0;
  step.seconds_left = seconds_left;
  step.rewards = report.rewards.data();
  step.n_rewards = report.rewards.size();
  return step;
}

void train(hnhost_session& s, std::uint64_t n) {
  const auto trained = [](const hn::core::RewardSpec& reward) { return reward.train; };
  if (std::none_of(s.spec.rewards.begin(), s.spec.rewards.end(), trained))
    throw Error(HN_INVALID_ARGUMENT, "[train] no [[reward]] with train = true");
  if (s.config.net.kind == hn::core::NetKind::kNone)
    throw Error(HN_INVALID_ARGUMENT, "[train] nothing to train: [net] kind is \"none\"");
  if (s.config.train.prompts.empty())
    throw Error(HN_INVALID_ARGUMENT, "[train] no prompts: name a file in [train] prompts");
  const std::uint64_t last = s.core->step() + n;
  const auto samples =
      static_cast<double>(s.config.train.spec.batch * s.config.train.spec.accumulation);
  double seconds = 0;
  for (std::uint64_t i = 1; i <= n; ++i) {
    const hn::core::StepReport report = s.core->train_step();
    seconds += report.seconds;
    const double left = seconds / static_cast<double>(i) * static_cast<double>(n - i);
    if (report.skipped) s.host->log(HN_LOG_WARNING, cat("step skipped: ", report.why));
    if (s.hooks->stepped(step_of(report, last, samples, left)))
      throw Error(HN_CANCELLED, cat("[train] on_step asked to stop after step ", report.step));
  }
}

void sample(hnhost_session& s, const hnhost_sample_args& args) {
  refuse_flags("sample", args.flags, HNHOST_SAMPLE_UNADAPTED);
  const hn::core::Shapes& shapes = s.core->shapes();
  hn::core::SampleRequest request;
  request.prompts = prompts_of("sample", args.prompts, args.n_prompts);
  const auto batch = static_cast<std::int64_t>(request.prompts.size());
  const Shape noise = batched(batch, shapes.noise), image = batched(batch, shapes.image);
  if (args.noise != nullptr) request.noise = hn::host::read_tensor(*args.noise, noise, "noise");
  if (args.step_noise != nullptr)
    request.step_noise =
        hn::host::read_tensor(*args.step_noise, batched(shapes.steps - 1, noise), "step_noise");
  // Outputs are checked before the work, not after it.
  if (args.images != nullptr) hn::host::check_tensor(*args.images, image, "images");
  if (args.latents != nullptr) hn::host::check_tensor(*args.latents, noise, "latents");
  if (args.delta != nullptr) hn::host::check_tensor(*args.delta, noise, "delta");
  if (batch == 0) return;
  if (args.seed > static_cast<std::uint64_t>(hn::host::kMostSeed))
    throw Error(HN_INVALID_ARGUMENT,
                cat("[sample] seed: expected 0 to ", hn::host::kMostSeed, ", got ", args.seed));
  request.seed = args.seed;
  request.batch = std::min(batch, s.config.eval.batch);
  request.adapted = (args.flags & HNHOST_SAMPLE_UNADAPTED) == 0;
  request.want_images = args.images != nullptr;
  request.want_latents = args.latents != nullptr;
  request.want_delta = args.delta != nullptr;
  const hn::core::SampleResult result = s.core->sample(request);
  if (args.images != nullptr) hn::host::write_tensor(result.images.data, *args.images);
  if (args.latents != nullptr) hn::host::write_tensor(result.latents.data, *args.latents);
  if (args.delta != nullptr) hn::host::write_tensor(result.delta.data, *args.delta);
}

void score(hnhost_session& s, const hnhost_score_args& args) {
  refuse_flags("score", args.flags, 0);
  if (args.reward >= s.spec.rewards.size())
    throw Error(HN_INVALID_ARGUMENT, cat("[score] expected reward below ", s.spec.rewards.size(),
                                         ", got ", args.reward));
  const DLTensor& images = *need(args.images, "score", "images");
  if (images.ndim != 4 || images.shape == nullptr || images.shape[0] < 0 || images.shape[1] != 3 ||
      images.shape[2] < 1 || images.shape[3] < 1)
    throw Error(HN_INVALID_ARGUMENT, "[score] expected images [B,3,H,W]");
  const Shape shape(images.shape, images.shape + 4);
  hn::core::ScoreRequest request;
  request.images = hn::host::read_tensor(images, shape, "images");
  request.prompts = prompts_of("score", args.prompts, args.n_prompts);
  if (args.n_prompts != 0 && args.n_prompts != static_cast<std::uint64_t>(shape[0]))
    throw Error(HN_INVALID_ARGUMENT,
                cat("[score] expected ", shape[0], " prompts or none, got ", args.n_prompts));
  hn::host::check_tensor(*need(args.scores, "score", "scores"), {shape[0]}, "scores");
  if (args.image_grad != nullptr) hn::host::check_tensor(*args.image_grad, shape, "image_grad");
  if (shape[0] == 0) return;
  request.reward = args.reward;
  request.batch = s.config.eval.batch;
  request.want_grad = args.image_grad != nullptr;
  const hn::core::ScoreResult result = s.core->score(request);
  hn::host::write_tensor(result.scores, *args.scores);
  if (args.image_grad != nullptr) hn::host::write_tensor(result.image_grad.data, *args.image_grad);
}

}  // namespace

extern "C" {

hn_status hnhost_session_open(hnhost* host, hn_str config, hnhost_session** out, hn_error* error) {
  return hn::guard(error, [&] {
    *need(out, "hnhost_session_open", "out") = nullptr;
    auto s = std::make_unique<hnhost_session>(need(host, "hnhost_session_open", "host"));
    s->config = s->host->configure(hn::view(config));
    s->spec = hn::host::session_spec(s->config, s->host->registry());
    s->hooks = std::make_shared<hn::host::HookSlot>();
    s->core = s->host->open_session(s->config, hn::host::make_services(*s->host, s->hooks),
                                    !s->config.train.prompts.empty());
    *out = s.release();
  });
}

void hnhost_session_close(hnhost_session* session) { delete session; }

hn_status hnhost_session_describe(hnhost_session* session, hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    *need(out, "hnhost_session_describe", "out") = nullptr;
    const nlohmann::json json = described(*need(session, "hnhost_session_describe", "session"));
    hn::host::give_text(json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace), out);
  });
}

hn_status hnhost_train(hnhost_session* session, uint64_t n, const hnhost_hooks* hooks,
                       hn_error* error) {
  return hn::guard(error, [&] {
    hnhost_session& s = *need(session, "hnhost_train", "session");
    const hn::host::HookScope scope(*s.hooks, hooks);
    train(s, n);
  });
}

hn_status hnhost_sample(hnhost_session* session, const hnhost_sample_args* args, hn_error* error) {
  return hn::guard(error, [&] {
    hnhost_session& s = *need(session, "hnhost_sample", "session");
    sample(s, hn::known_part(need(args, "hnhost_sample", "args")));
  });
}

hn_status hnhost_score(hnhost_session* session, const hnhost_score_args* args, hn_error* error) {
  return hn::guard(error, [&] {
    hnhost_session& s = *need(session, "hnhost_score", "session");
    score(s, hn::known_part(need(args, "hnhost_score", "args")));
  });
}

hn_status hnhost_adapter_save(hnhost_session* session, hn_str folder, hn_error* error) {
  return hn::guard(error, [&] {
    need(session, "hnhost_adapter_save", "session")
        ->core->save_adapter(path_of("adapter_save", folder));
  });
}

hn_status hnhost_adapter_load(hnhost_session* session, hn_str folder, hn_error* error) {
  return hn::guard(error, [&] {
    need(session, "hnhost_adapter_load", "session")
        ->core->load_adapter(path_of("adapter_load", folder));
  });
}

hn_status hnhost_checkpoint_save(hnhost_session* session, hn_str file, hn_error* error) {
  return hn::guard(error, [&] {
    need(session, "hnhost_checkpoint_save", "session")
        ->core->save_checkpoint(path_of("checkpoint_save", file));
  });
}

hn_status hnhost_checkpoint_load(hnhost_session* session, hn_str file, hn_error* error) {
  return hn::guard(error, [&] {
    need(session, "hnhost_checkpoint_load", "session")
        ->core->load_checkpoint(path_of("checkpoint_load", file));
  });
}

}  // extern "C"
