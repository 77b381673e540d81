#include "report/report.hpp"

#include <cmath>

#include "report/divergence.hpp"
#include "report/svg.hpp"

namespace hn::host {
namespace {

template <class Json>
double value_at(const Json& row, const std::string& key) {
  const auto at = row.find(key);
  return at != row.end() && at->is_number() ? at->template get<double>()
                                            : std::numeric_limits<double>::quiet_NaN();
}

// One value of every row of a kind against the step; `table` is an inner object, or empty.
Series over_steps(const std::vector<nlohmann::json>& metrics, const std::string& kind,
                  const std::string& table, const std::string& key) {
  Series series;
  series.name = key;
  for (const auto& row : metrics) {
    if (row.value("kind", "") != kind) continue;
    series.x.push_back(value_at(row, "step"));
    const bool inner = !table.empty() && row.contains(table);
    series.y.push_back(value_at(inner ? row.at(table) : row, key));
  }
  return series;
}

bool ran_in_training(const std::vector<nlohmann::json>& metrics, const std::string& name) {
  for (const auto& row : metrics)
    if (row.value("kind", "") == "train" && row.contains("rewards") &&
        row.at("rewards").contains(name))
      return true;
  return false;
}

// The trained sum and each monitor in units of their own noise, and the gap between them.
std::string monitor_section(const nlohmann::ordered_json& summary,
                            const std::vector<nlohmann::json>& metrics) {
  std::string charts, rows;
  for (const auto& monitor : summary.value("monitors", nlohmann::ordered_json::array())) {
    const auto name = monitor.at("name").get<std::string>();
    const auto verdict = monitor.at("verdict").get<std::string>();
    Divergence d = divergence(metrics, name, monitor.at("higher_is_better").get<bool>());
    rows += "<tr><td>" + escape_html(name) + "</td><td>" + std::to_string(d.steps.size()) +
            "</td><td class=\"" +
            (verdict == "diverging"  ? "worse"
             : verdict == "together" ? "better"
                                     : "dim") +
            "\">" + verdict + "</td></tr>";
    if (d.steps.empty()) continue;
    Series trained, monitored, gap;
    trained.name = "trained rewards";
    monitored.name = name + ", never trained on";
    gap.name = "divergence";
    trained.x = monitored.x = gap.x = d.steps;
    trained.y = std::move(d.trained);
    monitored.y = std::move(d.monitored);
    gap.y = std::move(d.gap);
    monitored.colour = 1;
    gap.colour = 5;
    charts += svg_chart({"Trained rewards and " + name,
                         "step",
                         "change in units of noise",
                         {std::move(trained), std::move(monitored), std::move(gap)}});
  }
  if (rows.empty()) return "";
  return "<h2>Monitors</h2><p class=\"dim\">Rewards that were never trained on. Diverging: the "
         "trained ones rose while it fell.</p><table><tr><th>monitor</th><th>measurements</th>"
         "<th>verdict</th></tr>" +
         rows + "</table><div class=\"charts\">" + charts + "</div>";
}

std::string warning_section(const nlohmann::ordered_json& summary) {
  std::string items;
  for (const auto& warning : summary.value("warnings", nlohmann::ordered_json::array()))
    items += "<li>step " + std::to_string(warning.at("step").get<std::uint64_t>()) + ": " +
             escape_html(warning.at("text").get<std::string>()) + "</li>";
  return items.empty() ? "" : "<h2>Warnings</h2><ul class=\"worse\">" + items + "</ul>";
}

std::string kept_section(const nlohmann::ordered_json& summary) {
  if (!summary.contains("kept")) return "";
  const auto& kept = summary.at("kept");
  const auto step = std::to_string(kept.at("step").get<std::uint64_t>());
  const auto weights = kept.at("weights").get<std::string>();
  if (!kept.contains("validation"))
    return "<p class=\"dim\">After: the " +
           std::string(weights == "average" ? "running average of the adapter" : "adapter") +
           " at step " + step + "; no state was chosen.</p>";
  const auto& validation = kept.at("validation");
  const auto prompts = std::to_string(validation.at("prompts").get<std::size_t>());
  std::string out = "<p class=\"dim\">After: the state of step " + step + ", the best of " +
                    std::to_string(validation.at("objectives").size()) + " on " + prompts +
                    (validation.at("apart").get<bool>()
                         ? " validation prompts, which are neither trained on nor reported here."
                         : " validation prompts, some of which are trained on or reported here, "
                           "with noise of their own.") +
                    "</p>";
  if (kept.at("step").get<std::uint64_t>() == 0)
    out +=
        "<p class=\"worse\">No trained state was better than the start, so the start was "
        "kept.</p>";
  return out;
}

std::string unanswered_section(const nlohmann::ordered_json& summary) {
  std::string out;
  for (const auto& row : summary.value("unanswered", nlohmann::ordered_json::array()))
    out += "<p class=\"worse\">" + escape_html(row.at("reward").get<std::string>()) + ": " +
           std::to_string(row.at("prompts").get<std::size_t>()) + " of " +
           std::to_string(row.at("of").get<std::size_t>()) +
           " prompts not answered, its means are over the others: " +
           escape_html(row.at("why").get<std::string>()) + "</p>";
  return out;
}

std::string reward_charts(const nlohmann::ordered_json& summary,
                          const std::vector<nlohmann::json>& metrics) {
  std::string out;
  for (const auto& row : summary.at("measures")) {
    const auto name = row.at("name").get<std::string>();
    const bool trained = row.at("trained").get<bool>();
    const bool monitor = !trained && ran_in_training(metrics, name);
    Chart chart{name + (trained   ? ""
                        : monitor ? " (monitor)"
                                  : " (measured only)"),
                "step",
                "score",
                {}};
    if (trained || ran_in_training(metrics, name)) {
      Series batch = over_steps(metrics, "train", "rewards", name);
      batch.name = "training batch";
      chart.series.push_back(std::move(batch));
    }
    Series held_out = over_steps(metrics, "eval", "means", name);
    held_out.name = "held-out prompts";
    held_out.markers = true;
    held_out.colour = 1;
    chart.series.push_back(std::move(held_out));
    out += svg_chart(chart);
  }
  return out;
}

std::string single_chart(const std::vector<nlohmann::json>& metrics, const std::string& key,
                         const std::string& title, int colour) {
  Series series = over_steps(metrics, "train", "", key);
  series.colour = colour;
  return svg_chart({title, "step", key, {std::move(series)}});
}

std::string validation_chart(const std::vector<nlohmann::json>& metrics) {
  Series series = over_steps(metrics, "validation", "", "objective");
  if (series.x.empty()) return "";
  series.colour = 1;
  series.markers = true;
  return svg_chart({"validation prompts", "step", "objective", {std::move(series)}});
}

// "12,345"
std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

// "low-frequency, 12,345 parameters, 0.1 ms a picture, 0.5 % of the picture's time"
std::string noise_network_text(const nlohmann::ordered_json& net) {
  std::string out = net.at("type").get<std::string>() + ", " +
                    grouped(net.at("parameters").get<std::uint64_t>()) + " parameters, ";
  out += net.at("flops").is_number()
             ? grouped(net.at("flops").get<std::uint64_t>()) + " floating-point operations a delta"
             : "operations a delta not known";
  const double own = value_at(net, "delta_milliseconds");
  const double picture = value_at(net, "picture_milliseconds");
  if (std::isnan(own) || std::isnan(picture)) return out;
  return out + ", " + number_text(own) + " ms a picture, " + number_text(100 * own / picture) +
         " % of the picture's time";
}

std::string facts(const nlohmann::ordered_json& summary) {
  const auto row = [](const std::string& name, const std::string& value) {
    return "<tr><td>" + escape_html(name) + "</td><td>" + escape_html(value) + "</td></tr>";
  };
  const auto number = [&](const char* key) {
    const auto& value = summary.at(key);
    return number_text(value.is_number() ? value.get<double>()
                                         : std::numeric_limits<double>::quiet_NaN());
  };
  std::string out = "<table>";
  out += row("generator", summary.at("generator").get<std::string>());
  out += row("method", summary.at("method").get<std::string>());
  out += row("trainable numbers", std::to_string(summary.at("trainable").get<std::uint64_t>()));
  if (summary.contains("noise_network") && summary.at("noise_network").is_object())
    out += row("noise network", noise_network_text(summary.at("noise_network")));
  out += row("optimiser steps", std::to_string(summary.at("step").get<std::uint64_t>()) + " of " +
                                    std::to_string(summary.at("steps").get<std::uint64_t>()));
  out += row("training",
             number("train_seconds") + " s, " + number("samples_per_second") + " samples/s");
  out += row("peak memory of the process",
             number_text(summary.at("peak_memory_bytes").get<double>() / (1 << 20)) + " MiB");
  out += row("½‖Δ‖² of a held-out sample", number("kl"));
  if (summary.at("lipschitz").is_number())
    out += row("Lipschitz constant of Δ (the paper wants it below 1)", number("lipschitz"));
  if (summary.contains("way")) {
    const auto& way = summary.at("way");
    if (way.at("kl_target").get<double>() > 0)
      out += row("target of ½‖Δ‖² and greatest KL weight",
                 number_text(way.at("kl_target").get<double>()) + ", " +
                     number_text(way.at("greatest_reg_weight").get<double>()));
    out += row("steps with an outlying gradient",
               std::to_string(way.at("outlier_steps").get<std::uint64_t>()));
    if (!way.at("returns").empty())
      out += row("returns to the kept state", std::to_string(way.at("returns").size()));
  }
  if (summary.at("skipped_steps").get<std::uint64_t>() > 0)
    out += row("skipped steps (not finite)",
               std::to_string(summary.at("skipped_steps").get<std::uint64_t>()));
  return out + "</table>";
}

}  // namespace

std::string run_report(const nlohmann::ordered_json& summary,
                       const std::vector<nlohmann::json>& metrics,
                       const std::vector<PicturePair>& pairs, const std::string& config) {
  const auto& evaluation = summary.at("evaluation");
  std::string body = "<p class=\"dim\">Means over " +
                     std::to_string(evaluation.at("prompts").get<std::size_t>()) +
                     " held-out prompts with " + std::to_string(evaluation.at("seeds").size()) +
                     " fixed noise(s) each; before and after see the same noise.</p>";
  body += kept_section(summary);
  body += measures_table(summary.at("measures")) + unanswered_section(summary);
  if (summary.contains("stopped") && summary.at("stopped").is_string())
    body += "<p class=\"worse\">Stopped early: " +
            escape_html(summary.at("stopped").get<std::string>()) + "</p>";
  body += warning_section(summary) + monitor_section(summary, metrics);
  body += "<h2>Before and after</h2>" + picture_table(pairs, "before", "after");
  body += "<h2>Curves</h2><div class=\"charts\">" + reward_charts(summary, metrics) +
          single_chart(metrics, "kl", "½‖Δ‖² of a sample", 2) +
          single_chart(metrics, "loss", "loss", 3) + validation_chart(metrics) +
          single_chart(metrics, "grad_norm", "gradient norm before clipping", 4) + "</div>";
  body += "<h2>Run</h2>" + facts(summary);
  body += "<h2>Configuration</h2><pre>" + escape_html(config) + "</pre>";
  return html_page("Run: " + summary.at("name").get<std::string>(), body);
}

}  // namespace hn::host
