// hnhost validate: the contract suite on anyone's plugin.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "overlay.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  std::string bundle;
  std::vector<std::string> sets;
};

int validate(const Options& o, const Command& command) {
  const HostHandle host(command);
  std::string options;
  for (const auto& each : o.sets) {
    Overlay one;
    one.assign(each);
    options += one.lines();
  }
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_validate(host.get(), str(o.bundle), str(options), out, error);
  });
  const auto parsed = nlohmann::json::parse(text);
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
    if (status != "passed")
      std::cout << "           " << row.at("what").get<std::string>() << "\n           "
                << row.at("text").get<std::string>() << "\n";
  }
  std::cout << parsed.at("passed") << " passed, " << parsed.at("failed") << " failed, "
            << parsed.at("skipped") << " skipped\n";
  return good ? kOk : kFailure;
}

}  // namespace

void add_validate(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "validate", "Check a plugin against the ABI's promises, each check in a child process");
  verb->footer("Examples:\n  hnhost validate ./my_reward.hnp\n  hnhost validate clip --json");
  add_common(*verb, command);
  verb->add_option("bundle", o->bundle, "Path of a bundle, or a name")->required();
  verb->add_option("--set", o->sets, "An option of the plugin; repeat")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  verb->callback([o, &command] { command.run = [o, &command] { return validate(*o, command); }; });
}

}  // namespace hn::cli
