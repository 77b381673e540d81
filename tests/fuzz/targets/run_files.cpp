// What a run directory's readers take: metrics, scores, the summary, event records, the differences
// of two configurations.
#include "files/event_file.hpp"
#include "fuzz/fuzz.hpp"
#include "report/metrics.hpp"
#include "report/summary.hpp"
#include "run/run_directory.hpp"
#include "scoring/scores_file.hpp"

HN_FUZZ_TARGET(run_files) {
  using namespace hn::host;
  const auto parts = hn::fuzz::parts_of(
      input, {"events", "metrics.jsonl", "scores.json", "summary.json", "config.toml"});
  const auto& folder = hn::fuzz::write_parts(parts);
  const auto has = [&](const char* name) { return parts.contains(name); };
  if (has("events")) {
    const auto records = read_event_records(parts.at("events"));
    for (const EventRecord& record : records)
      hn::fuzz::require(record.end <= parts.at("events").size(), "a record behind the end");
    hn::fuzz::read([&] { EventFile::check(folder / "events", 1); });
  }
  if (has("metrics.jsonl")) {
    std::size_t rows = 0;
    if (hn::fuzz::read([&] { rows = read_metrics(folder / "metrics.jsonl").size(); }))
      hn::fuzz::read([&] { MetricsFile::check(folder / "metrics.jsonl", rows); });
  }
  if (has("scores.json")) {
    StoredScores scores;
    if (hn::fuzz::read([&] { scores = read_scores(folder / "scores.json"); })) {
      write_scores(folder / "again.json", scores);
      static_cast<void>(read_scores(folder / "again.json"));
    }
  }
  if (has("summary.json"))
    for (const SummaryUse use : {SummaryUse::kCompare, SummaryUse::kAnswer})
      hn::fuzz::read([&] { static_cast<void>(read_summary(folder / "summary.json", use)); });
  if (has("config.toml"))
    hn::fuzz::read([&] {
      static_cast<void>(config_differences(parts.at("config.toml"), "seed = 1\n[train]\nlr = 1\n"));
    });
}
