#include "rewards_page.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "table.hpp"

namespace hn::cli {
namespace {

using nlohmann::json;

std::string text_of(const json& row, const char* key) { return row.at(key).get<std::string>(); }

std::string joined(const json& list, const std::string& before = "",
                   const std::string& after = "") {
  std::string out;
  for (const auto& each : list)
    out += (out.empty() ? "" : ", ") + before + each.get<std::string>() + after;
  return out;
}

std::string range_text(const json& row) {
  const json& range = row.at("range");
  const auto end = [&](std::size_t i, const char* open) {
    return range.at(i).is_number() ? number_cell(range.at(i)) : std::string(open);
  };
  return end(0, "-inf") + " to " + end(1, "inf");
}

std::string limit_text(const json& row) {
  const auto limit = row.at("text_limit").get<std::int64_t>();
  return limit == 0 ? "no text" : std::to_string(limit) + " tokens";
}

std::string preprocessing_text(const json& row) {
  return row.at("preprocessing").empty() ? "the picture as it is" : joined(row.at("preprocessing"));
}

std::string megabytes(const json& bytes) {
  if (!bytes.is_number()) return "";
  const double value = bytes.get<double>() / 1e6;
  return number_cell(value >= 100 ? std::round(value) : value) + " MB";
}

std::string weights_text(const json& row) {
  const json& weights = row.at("weights");
  const auto kind = text_of(weights, "kind");
  if (kind == "none") return "none";
  if (kind == "embedded") {
    double bytes = 0;
    for (const json& file : weights.at("files"))
      if (file.at("bytes").is_number()) bytes += file.at("bytes").get<double>();
    return bytes > 0 ? "embedded, " + megabytes(bytes) : "embedded";
  }
  std::string repos;
  for (const json& file : weights.at("files"))
    if (repos.find(text_of(file, "repo")) == std::string::npos)
      repos += (repos.empty() ? "" : ", ") + text_of(file, "repo");
  return "yours" + (repos.empty() ? "" : ": " + repos);
}

std::string measured_cell(const json& row, const char* key) {
  const json& measured = row.at("measured");
  return measured.is_object() && measured.contains(key) ? number_cell(measured.at(key)) : "-";
}

std::string memory_cell(const json& row) {
  const json& measured = row.at("measured");
  if (!measured.is_object() || !measured.contains("peak_memory_bytes")) return "-";
  return number_cell(std::round(measured.at("peak_memory_bytes").get<double>() / (1 << 20)));
}

std::string loss_text(const json& row) {
  const json& loss = row.at("loss");
  const auto form = text_of(loss, "form");
  return form.empty()
             ? number_cell(loss.at("target")) + " - " + number_cell(loss.at("scale")) + " * score"
             : form;
}

// '|' would end a cell of a markdown table.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return text;
}

std::string option_rows(const json& options) {
  std::string out;
  for (const json& option : options) {
    std::string what = text_of(option, "help");
    if (option.contains("choices"))
      what += " One of " + joined(option.at("choices"), "`", "`") + ".";
    out += "| `" + text_of(option, "key") + "` | " + text_of(option, "type") + " | " +
           (option.at("default").is_null() ? "" : "`" + cell(option.at("default").dump()) + "`") +
           " | " + cell(what) + " |\n";
  }
  return out;
}

std::string markdown_entry(const json& row) {
  std::string out = "\n## `" + text_of(row, "name") + "`\n";
  out += text_of(row, "plugin_summary") + "\n";
  if (row.at("summary") != row.at("plugin_summary")) out += "\n" + text_of(row, "summary") + "\n";
  out += "\n| | |\n|---|---|\n";
  const auto line = [&](const char* what, const std::string& text) {
    if (!text.empty()) out += std::string("| ") + what + " | " + cell(text) + " |\n";
  };
  line("also", joined(row.at("aliases"), "`", "`"));
  line("plugin", "`" + text_of(row, "id") + "` " + text_of(row, "version"));
  line("score", range_text(row) + ", " + text_of(row, "direction") + " is better");
  line("loss", number_cell(row.at("default_weight")) + " * (" + loss_text(row) + ")");
  line("reads", limit_text(row));
  line("preprocessing", preprocessing_text(row));
  line("gradient", row.at("differentiable").get<bool>() ? "yes" : "no: score-only");
  line("runs on", joined(row.at("devices")) + "; " + joined(row.at("dtypes")));
  line("weights", weights_text(row));
  line("licence",
       text_of(row, "licence") + (text_of(row.at("weights"), "licence").empty()
                                      ? ""
                                      : "; weights: " + text_of(row.at("weights"), "licence")));
  line("source", text_of(row.at("source"), "paper"));
  const std::string options = option_rows(row.at("options"));
  if (!options.empty()) out += "\n| option | type | default | |\n|---|---|---|---|\n" + options;
  if (!row.at("pitfalls").empty()) {
    out += "\nPitfalls:\n";
    for (const json& pitfall : row.at("pitfalls")) out += "- " + pitfall.get<std::string>() + "\n";
  }
  return out;
}

}  // namespace

std::string rewards_text(const json& catalogue) {
  std::vector<std::vector<std::string>> rows = {{"reward", "score", "better", "weight", "gradient",
                                                 "reads", "weights", "ms", "ms x8", "ms grad",
                                                 "MiB", "version"}};
  std::string notes;
  for (const json& row : catalogue.at("rewards")) {
    const auto name = text_of(row, "name");
    rows.push_back(
        {name, range_text(row), text_of(row, "direction"), number_cell(row.at("default_weight")),
         row.at("differentiable").get<bool>() ? "yes" : "no", limit_text(row),
         text_of(row.at("weights"), "kind"), measured_cell(row, "forward_ms_batch1"),
         measured_cell(row, "forward_ms_batch8"), measured_cell(row, "forward_backward_ms_batch8"),
         memory_cell(row), text_of(row, "version")});
    notes += "\n" + name;
    if (!row.at("aliases").empty()) notes += " (" + joined(row.at("aliases")) + ")";
    notes += ", " + text_of(row, "id") + "\n  " + text_of(row, "summary") +
             "\n  loss: " + loss_text(row) + "; preprocessing: " + preprocessing_text(row) +
             "\n  weights: " + weights_text(row) + "; licence: " + text_of(row, "licence") + "\n";
    for (const json& pitfall : row.at("pitfalls"))
      notes += "  ! " + pitfall.get<std::string>() + "\n";
    const json& measured = row.at("measured");
    if (measured.is_object() && measured.contains("error"))
      notes += "  not measured: " + measured.at("error").get<std::string>() + "\n";
  }
  const std::vector<bool> right = {false, true, false, true, false, true,
                                   false, true, true,  true, true,  true};
  return table_text(rows, right) +
         "\nms: a picture, forward at batch 1 and 8, forward and backward at batch 8; MiB: the "
         "most "
         "memory\nof the process; on " +
         text_of(catalogue, "machine") + " (hnhost rewards --measure)\n" + notes;
}

std::string rewards_markdown(const json& rows) {
  std::string out =
      "# The rewards\n\nGenerated from the manifests by `hnhost rewards --markdown`; a test keeps "
      "it fresh. `hnhost rewards` shows the same with\nwhat each costs on this machine, "
      "[cli.md](cli.md) how several are trained at once, and\n"
      "[writing_a_reward.md](writing_a_reward.md) how one is added.\n\n"
      "| reward | score | better | weight | gradient | reads | weights |\n"
      "|---|---|---|---|---|---|---|\n";
  std::string entries;
  for (const json& row : rows) {
    const auto name = text_of(row, "name");
    out += "| [`" + name + "`](#" + name + ") | " + range_text(row) + " | " +
           text_of(row, "direction") + " | " + number_cell(row.at("default_weight")) + " | " +
           (row.at("differentiable").get<bool>() ? "yes" : "no") + " | " + limit_text(row) + " | " +
           cell(weights_text(row)) + " |\n";
    entries += markdown_entry(row);
  }
  return out + entries;
}

}  // namespace hn::cli
