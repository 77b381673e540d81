#include "run/job.hpp"

#include <absl/strings/numbers.h>

#include <chrono>
#include <cmath>
#include <deque>
#include <hn/formats/atomic_file.hpp>
#include <memory>
#include <optional>

#include "files/event_file.hpp"
#include "files/pictures.hpp"
#include "host/hooks.hpp"
#include "report/metrics.hpp"
#include "report/report.hpp"
#include "report/summary.hpp"
#include "run/finished_run.hpp"
#include "run/net_speed.hpp"
#include "run/run_directory.hpp"
#include "run/validation.hpp"
#include "scoring/evaluate.hpp"
#include "scoring/scores_file.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double now_since_epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool due(std::uint64_t step, std::int64_t every) {
  return every > 0 && step % static_cast<std::uint64_t>(every) == 0;
}

// Notes in the checkpoint: how much of the files that grow belongs to it.
constexpr const char* kRowsNote = "metrics.rows";
constexpr const char* kRecordsNote = "events.records";

// The configuration that two starts of one run must share: the folder's own place is not in it, so
// a run can be moved.
std::string identity(host::RunConfig config) {
  config.run.dir.clear();
  config.run.overwrite = false;
  config.search = {};  // of another verb
  return host::to_toml(config);
}

class Job {
 public:
  Job(host::Host& host, host::RunConfig config, const hnhost_hooks* hooks)
      : host_(host),
        config_(std::move(config)),
        hooks_(known_part(hooks)),
        toml_(identity(config_)),
        directory_(config_.run.dir, toml_, config_.run.overwrite),
        services_(host::make_services(host, hooks)) {}

  std::string run();

 private:
  void open();
  void load_checkpoint();
  void report_repair(const std::vector<std::string>& wrong) const;
  void before();
  void train();
  bool after_step(const core::StepReport& report);
  bool evaluation_due(std::uint64_t step) const;
  void evaluate_on_the_way(std::uint64_t step);
  // Measures where it is due and was not done yet; keeps the best, goes back, ends.
  void validate();
  bool is_measured(std::uint64_t step) const;
  void measure(std::uint64_t step, const Scores& scores);
  void save_checkpoint();
  [[noreturn]] void cancelled();
  std::string finish();
  std::string answer(nlohmann::ordered_json summary) const;
  void progress(std::string_view what) const {
    if (services_.progress) services_.progress(what, 0, 0);
  }
  bool trains() const {  // steps are left
    return config_.net.kind != core::NetKind::kNone && session_->stopped().empty() &&
           exhausted_.empty() &&
           session_->step() < static_cast<std::uint64_t>(config_.train.spec.steps);
  }
  void require_a_step() const;
  bool wants_stop() const { return services_.cancelled && services_.cancelled(); }
  double seconds_left(double last_step);
  std::vector<Image> draw(bool adapted, core::Weights weights = core::Weights::kKept) {
    return pictures(*session_, picture_prompts_, static_cast<std::uint64_t>(plan_.seeds.at(0)),
                    plan_.batch, adapted, weights);
  }
  void event_image(std::uint64_t step, const std::string& tag, const Image& sheet);
  StoredScores stored_scores() const;

  host::Host& host_;
  host::RunConfig config_;
  hnhost_hooks hooks_;
  std::string toml_;
  RunDirectory directory_;
  core::Services services_;
  std::unique_ptr<core::Session> session_;
  std::vector<core::Prompt> picture_prompts_;
  EvaluationPlan plan_;
  TrainingPrompts prompts_;
  std::optional<Validation> validation_;
  std::vector<Measurement> measurements_;  // those in metrics.jsonl
  std::string exhausted_;                  // why the validation ended the training
  std::vector<Measure> measures_;          // of every reward, in the session's order
  std::unique_ptr<MetricsFile> metrics_;
  std::unique_ptr<EventFile> events_;
  Scores before_;
  std::vector<Image> before_pictures_;
  bool resumed_ = false;  // from a checkpoint
  std::uint64_t checkpoint_step_ = 0;
  std::deque<double> recent_seconds_;
};

std::string Job::run() {
  if (fs::exists(directory_.summary())) {
    auto summary = read_summary(directory_.summary(), SummaryUse::kAnswer);
    // Else it was given more steps and goes on.
    if (summary.at("steps").get<std::int64_t>() == config_.train.spec.steps) {
      const auto wrong = missing_or_changed(directory_, summary);
      if (wrong.empty()) return answer(std::move(summary));
      report_repair(wrong);
    }
  }
  open();
  try {
    before();
    train();
    return finish();
  } catch (const Error& error) {
    if (error.code() != HN_CANCELLED || checkpoint_step_ == session_->step()) throw;
    cancelled();
  }
}

// A finished run that lacks something is made whole again from its checkpoint, never silently.
void Job::report_repair(const std::vector<std::string>& wrong) const {
  std::string list;
  for (const std::string& each : wrong) list += (list.empty() ? "" : ", ") + each;
  const std::string what = "[run] " + directory_.root().string() + " is finished, but " + list;
  // Scores before the training are taken from this file, so it is never guessed at.
  if (fs::exists(directory_.scores()) && list.find("scores.json has") != std::string::npos)
    throw Error(HN_DATA_LOSS, what + "; restore " + directory_.scores().string() +
                                  " from a copy, or remove it and give the run's command again");
  if (config_.net.kind != core::NetKind::kNone && !fs::exists(directory_.checkpoint()))
    throw Error(HN_DATA_LOSS, what +
                                  ", and there is no checkpoint.safetensors to make it from; "
                                  "restore it from a copy, or begin anew with --overwrite");
  host_.log(HN_LOG_WARNING, what + "; it is made again from the checkpoint");
}

// Puts the directory into the state in which the checkpoint was written: what was appended behind
// it is done again, and the adapter, whose writing may have been cut off, is written again.
void Job::load_checkpoint() {
  resumed_ = fs::exists(directory_.checkpoint());
  if (resumed_) {
    try {
      session_->load_checkpoint(directory_.checkpoint());
    } catch (const Error& error) {
      if (error.code() != HN_DATA_LOSS) throw;
      throw Error(error.code(), std::string(error.what()) +
                                    "; restore it from a copy, or begin anew with --overwrite");
    }
    checkpoint_step_ = session_->step();
  }
  // Before a file is begun or cut: prompts that a reward refuses end the work.
  if (trains()) session_->prepare_training();
  const auto kept = [&](const char* key) -> std::uint64_t {
    if (!resumed_) return 0;
    const auto note = session_->notes.find(key);
    std::uint64_t number = 0;
    if (note == session_->notes.end() || !absl::SimpleAtoi(note->second, &number))
      throw Error(HN_INVALID_ARGUMENT, "[run] " + directory_.checkpoint().string() +
                                           " was not written by a run: it has no " + key);
    return number;
  };
  const std::uint64_t rows = kept(kRowsNote), records = kept(kRecordsNote);
  MetricsFile::check(directory_.metrics(), rows);
  if (config_.run.tensorboard) EventFile::check(directory_.events(), records);
  // From here on it is a run that goes on, whatever ends this process.
  fs::remove(directory_.summary());
  metrics_ = std::make_unique<MetricsFile>(directory_.metrics(), rows);
  measurements_ = Validation::rows(read_metrics(directory_.metrics()));
  if (config_.run.tensorboard) {
    if (records > 0 && !fs::exists(directory_.events()))
      host_.log(HN_LOG_WARNING, "[run] " + directory_.events().string() +
                                    " is missing and begins anew at step " +
                                    std::to_string(checkpoint_step_));
    events_ = std::make_unique<EventFile>(directory_.events(), records, now_since_epoch());
  }
  if (resumed_) session_->save_adapter(directory_.adapter());
}

void Job::open() {
  progress("loading");
  picture_prompts_ = host::load_prompts(config_, host_.registry(), config_.train.sample_prompts);
  plan_.prompts = host::load_prompts(config_, host_.registry(), config_.eval.prompts);
  if (config_.eval.count > 0 && plan_.prompts.size() > static_cast<std::size_t>(config_.eval.count))
    plan_.prompts.resize(static_cast<std::size_t>(config_.eval.count));
  plan_.seeds = config_.eval.seeds;
  plan_.batch = config_.eval.batch;
  const core::SessionSpec spec = host::session_spec(config_, host_.registry());
  for (const auto& reward : spec.rewards) {
    measures_.push_back({reward.name, reward.weight, reward.train, reward.higher_is_better,
                         !reward.train && reward.every > 0});
    plan_.rewards.push_back(reward.name);
  }
  prompts_ = training_prompts(config_, host_.registry());
  session_ = host_.open_session(config_, services_, prompts_.train);
  validation_.emplace(config_, spec, prompts_, *session_, services_);
  load_checkpoint();
}

StoredScores Job::stored_scores() const {
  if (!fs::exists(directory_.scores())) return {core::texts_of(plan_.prompts), plan_.seeds, {}, {}};
  StoredScores stored = read_scores(directory_.scores());
  if (stored.prompts != core::texts_of(plan_.prompts) || stored.seeds != plan_.seeds)
    throw Error(HN_INVALID_ARGUMENT,
                "[run] " + directory_.scores().string() +
                    " has the scores of other prompts or seeds than the run is evaluated with "
                    "now; give the prompts as they were, or begin anew with --overwrite");
  return stored;
}

void Job::before() {
  const auto stored = load_pictures(directory_.samples() / "before", picture_prompts_.size());
  if (stored) {
    before_pictures_ = *stored;
  } else {
    progress("sampling before");
    before_pictures_ = draw(/*adapted=*/false);
    save_pictures(directory_.samples() / "before", before_pictures_);
  }
  const Image sheet = contact_sheet(before_pictures_);
  write_png(directory_.samples() / "before.png", sheet);
  StoredScores scores = stored_scores();
  if (!scores.before) {
    scores.before = evaluate(*session_, services_, plan_, /*adapted=*/false, "scoring before");
    write_scores(directory_.scores(), scores);
    for (const Unanswered& each : unanswered({&*scores.before}, plan_))
      host_.log(HN_LOG_WARNING, each.text());
  }
  before_ = *scores.before;
  if (resumed_) return;
  event_image(0, "samples", sheet);
  measure(0, before_);
}

void Job::event_image(std::uint64_t step, const std::string& tag, const Image& sheet) {
  if (events_ == nullptr) return;
  events_->image(step, now_since_epoch(), tag, encode_png(sheet), sheet.width, sheet.height);
}

bool Job::is_measured(std::uint64_t step) const {
  for (const auto& row : read_metrics(directory_.metrics()))
    if (row.value("kind", "") == "eval" && row.at("step").get<std::uint64_t>() == step) return true;
  return false;
}

// Means of one evaluation as a row; a step that has one already (a guard stopped the run right
// after it) keeps it.
void Job::measure(std::uint64_t step, const Scores& scores) {
  if (is_measured(step)) return;
  nlohmann::ordered_json means;
  Scalars scalars;
  for (const auto& [name, values] : scores.columns) {
    const double mean = mean_of(values).mean;
    means[name] = finite_or_null(mean);
    if (std::isfinite(mean)) scalars.emplace_back("eval/" + name, mean);
  }
  scalars.emplace_back("eval/kl", scores.kl);
  nlohmann::ordered_json row = {
      {"step", step}, {"kind", "eval"}, {"means", means}, {"kl", finite_or_null(scores.kl)}};
  for (const auto& [reward, samples] : scores.missing) row["missing"][reward] = samples.size();
  metrics_->append(row);
  if (events_) events_->scalars(step, now_since_epoch(), scalars);
}

double Job::seconds_left(double last_step) {
  recent_seconds_.push_back(last_step);
  if (recent_seconds_.size() > 20) recent_seconds_.pop_front();
  double sum = 0;
  for (const double seconds : recent_seconds_) sum += seconds;
  const auto left =
      static_cast<double>(config_.train.spec.steps) - static_cast<double>(session_->step());
  return left * sum / static_cast<double>(recent_seconds_.size());
}

// Writes the step's row and tells the caller; true: the caller asks to stop.
bool Job::after_step(const core::StepReport& report) {
  nlohmann::ordered_json rewards;
  Scalars scalars = {{"train/reward", report.reward}, {"train/kl", report.kl},
                     {"train/loss", report.loss},     {"train/grad_norm", report.grad_norm},
                     {"train/lr", report.lr},         {"train/delta_rms", report.delta_rms}};
  for (std::size_t k = 0; k < report.rewards.size(); ++k) {
    // What did not run in this step has no number; a skipped step says so for all.
    const bool ran = std::isfinite(report.rewards[k]);
    if (k >= measures_.size() || (!ran && !(report.skipped && measures_[k].trained))) continue;
    rewards[measures_[k].name] = finite_or_null(report.rewards[k]);
    scalars.emplace_back("train/" + measures_[k].name, report.rewards[k]);
  }
  nlohmann::ordered_json row = {{"step", report.step},
                                {"kind", "train"},
                                {"reward", finite_or_null(report.reward)},
                                {"rewards", rewards},
                                {"kl", finite_or_null(report.kl)},
                                {"delta_rms", finite_or_null(report.delta_rms)},
                                {"loss", finite_or_null(report.loss)},
                                {"grad_norm", finite_or_null(report.grad_norm)},
                                {"lr", report.lr},
                                {"seconds", report.seconds}};
  if (report.reg_weight != config_.train.spec.reg_weight) row["reg_weight"] = report.reg_weight;
  if (report.gradient_share != 1) row["gradient_share"] = report.gradient_share;
  if (report.probes > 0) row["probes"] = report.probes;
  if (!report.went_back.empty()) row["went_back"] = report.went_back;
  if (report.reward_factor != 1) row["reward_factor"] = report.reward_factor;
  if (!report.warnings.empty()) row["warnings"] = report.warnings;
  if (report.skipped) {
    row["skipped"] = report.why;
    host_.log(HN_LOG_WARNING, "step " + std::to_string(report.step) + " skipped: " + report.why);
  }
  metrics_->append(row);
  if (events_) events_->scalars(report.step, now_since_epoch(), scalars);
  if (hooks_.on_step == nullptr) return false;
  const auto& spec = config_.train.spec;
  const double samples = static_cast<double>(spec.batch) * static_cast<double>(spec.accumulation);
  const hnhost_step step = step_of(report, static_cast<std::uint64_t>(spec.steps), samples,
                                   seconds_left(report.seconds));
  return hooks_.on_step(hooks_.ctx, &step) != 0;
}

void Job::save_checkpoint() {
  // Rows first: a checkpoint without its metrics would leave a hole in the curves.
  metrics_->sync();
  if (events_) events_->sync();
  session_->notes[kRowsNote] = std::to_string(metrics_->rows());
  session_->notes[kRecordsNote] = std::to_string(events_ ? events_->records() : 0);
  session_->save_checkpoint(directory_.checkpoint());
  session_->save_adapter(directory_.adapter());
  checkpoint_step_ = session_->step();
}

void Job::cancelled() {
  save_checkpoint();
  throw Error(HN_CANCELLED, "[run] stopped at step " + std::to_string(session_->step()) + " of " +
                                std::to_string(config_.train.spec.steps) +
                                "; the checkpoint is in " + directory_.root().string() +
                                " and the same command goes on from there");
}

bool Job::evaluation_due(std::uint64_t step) const {
  return step > 0 && step < static_cast<std::uint64_t>(config_.train.spec.steps) &&
         due(step, config_.train.sample_every);
}

void Job::evaluate_on_the_way(std::uint64_t step) {
  EvaluationPlan plan = plan_;
  plan.seeds.resize(1);
  plan.weights = core::Weights::kAverage;
  const Image sheet = contact_sheet(draw(/*adapted=*/true, core::Weights::kAverage));
  const Scores scores = evaluate(*session_, services_, plan, /*adapted=*/true, "scoring");
  // All at once: a stop before here leaves nothing of it, and the next start does it all.
  write_png(directory_.samples() / step_name(step), sheet);
  event_image(step, "samples", sheet);
  measure(step, scores);
}

void Job::validate() {
  std::vector<Measurement>& rows = measurements_;
  const std::uint64_t step = session_->step();
  if (validation_->due(step) && (rows.empty() || rows.back().step < step)) {
    rows.push_back(validation_->measure(step));
    const std::string lost = Validation::lost(rows);
    auto row = Validation::row(rows.back());
    if (!lost.empty()) row["went_back"] = lost;
    metrics_->append(row);
    if (events_)
      events_->scalars(
          step, now_since_epoch(),
          {{"validation/objective", rows.back().objective}, {"validation/kl", rows.back().kl}});
    if (validation_->is_best(rows)) session_->keep_best(rows.back().objective);
    if (!lost.empty()) session_->go_back(lost);
  }
  exhausted_ = validation_->exhausted(rows);
}

void Job::train() {
  const auto steps = static_cast<std::uint64_t>(config_.train.spec.steps);
  const auto rows = metrics_->rows();
  if (config_.net.kind != core::NetKind::kNone && steps > 0) validate();
  // A stop in the middle of an evaluation leaves a checkpoint without it.
  if (evaluation_due(session_->step()) && !is_measured(session_->step()))
    evaluate_on_the_way(session_->step());
  // After the last step no other checkpoint follows, and this one lacks what was just measured.
  if (resumed_ && !trains() && metrics_->rows() != rows) save_checkpoint();
  while (trains()) {
    if (wants_stop()) cancelled();
    const bool stop = after_step(session_->train_step());
    const std::uint64_t step = session_->step();
    validate();
    if (evaluation_due(step)) evaluate_on_the_way(step);
    if (stop) cancelled();
    if (!trains() || due(step, config_.train.checkpoint_every)) save_checkpoint();
  }
}

// A run whose every step was skipped trained nothing, and is no success.
void Job::require_a_step() const {
  std::size_t steps = 0;
  std::string why;
  for (const auto& row : read_metrics(directory_.metrics())) {
    if (row.value("kind", "") != "train") continue;
    if (!row.contains("skipped")) return;
    ++steps;
    why = row.at("skipped").get<std::string>();
  }
  if (steps > 0)
    throw Error(HN_DATA_LOSS, "[run] nothing was trained: each of the " + std::to_string(steps) +
                                  " steps was skipped, the last one for " + why);
}

std::string Job::finish() {
  require_a_step();
  progress("sampling after");
  const std::vector<Image> after_pictures = draw(/*adapted=*/true);
  save_pictures(directory_.samples() / "after", after_pictures);
  const Image sheet = contact_sheet(after_pictures);
  write_png(directory_.samples() / "after.png", sheet);
  event_image(session_->step(), "samples", sheet);
  const Scores after = evaluate(*session_, services_, plan_, /*adapted=*/true, "scoring after");
  StoredScores scores = stored_scores();
  scores.after = after;
  write_scores(directory_.scores(), scores);
  measure(session_->step(), after);

  SummaryInput input{config_,          measures_,   plan_, before_, after, session_->shapes(),
                     session_->step(), std::nullopt};
  input.name = directory_.root().filename().string();
  input.picture_prompts = core::texts_of(picture_prompts_);
  input.stopped = session_->stopped().empty() ? exhausted_ : session_->stopped();
  input.best = session_->best();
  if (validation_->on())
    input.validation = ValidationFacts{prompts_.validation.size(), prompts_.apart};
  if (core::is_noise_net(config_.net.kind)) {
    progress("measuring the noise network");
    const std::size_t n = std::min<std::size_t>(4, picture_prompts_.size());
    const std::vector<core::Prompt> few(picture_prompts_.begin(),
                                        picture_prompts_.begin() + static_cast<std::ptrdiff_t>(n));
    if (n > 0) input.net_speed = measure_net(*session_, few);
    double largest = 0;
    for (const double each : session_->lipschitz(few, config_.seed, 8))
      if (!std::isnan(largest) && !(each <= largest)) largest = each;  // a NaN stays
    input.lipschitz = largest;
  }
  metrics_->sync();
  if (events_) events_->sync();
  const auto metrics = read_metrics(directory_.metrics());
  input.files = file_sums(directory_);
  const nlohmann::ordered_json summary = make_summary(input, metrics);
  std::vector<PicturePair> pairs;
  for (std::size_t i = 0; i < after_pictures.size(); ++i)
    pairs.push_back({picture_prompts_[i].text, before_pictures_[i], after_pictures[i]});
  write_file_atomically(directory_.report(), run_report(summary, metrics, pairs, toml_));
  // Last: its presence says that the run is complete.
  write_file_atomically(directory_.summary(), summary.dump(2) + "\n");
  return answer(summary);
}

// What the caller gets: the file's contents and where they are, which the file itself does not say,
// since a run may be moved.
std::string Job::answer(nlohmann::ordered_json summary) const {
  summary["folder"] = directory_.root().string();
  return summary.dump(2) + "\n";
}

}  // namespace

std::string run_job(host::Host& host, std::string_view config, const hnhost_hooks* hooks) {
  host::RunConfig resolved = host.configure(config);
  if (resolved.run.dir.empty())
    throw Error(HN_INVALID_ARGUMENT, "[run] expected run.dir, the folder of the run");
  return Job(host, std::move(resolved), hooks).run();
}

}  // namespace hn::host
