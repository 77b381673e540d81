#include "run/search_job.hpp"

#include <absl/strings/str_join.h>

#include <algorithm>
#include <chrono>
#include <hn/cpp/error.hpp>
#include <limits>
#include <numeric>
#include <optional>

#include "report/summary.hpp"
#include "run/found_folder.hpp"
#include "run/search_setup.hpp"
#include "scoring/evaluate.hpp"
#include "search/methods.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Request {
  ModelRequest model;
  std::string out_dir;
  bool overwrite = false;
};

Request parse(std::string_view text) {
  TomlTable table = TomlTable::parse(text, "search request");
  Request request;
  request.model.read(table);
  request.out_dir = table.find_str("out_dir").value_or("");
  request.overwrite = table.find_bool("overwrite").value_or(false);
  table.finish();
  if (request.out_dir.empty())
    throw Error(HN_INVALID_ARGUMENT, "[search] expected out_dir, the folder of the search");
  return request;
}

// Sums of the adapter's files by name: an adapter that was trained on is another one.
std::string adapter_sums(const fs::path& adapter) {
  if (adapter.empty()) return "";
  if (!fs::is_directory(adapter)) return sha256_file(adapter);
  std::vector<std::string> sums;
  for (const auto& entry : fs::directory_iterator(adapter))
    if (entry.is_regular_file())
      sums.push_back(cat(entry.path().filename().string(), ":", sha256_file(entry.path())));
  std::sort(sums.begin(), sums.end());
  return absl::StrJoin(sums, " ");
}

std::uint64_t mixed(std::uint64_t hash, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

// All that a plugin may read of a prompt, as one text.
std::string identity(const core::Prompt& prompt) {
  if (prompt.negative.empty() && prompt.json.empty() && !prompt.has_tensors()) return prompt.text;
  std::uint64_t hash = 14695981039346656037u;
  if (prompt.has_tensors())
    for (const core::PromptTensor& each : *prompt.tensors) {
      hash = mixed(hash, each.name.data(), each.name.size());
      hash = mixed(hash, each.tensor.shape.data(), each.tensor.shape.size() * 8);
      hash = mixed(hash, each.tensor.data.data(), each.tensor.data.size() * 4);
    }
  return cat(prompt.text, " / ", prompt.negative, " / ", prompt.json, " / ", hash);
}

// The configuration that two starts of one search must share.
std::string identity(const SearchSetup& setup) {
  RunConfig config = setup.config;
  config.search.given = true;
  std::vector<std::string> prompts;
  for (const core::Prompt& prompt : setup.prompts) prompts.push_back(identity(prompt));
  return cat(to_toml(config), "\n[input]\nsought = ", toml_value(core::OptionValue(setup.sought)),
             "\nadapter = ", toml_string(config.net.file.string()),
             "\nadapter_sums = ", toml_string(adapter_sums(config.net.file)),
             "\nprompts = ", toml_value(core::OptionValue(prompts)), "\n");
}

class Search {
 public:
  Search(Host& host, const Request& request, SearchSetup setup, const hnhost_hooks* hooks)
      : host_(host),
        setup_(std::move(setup)),
        hooks_(hooks),
        folder_(tidy(request.out_dir), identity(setup_), request.overwrite, setup_.prompts.size()) {
  }

  std::string run() {
    if (const auto done = folder_.summary()) return answer(*done);
    opened_ = open_search(host_, setup_, hooks_);
    if (search::needs_gradient(setup_.config.search.method)) require_gradients();
    auto rows = ordered_json::array();
    std::uint64_t looked = 0;
    const std::size_t count = setup_.prompts.size();
    for (std::size_t i = 0; i < count; ++i) {
      tell(i);
      std::optional<SearchedPrompt> searched = folder_.read(i);
      try {
        if (!searched) searched = search_prompt(i, looked);
      } catch (const Error& error) {
        if (error.code() != HN_CANCELLED) throw;
        stopped(i);
      }
      looked += searched->row.at("values").size();
      rows.push_back(std::move(searched->row));
    }
    tell(count);
    const ordered_json summary = summary_of(std::move(rows));
    folder_.finish(core::texts_of(setup_.prompts), summary);
    return answer(summary);
  }

 private:
  void tell(std::size_t done) const {
    if (opened_.services.progress)
      opened_.services.progress("searching", done, setup_.prompts.size());
    if (opened_.services.cancelled && opened_.services.cancelled()) stopped(done);
  }

  [[noreturn]] void stopped(std::size_t done) const {
    throw Error(HN_CANCELLED, cat("[search] stopped at prompt ", done, " of ",
                                  setup_.prompts.size(), "; the same command goes on from there"));
  }

  void require_gradients() const {
    const std::vector<std::string> without = score_only(opened_);
    if (without.empty()) return;
    throw Error(HN_UNSUPPORTED,
                cat("[search] method ", search::method_name(setup_.config.search.method),
                    " follows the reward's gradient, but ", absl::StrJoin(without, ", "),
                    without.size() == 1 ? " is" : " are",
                    " score-only; use best-of-n, threshold, random or zeroth-order"));
  }

  SearchedPrompt search_prompt(std::size_t index, std::uint64_t looked) {
    const Clock::time_point begin = Clock::now();
    const search::Problem& problem = opened_.problem;
    // What is measured for the table is not counted: the evaluations are those of the search.
    search::SessionObjective measuring(*opened_.session, problem, setup_.prompts[index], index);
    search::SessionObjective objective(*opened_.session, problem, setup_.prompts[index], index);
    const std::vector<float> start = search::start_of(measuring);
    const search::Measured before = measuring.measure(start);
    const SearchConfig& options = setup_.config.search;
    search::Found found;
    std::optional<search::Measured> after;
    if (before.why.empty()) {
      const std::int64_t most = options.method == SearchMethod::kThreshold
                                    ? search::threshold_allowance(options, index, looked)
                                    : options.n;
      found = search::search(objective, options, most);
      if (found.best > 0) after = measuring.measure(found.noise);
    } else {
      found.noise = start;
    }
    const search::Measured& result = after ? *after : before;

    SearchedPrompt searched;
    ordered_json& row = searched.row;
    row["prompt"] = setup_.prompts[index].text;
    row["start"] =
        side(before, found.values.empty() ? std::nullopt : std::optional(found.values.front()));
    row["result"] =
        side(result, found.values.empty() ? std::nullopt : std::optional(found.value()));
    row["best"] = found.best;
    row["values"] = found.values;
    row["evaluations"] = to_json(objective.evaluations());
    row["seconds"] = std::chrono::duration<double>(Clock::now() - begin).count();
    if (!before.why.empty()) row["unanswered"] = before.why;
    const std::vector<std::int64_t>& shape = opened_.session->shapes().noise;
    searched.noise = {shape, found.noise};
    searched.start = {shape, start};
    if (!objective.step_noise().empty()) {
      std::vector<std::int64_t> steps = shape;
      steps.insert(steps.begin(), opened_.session->shapes().steps - 1);
      searched.step_noise = {steps, objective.step_noise()};
    }
    folder_.write(index, searched, before.images, result.images);
    return searched;
  }

  ordered_json side(const search::Measured& measured, std::optional<double> value) const {
    return {{"value", value ? finite_or_null(*value) : ordered_json(nullptr)},
            {"scores", scores_json(opened_.problem, measured, 0)}};
  }

  ordered_json summary_of(ordered_json rows) const {
    search::Evaluations evaluations;
    double seconds = 0;
    for (const auto& row : rows) {
      evaluations.add(search::evaluations_from(row.at("evaluations")));
      seconds += row.at("seconds").get<double>();
    }
    ordered_json out;
    out["method"] = search::method_name(setup_.config.search.method);
    out["generator"] = setup_.config.generator;
    out["adapter"] = setup_.config.net.file.string();
    out["sought"] = setup_.sought;
    out["prompts"] = rows.size();
    out["measures"] = ordered_json::array();
    out["measures"].push_back(
        measure("value", rows, [](const ordered_json& side) { return side.at("value"); }));
    for (const core::RewardSpec& reward : opened_.problem.rewards)
      out["measures"].push_back(measure(reward.name, rows, [&](const ordered_json& side) {
        return side.at("scores").at(reward.name);
      }));
    out["evaluations"] = to_json(evaluations);
    out["seconds"] = seconds;
    out["peak_memory_bytes"] = peak_memory_bytes();
    out["plugin_memory_bytes"] = opened_.session->shapes().used_bytes;
    out["rows"] = std::move(rows);
    return out;
  }

  template <class Of>
  ordered_json measure(const std::string& name, const ordered_json& rows, const Of& of) const {
    std::vector<double> before, after;
    std::vector<std::size_t> group(rows.size());
    std::iota(group.begin(), group.end(), std::size_t{0});
    const auto number = [](const ordered_json& value) {
      return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
    };
    for (const auto& row : rows) {
      before.push_back(number(of(row.at("start"))));
      after.push_back(number(of(row.at("result"))));
    }
    const Paired paired = host::paired(before, after, group);
    const bool sought = name == "value" || std::find(setup_.sought.begin(), setup_.sought.end(),
                                                     name) != setup_.sought.end();
    bool higher = true;
    for (const core::RewardSpec& reward : opened_.problem.rewards)
      if (reward.name == name) higher = reward.higher_is_better;
    return {{"name", name},
            {"sought", sought},
            {"start", to_json(paired.before)},
            {"result", to_json(paired.after)},
            {"difference", to_json(paired.difference)},
            {"verdict", verdict_text(verdict(paired.difference, higher))}};
  }

  std::string answer(ordered_json summary) const {
    summary["folder"] = folder_.root().string();
    return summary.dump(2) + "\n";
  }

  Host& host_;
  SearchSetup setup_;
  const hnhost_hooks* hooks_;
  FoundFolder folder_;
  OpenedSearch opened_;
};

}  // namespace

std::string search_job(Host& host, std::string_view text, const hnhost_hooks* hooks) {
  Request request = parse(text);
  SearchSetup setup = set_up_search(host, request.model, "search", &TrainConfig::sample_prompts);
  search::check_options(setup.config.search);
  return Search(host, request, std::move(setup), hooks).run();
}

}  // namespace hn::host
