// hnhost compare: finished runs side by side on one page, or two sets of pictures pair by pair.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "compare.hpp"
#include "overlay.hpp"
#include "score_sets.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  std::vector<std::string> groups;
  std::vector<std::string> y;
  std::string x, out = "compare.html", title = "Runs side by side";
  SetFlags set;  // with a reward: two sets of pictures
};

// "label=dir,dir"; without a label the directory's name.
RunGroup parse_group(const std::string& text) {
  const std::size_t equals = text.find('=');
  RunGroup group;
  std::string list = equals == std::string::npos ? text : text.substr(equals + 1);
  group.label = equals == std::string::npos ? text : text.substr(0, equals);
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (comma != 0) group.runs.push_back(list.substr(0, comma));
    list = comma == std::string::npos ? "" : list.substr(comma + 1);
  }
  if (group.runs.empty())
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[compare] expected LABEL=DIR,DIR,... or DIR, got '" + text + "'");
  return group;
}

int compare(const Options& o, const Command& command) {
  if (!o.set.reward.rewards.empty() || !o.set.setup.config.empty())
    return compare_sets(o.set, o.groups, command);
  if (o.x.empty())
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[compare] expected --x NAME with runs, or --reward NAME with two folders of "
                     "pictures");
  std::vector<RunGroup> groups;
  for (const auto& each : o.groups) groups.push_back(parse_group(each));
  const HostHandle host(command);
  const std::string text = compare_runs(host, groups, o.x, o.y, o.out, o.title);
  if (command.json) {
    print_json(text);
  } else {
    std::cout << comparison_table(nlohmann::json::parse(text));
    std::cerr << "page: " << o.out << "\n";
  }
  return kOk;
}

}  // namespace

std::string compare_runs(const HostHandle& host, const std::vector<RunGroup>& groups,
                         const std::string& x, const std::vector<std::string>& y,
                         const std::string& out, const std::string& title) {
  std::string request =
      "out = " + toml_text(out) + "\nx = " + toml_text(x) + "\ntitle = " + toml_text(title);
  if (!y.empty()) request += "\ny = " + toml_list(y);
  for (const RunGroup& group : groups)
    request +=
        "\n[[group]]\nlabel = " + toml_text(group.label) + "\nruns = " + toml_list(group.runs);
  request += "\n";
  return answer([&](hnhost_text** text, hn_error* error) {
    return hnhost_compare(host.get(), str(request), text, error);
  });
}

std::string comparison_table(const nlohmann::json& comparison) {
  std::vector<std::vector<std::string>> rows = {
      {"run", "measure", "before", "after", "paired difference", "beyond 2 SE"}};
  for (const auto& group : comparison.at("groups")) {
    std::string label = group.at("label").get<std::string>();
    if (group.at("runs").size() > 1)
      label += ", " + std::to_string(group.at("runs").size()) + " seeds";
    for (const auto& row : group.at("measures")) {
      const auto name = row.at("name").get<std::string>();
      if (name.find('.') != std::string::npos) continue;
      rows.push_back({label, name, number_cell(row.at("before")), number_cell(row.at("after")),
                      difference_cell(row.at("difference")), row.at("verdict").get<std::string>()});
    }
  }
  return table_text(rows, {false, false, true, true, true, false});
}

void add_compare(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "compare", "Finished runs side by side on one page, or two sets of pictures pair by pair");
  verb->footer(
      "Example:\n  hnhost compare --x redness hypernetwork=runs/h0,runs/h1,runs/h2 "
      "fine-tune=runs/f0 --out compare.html\n\nRuns of one label (other seeds of the same thing) "
      "are "
      "pooled in the table. The page shows every\nmeasure over --x along the training: what the "
      "gain "
      "costs.\n\n  hnhost compare --reward clip,hps --weights hps=DIR before/ after/ --prompts "
      "prompts.csv\n\nWith --reward: two folders (or tables) of pictures, paired by name: how "
      "often "
      "B wins, with Wilson's\n95 % interval, and the paired difference.");
  add_common(*verb, command);
  verb->add_option("runs", o->groups, "LABEL=DIR,DIR,... or DIR; repeat. With --reward: A B")
      ->required();
  verb->add_option("--x", o->x, "The measure of the horizontal axis")->type_name("NAME");
  verb->add_option("--y", o->y, "Measures to draw over it; repeat [all others]")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--out", o->out, "The page [compare.html]")->type_name("FILE");
  verb->add_option("--title", o->title, "The page's title")->type_name("TEXT");
  o->set.add_to(*verb);
  verb->callback([o, &command] { command.run = [o, &command] { return compare(*o, command); }; });
}

}  // namespace hn::cli
