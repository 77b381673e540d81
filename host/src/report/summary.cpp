#include "report/summary.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <hn/formats/json_file.hpp>

#include "report/divergence.hpp"

namespace hn::host {
namespace {

std::string method_text(core::NetKind kind) {
  switch (kind) {
    case core::NetKind::kHypernet: return "noise hypernetwork";
    case core::NetKind::kLowFrequency: return "low-frequency noise network";
    case core::NetKind::kConstant: return "constant noise offset";
    case core::NetKind::kFinetune: return "direct fine-tune";
    case core::NetKind::kNone: break;
  }
  return "none";
}

// "judge.counting" belongs to the reward "judge".
const Measure* owner(const std::vector<Measure>& measures, const std::string& column) {
  const std::string name = column.substr(0, column.find('.'));
  for (const Measure& measure : measures)
    if (measure.name == column || measure.name == name) return &measure;
  return nullptr;
}

nlohmann::ordered_json measures_json(const SummaryInput& input) {
  auto rows = nlohmann::ordered_json::array();
  const auto groups = prompt_groups(input.plan);
  for (const auto& [name, before] : input.before.columns) {
    const std::vector<double>* after = input.after.find(name);
    if (after == nullptr) continue;
    const Measure* measure = owner(input.measures, name);
    const bool is_score = measure != nullptr && measure->name == name;
    const bool higher = measure == nullptr || measure->higher_is_better;
    const Paired result = paired(before, *after, groups);
    rows.push_back({{"name", name},
                    {"trained", is_score && measure->trained},
                    {"weight", is_score ? measure->weight : 0.0},
                    {"higher_is_better", higher},
                    {"before", to_json(result.before)},
                    {"after", to_json(result.after)},
                    {"difference", to_json(result.difference)},
                    {"verdict", verdict_text(verdict(result.difference, higher))}});
  }
  return rows;
}

// What the noise network is and costs; null without one. A number that is not known is null.
nlohmann::ordered_json noise_network_json(const SummaryInput& input) {
  const core::NetKind kind = input.config.net.kind;
  if (!core::is_noise_net(kind)) return nullptr;
  nlohmann::ordered_json out = {{"type", core::name_of(kind)},
                                {"parameters", input.shapes.trainable},
                                {"flops", nullptr},
                                {"condition_size", input.shapes.net_condition}};
  if (input.shapes.net_flops) out["flops"] = *input.shapes.net_flops;
  if (input.net_speed) {
    out["delta_milliseconds"] = finite_or_null(input.net_speed->delta_milliseconds);
    out["picture_milliseconds"] = finite_or_null(input.net_speed->picture_milliseconds);
  }
  return out;
}

// What was said of rewards on the way, each text once, with the step where it came up.
nlohmann::ordered_json warnings_json(const std::vector<nlohmann::json>& metrics) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& row : metrics)
    if (row.contains("warnings"))
      for (const auto& text : row.at("warnings"))
        rows.push_back({{"step", row.at("step")}, {"text", text}});
  return rows;
}

nlohmann::ordered_json monitors_json(const SummaryInput& input,
                                     const std::vector<nlohmann::json>& metrics) {
  auto rows = nlohmann::ordered_json::array();
  for (const Measure& measure : input.measures) {
    if (!measure.monitor) continue;
    const Divergence d = divergence(metrics, measure.name, measure.higher_is_better);
    const auto last = [](const std::vector<double>& values) {
      return values.empty() ? nlohmann::ordered_json(nullptr) : finite_or_null(values.back());
    };
    rows.push_back({{"name", measure.name},
                    {"higher_is_better", measure.higher_is_better},
                    {"measurements", d.steps.size()},
                    {"trained_change", last(d.trained)},
                    {"monitor_change", last(d.monitored)},
                    {"gap", last(d.gap)},
                    {"verdict", d.verdict()}});
  }
  return rows;
}

// Which state of the adapter "after" is, and how it was chosen.
nlohmann::ordered_json kept_json(const SummaryInput& input,
                                 const std::vector<nlohmann::json>& metrics) {
  const auto& train = input.config.train.spec;
  nlohmann::ordered_json kept;
  kept["weights"] = input.best ? "best" : train.ema > 0 ? "average" : "last";
  kept["step"] = input.best ? input.best->step : input.step;
  if (!input.validation) return kept;
  auto objectives = nlohmann::ordered_json::array();
  for (const auto& row : metrics)
    if (row.value("kind", "") == "validation")
      objectives.push_back({{"step", row.at("step")}, {"objective", row.at("objective")}});
  kept["validation"] = {{"prompts", input.validation->prompts},
                        {"apart", input.validation->apart},
                        {"objectives", std::move(objectives)}};
  return kept;
}

// What it took to hold the training on its way.
nlohmann::ordered_json way_json(const SummaryInput& input,
                                const std::vector<nlohmann::json>& metrics) {
  std::uint64_t outliers = 0, probes = 0;
  double reg_weight = input.config.train.spec.reg_weight;
  auto returns = nlohmann::ordered_json::array();
  for (const auto& row : metrics) {
    outliers += row.contains("gradient_share") ? 1 : 0;
    probes += row.value("probes", std::uint64_t{0});
    if (row.contains("reg_weight"))
      reg_weight = std::max(reg_weight, row.at("reg_weight").get<double>());
    if (row.contains("went_back"))
      returns.push_back({{"step", row.at("step")}, {"why", row.at("went_back")}});
  }
  return {{"kl_target", input.shapes.kl_target},
          {"greatest_reg_weight", reg_weight},
          {"outlier_steps", outliers},
          {"probes", probes},
          {"returns", std::move(returns)}};
}

using Json = nlohmann::ordered_json;

// "the key NAME (a number)" where it is not there or is something else, or nothing.
std::string missing_key(const Json& object, const char* name, bool (Json::*is)() const noexcept,
                        const char* what) {
  if (object.is_object() && object.contains(name) && (object.at(name).*is)()) return "";
  return "the key " + std::string(name) + " (" + what + ")";
}

template <class Check>
std::string first_missing(std::initializer_list<std::string> of_itself, const Json& summary,
                          const Check& of_measure) {
  for (const std::string& each : of_itself)
    if (!each.empty()) return each;
  for (const Json& row : summary.at("measures"))
    if (const std::string each = of_measure(row); !each.empty()) return each + " in measures";
  return "";
}

std::string missing_of_comparison(const Json& s) {
  return first_missing(
      {missing_key(s, "measures", &Json::is_array, "a list"),
       missing_key(s, "seed", &Json::is_number, "a number"),
       missing_key(s, "method", &Json::is_string, "a text"),
       missing_key(s, "step", &Json::is_number, "a number"),
       missing_key(s, "train_seconds", &Json::is_number, "a number")},
      s, [](const Json& row) {
        const std::string name = missing_key(row, "name", &Json::is_string, "a text");
        return !name.empty()
                   ? name
                   : missing_key(row, "higher_is_better", &Json::is_boolean, "true or false");
      });
}

std::string missing_of_answer(const Json& s) {
  if (std::string each = missing_of_comparison(s); !each.empty()) return each;
  return first_missing(
      {missing_key(s, "name", &Json::is_string, "a text"),
       missing_key(s, "generator", &Json::is_string, "a text"),
       missing_key(s, "steps", &Json::is_number, "a number")},
      s, [](const Json& row) {
        for (const char* key : {"before", "after", "difference"}) {
          if (std::string each = missing_key(row, key, &Json::is_object, "an object");
              !each.empty())
            return each;
          for (const char* part : {"mean", "se", "n"})
            if (!row.at(key).contains(part)) return "the key " + std::string(part) + " of " + key;
        }
        if (!row.at("difference").at("n").is_number_unsigned())
          return std::string("the key n of difference (a number)");
        std::string trained = missing_key(row, "trained", &Json::is_boolean, "true or false");
        return !trained.empty() ? trained : missing_key(row, "verdict", &Json::is_string, "a text");
      });
}

}  // namespace

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

nlohmann::ordered_json make_summary(const SummaryInput& input,
                                    const std::vector<nlohmann::json>& metrics) {
  double seconds = 0;
  std::uint64_t rows = 0;
  std::uint64_t skipped = 0;
  for (const auto& row : metrics) {
    if (row.value("kind", "") != "train") continue;
    seconds += row.value("seconds", 0.0);
    skipped += row.contains("skipped") ? 1 : 0;
    ++rows;
  }
  const auto& train = input.config.train.spec;
  const double samples = static_cast<double>(rows) * static_cast<double>(train.batch) *
                         static_cast<double>(train.accumulation);
  nlohmann::ordered_json out;
  out["name"] = input.name;
  out["version"] = HN_VERSION;
  out["generator"] = input.config.generator;
  out["method"] = method_text(input.config.net.kind);
  out["step"] = input.step;
  out["steps"] = train.steps;
  out["seed"] = input.config.seed;
  out["trainable"] = input.shapes.trainable;
  out["noise_network"] = noise_network_json(input);
  out["measures"] = measures_json(input);
  out["unanswered"] = to_json(unanswered({&input.before, &input.after}, input.plan));
  out["kl"] = finite_or_null(input.after.kl);
  out["lipschitz"] = input.lipschitz ? finite_or_null(*input.lipschitz) : nullptr;
  out["evaluation"] = {{"prompts", input.plan.prompts.size()}, {"seeds", input.plan.seeds}};
  out["picture_prompts"] = input.picture_prompts;
  out["train_seconds"] = seconds;
  out["samples_per_second"] = seconds > 0 ? samples / seconds : 0.0;
  out["skipped_steps"] = skipped;
  if (input.config.net.kind != core::NetKind::kNone) {
    out["kept"] = kept_json(input, metrics);
    out["way"] = way_json(input, metrics);
  }
  out["monitors"] = monitors_json(input, metrics);
  out["warnings"] = warnings_json(metrics);
  out["stopped"] = input.stopped.empty() ? nlohmann::ordered_json(nullptr)
                                         : nlohmann::ordered_json(input.stopped);
  out["peak_memory_bytes"] = peak_memory_bytes();
  out["plugin_memory_bytes"] = input.shapes.used_bytes;
  out["files"] = input.files;
  return out;
}

nlohmann::ordered_json read_summary(const std::filesystem::path& file, SummaryUse use) {
  const std::string text = read_whole_file(file);
  try {
    (void)parse_json(text, file.string());  // strict; the order of keys is the other parser's
    auto summary = nlohmann::ordered_json::parse(text);
    const std::string wrong =
        use == SummaryUse::kAnswer ? missing_of_answer(summary) : missing_of_comparison(summary);
    if (!wrong.empty()) throw Error(HN_DATA_LOSS, file.string() + ": expected " + wrong);
    return summary;
  } catch (const Error& error) {
    throw Error(error.code(),
                std::string(error.what()) +
                    "; restore it from a copy, or remove it and give the run's command again, "
                    "which makes it from the checkpoint");
  }
}

}  // namespace hn::host
