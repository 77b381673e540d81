// hnhost validate: the contract suite on anyone's plugin.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  std::string bundle;
  std::vector<std::string> sets, checks;
  std::optional<std::int64_t> seconds, side_by_side;
  bool list = false;
};

std::string request_text(const Options& o) {
  if (o.list) return "list = true\n";
  if (o.bundle.empty())
    throw UsageError(HN_INVALID_ARGUMENT, "[validate] expected a bundle, or --list");
  std::string text = "bundle = " + toml_text(o.bundle) + "\n";
  if (!o.checks.empty()) text += "checks = " + toml_list(o.checks) + "\n";
  if (o.seconds) text += "seconds = " + std::to_string(*o.seconds) + "\n";
  if (o.side_by_side) text += "side_by_side = " + std::to_string(*o.side_by_side) + "\n";
  text += "[options]\n";
  for (const auto& each : o.sets) {
    Overlay one;
    one.assign(each);
    text += one.lines();
  }
  return text;
}

int list(const nlohmann::json& checks) {
  for (const auto& check : checks.at("checks"))
    std::cout << check.at("check").get<std::string>() << "\n    "
              << check.at("what").get<std::string>() << "\n";
  return kOk;
}

int validate(const Options& o, const Command& command) {
  const std::string request = request_text(o);
  const HostHandle host(command);
  catch_signals();
  // A log would get a line for every check: there the rows at the end are enough.
  auto progress = std::make_unique<Progress>("", command.quiet || ::isatty(STDERR_FILENO) == 0);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_validate(host.get(), str(request), progress->hooks(), out, error);
  });
  progress.reset();  // ends its line
  const auto parsed = nlohmann::json::parse(text);
  if (o.list) {
    if (!command.json) return list(parsed);
    print_json(text);
    return kOk;
  }
  const bool good = parsed.at("ok").get<bool>();
  if (command.json) {
    print_json(text);
    return good ? kOk : kFailure;
  }
  for (const auto& row : parsed.at("checks")) {
    const auto status = row.at("status").get<std::string>();
    std::cout << table_text(
        {{status + std::string(status.size() < 9 ? 9 - status.size() : 0, ' '),
          row.at("check").get<std::string>() + " " + row.at("function").get<std::string>()}});
    if (status != "passed" || !row.at("text").get<std::string>().empty())
      std::cout << "           " << row.at("what").get<std::string>() << "\n           "
                << row.at("text").get<std::string>() << "\n";
  }
  std::cout << parsed.at("passed") << " passed, " << parsed.at("failed") << " failed, "
            << parsed.at("skipped") << " skipped";
  if (parsed.at("not_run") != 0) std::cout << ", " << parsed.at("not_run") << " not run";
  std::cout << "\n";
  return good ? kOk : kFailure;
}

}  // namespace

void add_validate(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "validate", "Check a plugin against the ABI's promises, each check in a child process");
  verb->footer(
      "Examples:\n  hnhost validate ./my_reward.hnp\n  hnhost validate clip --json\n"
      "  hnhost validate ./my_reward.hnp --check 'gradient.*' --check forward.batch\n"
      "  hnhost validate --list\n\n"
      "Checks that a chosen one needs run with it. One that needs what failed is not run.");
  add_common(*verb, command);
  verb->add_option("bundle", o->bundle, "Path of a bundle, or a name");
  verb->add_flag("--list", o->list, "Every check with what it promises");
  verb->add_option("--check", o->checks, "Only this one, a name or a pattern; repeat")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  add_integer(*verb, "--seconds", o->seconds, {1, 86'400}, "The most for one check [300]");
  add_integer(*verb, "--side-by-side", o->side_by_side, {0, 256},
              "Checks at a time; 0 = one a core [0]");
  verb->add_option("--set", o->sets, "An option of the plugin; repeat")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  verb->callback([o, &command] { command.run = [o, &command] { return validate(*o, command); }; });
}

}  // namespace hn::cli
