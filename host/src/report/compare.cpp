#include "report/compare.hpp"

#include <algorithm>
#include <filesystem>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <limits>
#include <set>

#include "files/decode_image.hpp"
#include "files/pictures.hpp"
#include "report/metrics.hpp"
#include "report/report.hpp"
#include "report/summary.hpp"
#include "report/svg.hpp"
#include "scoring/evaluate.hpp"
#include "scoring/scores_file.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;

struct Run {
  fs::path folder;
  nlohmann::json summary;
  std::vector<nlohmann::json> metrics;
  std::vector<std::string> prompts;
  std::size_t seeds = 0;
  Scores before, after;
};

struct Group {
  std::string label;
  std::vector<Run> runs;
};

struct Request {
  std::string out, title, x;
  std::vector<std::string> y;
  std::vector<Group> groups;
};

Run load_run(const fs::path& folder) {
  if (!fs::exists(folder / "summary.json"))
    throw Error(HN_NOT_FOUND,
                "[compare] expected a finished run (summary.json) in " + folder.string());
  Run run;
  run.folder = folder;
  run.summary = read_summary(folder / "summary.json", SummaryUse::kCompare);
  run.metrics = read_metrics(folder / "metrics.jsonl");
  StoredScores scores = read_scores(folder / "scores.json");
  if (!scores.after)
    throw Error(HN_DATA_LOSS,
                (folder / "scores.json").string() +
                    ": expected the scores after the training, got those before alone");
  run.prompts = std::move(scores.prompts);
  run.seeds = scores.seeds.size();
  run.before = std::move(*scores.before);
  run.after = std::move(*scores.after);
  return run;
}

Request parse(std::string_view text) {
  auto table = host::TomlTable::parse(text, "compare request");
  Request request;
  request.out = table.need_str("out");
  request.title = table.find_str("title").value_or("Runs side by side");
  request.x = table.need_str("x");
  request.y = table.find_list("y").value_or(std::vector<std::string>{});
  for (auto& entry : table.find_tables("group")) {
    Group group;
    group.label = entry.need_str("label");
    for (const auto& run : entry.find_list("runs").value_or(std::vector<std::string>{}))
      group.runs.push_back(load_run(run));
    entry.finish();
    if (group.runs.empty())
      throw Error(HN_INVALID_ARGUMENT, "[compare] expected runs in the group " + group.label);
    request.groups.push_back(std::move(group));
  }
  table.finish();
  if (request.groups.empty())
    throw Error(HN_INVALID_ARGUMENT, "[compare] expected at least one [[group]], got none");
  return request;
}

std::vector<std::size_t> groups_of(const Run& run) {
  EvaluationPlan plan;
  plan.prompts.assign(run.prompts.begin(), run.prompts.end());
  plan.seeds.resize(run.seeds);
  return prompt_groups(plan);
}

bool higher_is_better(const Run& run, const std::string& name) {
  for (const auto& row : run.summary.at("measures"))
    if (row.at("name") == name) return row.at("higher_is_better").get<bool>();
  return true;
}

// One row a measure, over all runs of the group.
nlohmann::ordered_json pooled_measures(const Group& group) {
  auto rows = nlohmann::ordered_json::array();
  const Run& first = group.runs[0];
  for (const auto& [name, unused] : first.before.columns) {
    std::vector<std::vector<double>> differences;
    std::vector<double> before, after;
    bool everywhere = true;
    for (const Run& run : group.runs) {
      const auto* a = run.before.find(name);
      const auto* b = run.after.find(name);
      everywhere = everywhere && a != nullptr && b != nullptr;
      if (!everywhere) break;
      differences.push_back(group_differences(*a, *b, groups_of(run)));
      const Paired pair = paired(*a, *b, groups_of(run));
      before.push_back(pair.before.mean);
      after.push_back(pair.after.mean);
    }
    if (!everywhere) continue;
    const Mean difference = pooled(differences);
    const bool higher = higher_is_better(first, name);
    rows.push_back({{"name", name},
                    {"before", finite_or_null(mean_of(before).mean)},
                    {"after", finite_or_null(mean_of(after).mean)},
                    {"difference", to_json(difference)},
                    {"verdict", verdict_text(verdict(difference, higher))}});
  }
  return rows;
}

nlohmann::ordered_json group_json(const Group& group) {
  auto runs = nlohmann::ordered_json::array();
  for (const Run& run : group.runs) {
    runs.push_back({{"folder", run.folder.string()},
                    {"seed", run.summary.at("seed")},
                    {"method", run.summary.at("method")},
                    {"step", run.summary.at("step")},
                    {"train_seconds", run.summary.at("train_seconds")},
                    {"measures", run.summary.at("measures")}});
  }
  return {{"label", group.label}, {"runs", std::move(runs)}, {"measures", pooled_measures(group)}};
}

double number_at(const nlohmann::json& table, const std::string& key) {
  const auto at = table.find(key);
  return at != table.end() && at->is_number() ? at->get<double>()
                                              : std::numeric_limits<double>::quiet_NaN();
}

// A run's evaluations along its training; x or y "" is the step.
Series along_training(const Run& run, const std::string& x, const std::string& y) {
  Series series;
  series.markers = true;
  for (const auto& row : run.metrics) {
    if (row.value("kind", "") != "eval") continue;
    const auto value = [&](const std::string& name) {
      return name.empty() ? number_at(row, "step") : number_at(row.at("means"), name);
    };
    series.x.push_back(value(x));
    series.y.push_back(value(y));
    series.label.push_back("step " + row.at("step").dump());
  }
  return series;
}

std::string chart_of(const Request& request, const std::string& x, const std::string& y) {
  Chart chart{
      x.empty() ? y + " along the training" : y + " over " + x, x.empty() ? "step" : x, y, {}};
  int colour = 0;
  for (const Group& group : request.groups) {
    for (const Run& run : group.runs) {
      Series series = along_training(run, x, y);
      series.colour = colour;
      series.name = group.label;
      if (group.runs.size() > 1) series.name += ", seed " + run.summary.at("seed").dump();
      chart.series.push_back(std::move(series));
    }
    ++colour;
  }
  return svg_chart(chart);
}

std::string cell(const nlohmann::ordered_json& value) {
  return number_text(value.is_number() ? value.get<double>()
                                       : std::numeric_limits<double>::quiet_NaN());
}

std::string table_of(const nlohmann::ordered_json& groups) {
  std::string out =
      "<table><tr><th>run</th><th>measure</th><th>before</th><th>after</th><th>paired difference ± "
      "standard error</th><th>beyond 2 standard errors</th></tr>";
  for (const auto& group : groups) {
    const auto label = group.at("label").get<std::string>() + " (" +
                       std::to_string(group.at("runs").size()) + " seed(s))";
    for (const auto& row : group.at("measures")) {
      const auto verdict = row.at("verdict").get<std::string>();
      const auto& difference = row.at("difference");
      out += "<tr><td>" + escape_html(label) + "</td><td>" +
             escape_html(row.at("name").get<std::string>()) + "</td><td>" + cell(row.at("before")) +
             "</td><td>" + cell(row.at("after")) + "</td><td>" + cell(difference.at("mean")) +
             " ± " + cell(difference.at("se")) + "</td><td class=\"" +
             (verdict == "no clear change" ? "dim" : verdict) + "\">" + verdict + "</td></tr>";
    }
  }
  return out + "</table>";
}

std::string pictures_of(const Group& group) {
  const fs::path samples = group.runs[0].folder / "samples";
  std::vector<PicturePair> pairs;
  // By place: a run that an older version began may have its numbers in two widths.
  const auto before = numbered_pictures(samples / "before");
  const auto after = numbered_pictures(samples / "after");
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i)
    pairs.push_back({"", read_image(before[i]), read_image(after[i])});
  const auto prompts = group.runs[0].summary.value("picture_prompts", std::vector<std::string>{});
  for (std::size_t i = 0; i < std::min(pairs.size(), prompts.size()); ++i)
    pairs[i].prompt = prompts[i];
  return picture_table(pairs, "before", "after");
}

// Every measure but x that all first runs share, without a reward's further outputs.
std::vector<std::string> shared_measures(const Request& request) {
  std::vector<std::string> names;
  for (const auto& [name, unused] : request.groups[0].runs[0].before.columns) {
    const bool everywhere = std::all_of(
        request.groups.begin(), request.groups.end(),
        [&, n = name](const Group& group) { return group.runs[0].before.find(n) != nullptr; });
    if (everywhere && name != request.x && name.find('.') == std::string::npos)
      names.push_back(name);
  }
  return names;
}

void check_measures(const Request& request) {
  std::set<std::string> known;
  for (const Group& group : request.groups)
    for (const Run& run : group.runs)
      for (const auto& [name, unused] : run.before.columns) known.insert(name);
  const std::vector<std::string> list(known.begin(), known.end());
  std::vector<std::string> asked = request.y;
  asked.push_back(request.x);
  for (const std::string& name : asked)
    if (!known.contains(name))
      throw Error(HN_INVALID_ARGUMENT, "[compare] expected a measure that the runs have, got '" +
                                           name + "'" + nearest_hint(name, list));
}

}  // namespace

std::string compare_runs(std::string_view text) {
  Request request = parse(text);
  check_measures(request);
  if (request.y.empty()) request.y = shared_measures(request);
  nlohmann::ordered_json answer;
  answer["page"] = request.out;
  answer["groups"] = nlohmann::ordered_json::array();
  for (const Group& group : request.groups) answer["groups"].push_back(group_json(group));

  std::string body =
      "<p class=\"dim\">Held-out prompts with fixed noise, the same before and after. Lines follow "
      "a "
      "run's training; the large dot is its end.</p><div class=\"charts\">";
  for (const std::string& y : request.y) body += chart_of(request, request.x, y);
  body += chart_of(request, "", request.x);
  for (const std::string& y : request.y) body += chart_of(request, "", y);
  body += "</div><h2>Held-out means</h2>" + table_of(answer["groups"]);
  for (const Group& group : request.groups)
    body += "<h2>" + escape_html(group.label) + "</h2>" + pictures_of(group);
  write_file_atomically(request.out, html_page(request.title, body));
  return answer.dump(2) + "\n";
}

}  // namespace hn::host
