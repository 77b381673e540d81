#include "paper_tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace hn::cli {
namespace {

using nlohmann::ordered_json;

// As the judge numbers them (plugins/rewards/judge/README.md).
constexpr std::array<const char*, 6> kCategories = {"single",  "two",      "counting",
                                                    "colours", "position", "attribution"};

struct Estimate {
  double mean = std::nan(""), error = std::nan("");
};

Estimate estimate(const std::vector<double>& values) {
  double sum = 0, n = 0;
  for (const double v : values)
    if (std::isfinite(v)) sum += v, n += 1;
  if (n == 0) return {};
  Estimate out{sum / n, std::nan("")};
  double squares = 0;
  for (const double v : values)
    if (std::isfinite(v)) squares += (v - out.mean) * (v - out.mean);
  if (n > 1) out.error = std::sqrt(squares / (n - 1) / n);
  return out;
}

const std::vector<double>* find(const PaperResult& r, const std::string& column, bool after) {
  const auto at = std::find(r.columns.begin(), r.columns.end(), column);
  if (at == r.columns.end()) return nullptr;
  const auto& all = after ? r.after : r.before;
  return &all.at(static_cast<std::size_t>(at - r.columns.begin()));
}

// Of one column, over the prompts of all seeds' runs together: the mean over seeds, and the two
// variances (over prompts within a run, over seeds) added.
struct Pooled {
  Estimate value, gain;
};

Pooled pooled(const std::vector<const PaperResult*>& runs, const std::string& column) {
  std::vector<double> values, gains, value_errors, gain_errors;
  for (const PaperResult* run : runs) {
    const auto* before = find(*run, column, false);
    const auto* after = find(*run, column, true);
    if (before == nullptr || after == nullptr) continue;
    std::vector<double> differences;
    for (std::size_t i = 0; i < after->size(); ++i)
      differences.push_back((*after)[i] - (*before)[i]);
    const Estimate value = estimate(*after), gain = estimate(differences);
    values.push_back(value.mean);
    gains.push_back(gain.mean);
    value_errors.push_back(value.error);
    gain_errors.push_back(gain.error);
  }
  const auto pool = [](const std::vector<double>& means, const std::vector<double>& errors) {
    Estimate out = estimate(means);
    double within = 0;
    for (const double error : errors) within += error * error / static_cast<double>(errors.size());
    const double between = std::isfinite(out.error) ? out.error * out.error : 0;
    out.error = std::sqrt(within + between);
    return out;
  };
  return {pool(values, value_errors), pool(gains, gain_errors)};
}

std::string text(const Estimate& e, bool sign = false) {
  if (!std::isfinite(e.mean)) return "-";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, sign ? "%+.3f ± %.3f" : "%.3f ± %.3f", e.mean,
                std::isfinite(e.error) ? e.error : 0.0);
  return buffer;
}
std::string text(double value, const char* format = "%.3g") {
  if (!std::isfinite(value)) return "-";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}
std::string percent(double share) {
  return std::isfinite(share) ? text(100 * share, "%.0f %%") : "-";
}

// Rows of a group by method (and value), in the order in which they first come.
struct Row {
  std::string method;
  double value = 0;
  std::vector<const PaperResult*> runs;
};
std::vector<Row> rows_of(const std::vector<PaperResult>& results, const std::string& group) {
  std::vector<Row> rows;
  for (const PaperResult& result : results) {
    if (result.job.group != group) continue;
    auto at = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
      return row.method == result.job.method && row.value == result.job.value;
    });
    if (at == rows.end()) at = rows.insert(rows.end(), {result.job.method, result.job.value, {}});
    at->runs.push_back(&result);
  }
  return rows;
}

double mean_seconds(const Row& row) {
  double sum = 0;
  for (const PaperResult* run : row.runs) sum += run->seconds;
  return sum / static_cast<double>(row.runs.size());
}

// The judge's mean within one category.
double in_category(const Row& row, bool after, std::size_t category) {
  double sum = 0, n = 0;
  for (const PaperResult* run : row.runs) {
    const auto* judge = find(*run, "judge", after);
    if (judge == nullptr) continue;
    for (std::size_t i = 0; i < judge->size() && i < run->category.size(); ++i)
      if (run->category[i] == static_cast<double>(category) && std::isfinite((*judge)[i]))
        sum += (*judge)[i], n += 1;
  }
  return n > 0 ? sum / n : std::nan("");
}

std::string table1(const std::vector<PaperResult>& results) {
  const std::vector<Row> rows = rows_of(results, "table1");
  if (rows.empty()) return "";
  const auto starts = [&](const char* prefix) -> const Row* {
    const auto at = std::find_if(rows.begin(), rows.end(),
                                 [&](const Row& row) { return row.method.starts_with(prefix); });
    return at == rows.end() ? nullptr : &*at;
  };
  const Row* best = starts("best of ");
  const Row* reno = starts("ReNO");
  double base = 0;
  for (const Row& row : rows)
    for (const PaperResult* run : row.runs) base = std::max(base, run->base_seconds);
  std::string out =
      "## Table 1: the tiny CLIP trained or searched for, judged by what no training touches\n\n"
      "| method | CLIP | judge | ";
  for (const char* name : kCategories) out += std::string(name) + " | ";
  out += "judge's gain | of best-of-n's | of ReNO's | ms a picture | of best-of-n's time |\n|---|";
  for (std::size_t i = 0; i < kCategories.size() + 7; ++i) out += "---|";
  out += "\n| base |";
  const Row& first = rows.front();
  const auto base_of = [&](const char* column) {
    const auto* values = find(*first.runs.front(), column, false);
    return values == nullptr ? Estimate{} : estimate(*values);
  };
  out += " " + text(base_of("clip")) + " | " + text(base_of("judge")) + " |";
  for (std::size_t c = 0; c < kCategories.size(); ++c)
    out += " " + text(in_category(first, false, c), "%.2f") + " |";
  out += " | | | " + text(1000 * base) + " | |\n";
  const double best_gain = best ? pooled(best->runs, "judge").gain.mean : std::nan("");
  const double reno_gain = reno ? pooled(reno->runs, "judge").gain.mean : std::nan("");
  for (const Row& row : rows) {
    const Pooled clip = pooled(row.runs, "clip"), judge = pooled(row.runs, "judge");
    out += "| " + row.method + " | " + text(clip.value) + " | " + text(judge.value) + " |";
    for (std::size_t c = 0; c < kCategories.size(); ++c)
      out += " " + text(in_category(row, true, c), "%.2f") + " |";
    const double seconds = mean_seconds(row);
    out += " " + text(judge.gain, true) + " | " + percent(judge.gain.mean / best_gain) + " | " +
           percent(judge.gain.mean / reno_gain) + " | " + text(1000 * seconds) + " | " +
           percent(best ? seconds / mean_seconds(*best) : std::nan("")) + " |\n";
  }
  return out + "\n";
}

std::string axis_table(const std::vector<PaperResult>& results, const std::string& group,
                       const std::string& title, const std::string& axis) {
  const std::vector<Row> rows = rows_of(results, group);
  if (rows.empty()) return "";
  std::string out = "## " + title + "\n\n| " + axis +
                    " | method | CLIP before | CLIP | gain | judge before | judge | gain | "
                    "trained numbers |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    const Pooled clip = pooled(row.runs, "clip"), judge = pooled(row.runs, "judge");
    const auto before = [&](const char* column) {
      const auto* values = find(*row.runs.front(), column, false);
      return values == nullptr ? Estimate{} : estimate(*values);
    };
    out += "| " + text(row.value) + " | " + row.method + " | " + text(before("clip")) + " | " +
           text(clip.value) + " | " + text(clip.gain, true) + " | " + text(before("judge")) +
           " | " + text(judge.value) + " | " + text(judge.gain, true) + " | " +
           std::to_string(row.runs.front()->trainable) + " |\n";
  }
  return out + "\n";
}

std::string front(const std::vector<PaperResult>& results) {
  const std::vector<Row> rows = rows_of(results, "front");
  if (rows.empty()) return "";
  std::string out =
      "## Figure 4: redness against what it costs\n\nThe network over KL weights (without a KL "
      "target), the fine-tune over its steps.\n\n| method | KL weight or steps | redness | CLIP | "
      "judge | ½‖Δ‖² |\n|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    double kl = 0;
    for (const PaperResult* run : row.runs) kl += run->kl / static_cast<double>(row.runs.size());
    out += "| " + row.method + " | " + text(row.value) + " | " +
           text(pooled(row.runs, "redness").value) + " | " + text(pooled(row.runs, "clip").value) +
           " | " + text(pooled(row.runs, "judge").value) + " | " + text(kl) + " |\n";
  }
  return out + "\n";
}

// What so many looks at the generator are worth without a network.
std::string evaluations(const std::vector<PaperResult>& results) {
  for (const PaperResult& result : results) {
    if (result.job.group != "table1" || !result.job.adapter.empty() || result.best_of.empty() ||
        !result.job.method.starts_with("best of "))
      continue;
    std::string head = "| noises |", line = "|---|", row = "| gain of the weighted reward |";
    for (std::size_t n = 1; n <= result.best_of.size(); n *= 2) {
      head += " " + std::to_string(n) + " |";
      line += "---|";
      row += " " + text(result.best_of[n - 1], "%+.3f") + " |";
    }
    return "## Equal evaluations\n\nA noise network costs about one more pass of the generator: "
           "beside it stands the best of two.\n\n" +
           head + "\n" + line + "\n" + row + "\n\n";
  }
  return "";
}

}  // namespace

std::string paper_markdown(const std::vector<PaperResult>& results, const std::string& command) {
  return "# The paper in small\n\nMade by `" + command +
         "` on the embedded model emoji-sprint (64 px, one step). Values are means over held-out "
         "prompts at fixed noise; ± is one standard error, over prompts and, where there are "
         "several, over training seeds added. Times are of this machine.\n\n" +
         table1(results) +
         axis_table(results, "steps", "Table 2: the same network with more steps of the generator",
                    "steps") +
         axis_table(results, "ranks", "Ranks", "rank") + front(results) + evaluations(results);
}

ordered_json paper_json(const std::vector<PaperResult>& results) {
  auto rows = ordered_json::array();
  for (const PaperResult& r : results) {
    ordered_json row = {
        {"group", r.job.group}, {"method", r.job.method},  {"seed", r.job.seed},
        {"value", r.job.value}, {"folder", r.job.folder},  {"seconds_a_picture", r.seconds},
        {"kl", r.kl},           {"trainable", r.trainable}};
    for (std::size_t c = 0; c < r.columns.size(); ++c) {
      const Pooled found = pooled({&r}, r.columns[c]);
      row["measures"][r.columns[c]] = {
          {"after", found.value.mean}, {"gain", found.gain.mean}, {"gain_se", found.gain.error}};
    }
    rows.push_back(std::move(row));
  }
  return {{"results", std::move(rows)}};
}

}  // namespace hn::cli
