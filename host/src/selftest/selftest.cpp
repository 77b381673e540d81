#include "selftest/selftest.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/ranges.hpp"
#include "files/decode_image.hpp"
#include "selftest/checks.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"
#include "support/toml_table.hpp"

namespace hn::selftest {
namespace {

using host::cat;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Request {
  std::vector<std::string> rewards;
  std::map<std::string, std::string> weights;  // by the name that the user gave
  std::string images, device = "cpu";
  std::int64_t threads = 0;
};

Request parse(std::string_view text) {
  auto table = host::TomlTable::parse(text, "selftest request");
  Request request;
  request.rewards = table.find_list("rewards").value_or(std::vector<std::string>{});
  for (const auto& each : table.find_list("weights").value_or(std::vector<std::string>{})) {
    const auto equals = each.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == each.size())
      throw Error(HN_INVALID_ARGUMENT, cat("[selftest] weights: expected NAME=PATH, got ", each));
    request.weights[each.substr(0, equals)] = each.substr(equals + 1);
  }
  request.images = table.find_str("images").value_or("");
  request.device = table.find_str("device").value_or("cpu");
  request.threads = table.find_i64("threads", 0, host::kMostThreads).value_or(0);
  table.finish();
  std::error_code ignored;
  if (!request.images.empty() && !fs::is_directory(request.images, ignored))
    throw Error(HN_NOT_FOUND, cat("[selftest] images: ", request.images, " is no folder"));
  return request;
}

// One reward to test: a model of a plugin, or a plugin without models.
struct Target {
  std::string name;
  host::Choice choice;
  bool named = false;  // by the user, by its name or by weights for it
  std::string weights;
};

bool same(const host::Choice& a, const host::Choice& b) {
  return a.plugin == b.plugin && a.model == b.model;
}

std::vector<Target> targets_of(const Request& request, const host::Registry& registry) {
  std::vector<Target> targets;
  for (const std::string& name : request.rewards)
    targets.push_back({name, registry.reward(name), true, {}});
  if (request.rewards.empty())
    for (const host::BundleRow& row : registry.rows()) {
      if (row.status != "ok" || row.manifest->kind != host::PluginKind::kReward) continue;
      if (row.manifest->models.empty())
        targets.push_back({row.manifest->name, registry.reward(row.manifest->name), false, {}});
      for (const host::ModelSpec& model : row.manifest->models)
        targets.push_back({model.name, registry.reward(model.name), false, {}});
    }
  for (const auto& [name, path] : request.weights) {
    const host::Choice choice = registry.reward(name);
    const auto found = std::find_if(targets.begin(), targets.end(), [&](const Target& target) {
      return same(target.choice, choice);
    });
    if (found == targets.end())
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[selftest] weights: ", name, " is not among the rewards to test"));
    found->weights = host::tidy(path).string();
    found->named = true;
  }
  return targets;
}

bool holds_for(const std::string& model, const host::Choice& choice) {
  return model.empty() || (choice.model != nullptr && choice.model->name == model);
}

std::string options_text(const core::Options& options) {
  std::string text;
  for (const auto& [key, value] : options)
    text += cat(text.empty() ? "" : ", ", host::toml_key(key), " = ", host::toml_value(value));
  return "{" + text + "}";
}

// A session of this reward alone.
class Opener {
 public:
  Opener(host::Host& host, const Request& request, const hnhost_hooks* hooks)
      : host_(host), request_(request), hooks_(hooks) {}

  std::unique_ptr<core::Session> open(const Target& target, const core::Options& options) const {
    const std::string config =
        cat("device = ", host::toml_string(request_.device), "\nthreads = ", request_.threads,
            "\n[[reward]]\nname = ", host::toml_string(target.name),
            "\ntrain = false\nweights = ", host::toml_string(target.weights),
            "\noptions = ", options_text(options), "\n");
    return host_.open_rewards(host_.configure(config, host::ConfigUse::kRewards),
                              host::make_services(host_, hooks_));
  }

 private:
  host::Host& host_;
  const Request& request_;
  const hnhost_hooks* hooks_;
};

core::ScoreResult score_with(core::Session& session, const core::Tensor& images,
                             const std::vector<std::string>& prompts, bool want_grad) {
  core::ScoreRequest request;
  request.images = images;
  request.prompts.assign(prompts.begin(), prompts.end());
  request.batch = std::max<std::int64_t>(1, images.shape.at(0));
  request.want_grad = want_grad;
  request.unchecked = true;  // the checks look for what is not finite
  return session.score(request);
}

// The picture of a known value: in the bundle, beside the weights, or in the user's folder.
std::optional<fs::path> find_picture(const host::KnownValue& known, const Target& target,
                                     const std::string& images) {
  std::vector<fs::path> folders = {target.choice.plugin->bundle};
  std::error_code ignored;
  if (!target.weights.empty())
    folders.push_back(fs::is_directory(target.weights, ignored)
                          ? fs::path(target.weights)
                          : fs::path(target.weights).parent_path());
  if (!images.empty()) folders.emplace_back(images);
  for (const fs::path& folder : folders)
    if (fs::is_regular_file(folder / known.file, ignored)) return folder / known.file;
  return std::nullopt;
}

Check known_value(const host::KnownValue& known, const Target& target, const std::string& images,
                  core::Session& session) {
  Check check{"known value " + known.file, Status::kSkipped, ""};
  const auto file = find_picture(known, target, images);
  if (!file) {
    check.text = cat("no picture ", known.file, " at hand; name its folder with --images");
    return check;
  }
  check.status = Status::kFailed;
  if (!known.sha256.empty() && host::sha256_file(*file) != known.sha256) {
    check.text = cat(file->string(), " is another picture: its sha256 is not ", known.sha256);
    return check;
  }
  const std::vector<host::Image> pictures = {host::read_image(*file)};
  const std::vector<std::string> names = {file->string()};
  const double got =
      score_with(session, host::from_images(pictures, names), {known.prompt}, false).scores.at(0);
  const double off = std::abs(got - known.score);
  if (off <= known.tolerance) check.status = Status::kPassed;
  check.text = cat("expected ", known.score, " within ", known.tolerance, " (", known.version,
                   "), got ", got);
  return check;
}

void known_values(const Target& target, const Request& request, const Opener& opener,
                  std::vector<Check>& checks) {
  // Values with the same options share an instance.
  std::vector<std::pair<core::Options, std::vector<const host::KnownValue*>>> groups;
  for (const host::KnownValue& known : target.choice.plugin->known_values) {
    if (!holds_for(known.model, target.choice)) continue;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& g) { return g.first == known.options; });
    if (group == groups.end()) group = groups.insert(groups.end(), {known.options, {}});
    group->second.push_back(&known);
  }
  for (const auto& [options, list] : groups) {
    std::unique_ptr<core::Session> session;
    for (const host::KnownValue* known : list) {
      try {
        // Without the picture the weights need not be read again.
        if (!session && find_picture(*known, target, request.images))
          session = opener.open(target, options);
        if (session) {
          checks.push_back(known_value(*known, target, request.images, *session));
        } else {
          checks.push_back(
              {"known value " + known->file, Status::kSkipped,
               cat("no picture ", known->file, " at hand; name its folder with ", "--images")});
        }
      } catch (const Error& error) {
        if (error.code() == HN_CANCELLED) throw;
        checks.push_back({"known value " + known->file, Status::kFailed, error.what()});
      }
    }
  }
}

// Whether a reward whose weights are the user's has none: then it is not tested, rather than
// broken.
bool lacks_weights(const Target& target) {
  return target.weights.empty() && target.choice.model != nullptr &&
         target.choice.model->weights_required;
}

struct Row {
  std::string status, text;
  std::vector<Check> checks;
};

Row test_one(const Target& target, const Request& request, const Opener& opener) {
  Row row;
  std::unique_ptr<core::Session> session;
  try {
    session = opener.open(target, {});
  } catch (const Error& error) {
    if (error.code() == HN_CANCELLED) throw;
    row.status = lacks_weights(target) ? "untested" : "failed";
    row.text = lacks_weights(target)
                   ? cat("its weights are not at hand: --weights ", target.name, "=DIR")
                   : std::string(error.what());
    return row;
  }
  Subject subject;
  subject.score = [&](const core::Tensor& images, const std::vector<std::string>& prompts,
                      bool want_grad) { return score_with(*session, images, prompts, want_grad); };
  subject.differentiable = target.choice.plugin->differentiable;
  subject.facts = target.choice.reward();
  for (const host::Detector& each : target.choice.plugin->detectors)
    if (holds_for(each.model, target.choice)) subject.detectors.push_back(each);
  row.checks = run_checks(subject);
  session.reset();  // before another instance for the known values takes the same memory
  known_values(target, request, opener, row.checks);
  const auto failed = [](const Check& check) { return check.status == Status::kFailed; };
  row.status = std::any_of(row.checks.begin(), row.checks.end(), failed) ? "failed" : "passed";
  return row;
}

}  // namespace

std::string self_test(host::Host& host, std::string_view text, const hnhost_hooks* hooks) {
  const Request request = parse(text);
  const std::vector<Target> targets = targets_of(request, host.registry());
  const Opener opener(host, request, hooks);
  const core::Services services = host::make_services(host, hooks);
  std::map<std::string, std::size_t> count = {{"passed", 0}, {"failed", 0}, {"untested", 0}};
  bool ok = true;
  auto rows = ordered_json::array();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    if (services.cancelled && services.cancelled())
      throw Error(HN_CANCELLED, "[selftest] stopped before " + target.name);
    if (services.progress) services.progress("testing " + target.name, i, targets.size());
    const Row row = test_one(target, request, opener);
    ++count[row.status];
    ok = ok && row.status != "failed" && !(row.status == "untested" && target.named);
    ordered_json json = {{"name", target.name},
                         {"plugin", target.choice.plugin->id},
                         {"status", row.status},
                         {"text", row.text},
                         {"checks", ordered_json::array()}};
    for (const Check& check : row.checks)
      json["checks"].push_back(
          {{"name", check.name}, {"status", status_name(check.status)}, {"text", check.text}});
    rows.push_back(std::move(json));
  }
  return ordered_json{{"ok", ok && count["passed"] > 0},
                      {"passed", count["passed"]},
                      {"failed", count["failed"]},
                      {"untested", count["untested"]},
                      {"rewards", std::move(rows)}}
             .dump(2, ' ', false, ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace hn::selftest
