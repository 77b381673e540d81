// hnhost paper: the paper's tables in small, on the embedded model, from ordinary runs and
// searches.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "paper_plan.hpp"
#include "paper_tables.hpp"
#include "progress.hpp"
#include "shared_options.hpp"
#include "signals.hpp"

namespace hn::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string out = "runs/paper";
  std::int64_t threads = 0;
  bool quick = false, full = false;
};

nlohmann::json read(const fs::path& file) {
  return parse_json(read_whole_file(file), file.string());
}

std::vector<double> numbers(const nlohmann::json& list) {
  std::vector<double> out;
  for (const auto& value : list)
    out.push_back(value.is_number() ? value.get<double>() : std::nan(""));
  return out;
}

class Paper {
 public:
  Paper(const HostHandle& host, const Options& o, bool quiet) : host_(host), o_(o), quiet_(quiet) {}

  void run(const std::vector<PaperJob>& jobs) {
    std::size_t done = 0;
    for (const PaperJob& job : jobs) {
      if (!quiet_)
        std::cerr << "\n== " << ++done << " of " << jobs.size() << ": " << job.folder << "\n";
      if (job.kind == PaperJob::Kind::kRun)
        results_.push_back(train(job));
      else
        results_.push_back(search(job));
    }
    share_what_is_common();
  }
  const std::vector<PaperResult>& results() const { return results_; }

 private:
  fs::path folder(const std::string& name) const { return fs::path(o_.out) / name; }
  std::string place(const PaperJob& job) const {
    return "[set]\n" + job.config + "threads = " + std::to_string(o_.threads) + "\n";
  }

  PaperResult train(const PaperJob& job) const {
    std::string config = place(job) + "run.dir = " + toml_text(folder(job.folder).string()) + "\n";
    if (!job.adapter.empty())
      config += "net.file = " + toml_text((folder(job.adapter) / "adapter").string()) + "\n";
    const auto progress = std::make_unique<Progress>("", quiet_);
    (void)answer([&](hnhost_text** out, hn_error* error) {
      return hnhost_run(host_.get(), str(config), progress->hooks(), out, error);
    });
    PaperResult result;
    result.job = job;
    const nlohmann::json summary = read(folder(job.folder) / "summary.json");
    result.kl = summary.at("kl").is_number() ? summary.at("kl").get<double>() : std::nan("");
    result.trainable = summary.at("trainable").get<std::uint64_t>();
    if (const auto& net = summary.at("noise_network"); net.is_object()) {
      result.base_seconds = net.at("picture_milliseconds").get<double>() / 1000;
      result.seconds = result.base_seconds + net.at("delta_milliseconds").get<double>() / 1000;
    }
    const nlohmann::json scores = read(folder(job.folder) / "scores.json");
    for (const auto& [name, before] : scores.at("before").at("columns").items()) {
      if (name == "judge.category") result.category = numbers(before);
      if (name.find('.') != std::string::npos) continue;
      result.columns.push_back(name);
      result.before.push_back(numbers(before));
      result.after.push_back(numbers(scores.at("after").at("columns").at(name)));
    }
    return result;
  }

  PaperResult search(const PaperJob& job) const {
    std::string request = toml_line("config", toml_text(place(job))) +
                          toml_line("out_dir", toml_text(folder(job.folder).string())) +
                          toml_line("prompts_file", toml_text("model:heldout"));
    const std::string key = "eval.count = ";
    const std::size_t at = job.config.find(key) + key.size();
    request += toml_line("count", job.config.substr(at, job.config.find('\n', at) - at));
    if (!job.adapter.empty())
      request += toml_line("adapter", toml_text(folder(job.adapter).string()));
    const auto progress = std::make_unique<Progress>("", quiet_);
    const auto found = nlohmann::json::parse(answer([&](hnhost_text** out, hn_error* error) {
      return hnhost_search(host_.get(), str(request), progress->hooks(), out, error);
    }));
    PaperResult result;
    result.job = job;
    for (const auto& row : found.at("rows")) {
      for (const auto& [name, score] : row.at("start").at("scores").items()) {
        auto column = std::find(result.columns.begin(), result.columns.end(), name);
        if (column == result.columns.end()) {
          column = result.columns.insert(column, name);
          result.before.emplace_back();
          result.after.emplace_back();
        }
        const auto k = static_cast<std::size_t>(column - result.columns.begin());
        const auto& end = row.at("result").at("scores").at(name);
        result.before[k].push_back(score.is_number() ? score.get<double>() : std::nan(""));
        result.after[k].push_back(end.is_number() ? end.get<double>() : std::nan(""));
      }
      result.seconds += row.at("seconds").get<double>();
      const std::vector<double> values = numbers(row.at("values"));
      result.best_of.resize(std::max(result.best_of.size(), values.size()));
      double best = values.empty() ? 0 : values[0];
      for (std::size_t n = 0; n < values.size(); ++n) {
        best = std::max(best, values[n]);
        result.best_of[n] += best - values[0];
      }
    }
    const auto rows = static_cast<double>(found.at("rows").size());
    result.seconds /= rows;
    for (double& gain : result.best_of) gain /= rows;
    return result;
  }

  // The prompts' categories are those of any run; a fine-tune's picture takes a plain one's time;
  // what an adapted search starts with is not the base.
  void share_what_is_common() {
    const PaperResult* run = nullptr;
    for (const PaperResult& each : results_)
      if (run == nullptr && each.base_seconds > 0) run = &each;
    if (run == nullptr) return;
    const PaperResult first = *run;
    for (PaperResult& each : results_) {
      if (each.category.empty()) each.category = first.category;
      if (each.job.kind == PaperJob::Kind::kRun && each.seconds == 0)
        each.seconds = first.base_seconds;
      if (each.job.kind != PaperJob::Kind::kSearch || each.job.adapter.empty()) continue;
      for (std::size_t k = 0; k < each.columns.size(); ++k)
        for (std::size_t c = 0; c < first.columns.size(); ++c)
          if (first.columns[c] == each.columns[k]) each.before[k] = first.before[c];
    }
  }

  const HostHandle& host_;
  const Options& o_;
  bool quiet_;
  std::vector<PaperResult> results_;
};

int paper(const Options& o, const Command& command) {
  if (o.quick == o.full)
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[paper] expected --quick (minutes) or --full (hours), got " +
                         std::string(o.quick ? "both" : "neither"));
  const HostHandle host(command);
  catch_signals();
  Paper work(host, o, command.quiet);
  work.run(paper_jobs(o.quick ? quick_paper() : full_paper()));
  const std::string name = o.quick ? "--quick" : "--full";
  const std::string markdown = paper_markdown(work.results(), "hnhost paper " + name);
  const std::string json = paper_json(work.results()).dump(2) + "\n";
  write_file_atomically(fs::path(o.out) / "paper.md", markdown);
  write_file_atomically(fs::path(o.out) / "paper.json", json);
  if (command.json)
    print_json(json);
  else
    std::cout << markdown;
  return kOk;
}

}  // namespace

void add_paper(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("paper", "The paper's tables in small, on the embedded model");
  verb->footer(
      "Examples:\n  hnhost paper --quick\n  hnhost paper --full --out runs/paper\n\nEvery training "
      "and search has a directory of its own; a stopped command goes on where it was.");
  add_common(*verb, command);
  verb->add_flag("--quick", o->quick, "One seed, a few prompts and steps: does it all run?");
  verb->add_flag("--full", o->full, "Three seeds, every held-out prompt, 50 noises a search");
  verb->add_option("--out", o->out, "Where everything goes [runs/paper]")->type_name("DIR");
  add_integer(*verb, "--threads", o->threads, kThreads, "Of the CPU; 0 = all cores");
  verb->callback([o, &command] { command.run = [o, &command] { return paper(*o, command); }; });
}

}  // namespace hn::cli
