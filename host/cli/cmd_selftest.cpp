// hnhost selftest: do the installed rewards work?
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
  std::vector<std::string> rewards, weights;
  std::string images, device;
  std::optional<std::int64_t> threads;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost selftest\n"
    "  hnhost selftest --reward image_reward --weights image_reward=DIR --images PICTURES\n"
    "\nEvery installed reward is opened and looked at for what a bad install does: a constant "
    "score,\na prompt that is not read, a batch mixed up, a gradient that is zero or NaN. Scores "
    "that its\nmanifest knows are compared where the pictures are at hand. A reward without its "
    "weights is\n\"untested\". Exit code 1 when something failed, when a named reward was not "
    "tested, or when\nnothing was.";

std::string request_text(const Options& o) {
  std::string request;
  if (!o.rewards.empty()) request += "rewards = " + toml_list(o.rewards) + "\n";
  if (!o.weights.empty()) request += "weights = " + toml_list(o.weights) + "\n";
  if (!o.images.empty()) request += "images = " + toml_text(o.images) + "\n";
  if (!o.device.empty()) request += "device = " + toml_text(o.device) + "\n";
  if (o.threads) request += "threads = " + std::to_string(*o.threads) + "\n";
  return request;
}

void print_rows(const nlohmann::json& parsed) {
  for (const auto& reward : parsed.at("rewards")) {
    std::cout << reward.at("name").get<std::string>() << ": "
              << reward.at("status").get<std::string>();
    if (!reward.at("text").get<std::string>().empty())
      std::cout << ", " << reward.at("text").get<std::string>();
    std::cout << "\n";
    std::vector<std::vector<std::string>> rows;
    for (const auto& check : reward.at("checks"))
      rows.push_back({"  " + check.at("status").get<std::string>(),
                      check.at("name").get<std::string>(), check.at("text").get<std::string>()});
    if (!rows.empty()) std::cout << table_text(rows);
  }
  std::cout << parsed.at("passed") << " passed, " << parsed.at("failed") << " failed, "
            << parsed.at("untested") << " untested\n";
}

int selftest(const Options& o, const Command& command) {
  for (const auto& each : o.weights)
    if (each.find('=') == std::string::npos || each.front() == '=' || each.back() == '=')
      throw UsageError(HN_INVALID_ARGUMENT, "[selftest] --weights: expected NAME=DIR, got " + each);
  const HostHandle host(command);
  catch_signals();
  const std::string text = [&] {
    const auto progress = std::make_unique<Progress>("", command.quiet);
    return answer([&](hnhost_text** out, hn_error* error) {
      return hnhost_selftest(host.get(), str(request_text(o)), progress->hooks(), out, error);
    });
  }();
  const auto parsed = nlohmann::json::parse(text);
  if (command.json) {
    print_json(text);
  } else {
    print_rows(parsed);
  }
  return parsed.at("ok").get<bool>() ? kOk : kFailure;
}

}  // namespace

void add_selftest(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("selftest", "Do the installed rewards work?");
  verb->footer(kFooter);
  add_common(*verb, command);
  verb->add_option("--reward", o->rewards, "A reward; repeat. None: every installed one")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--weights", o->weights, "Weights of a reward; repeat")
      ->type_name("NAME=DIR")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--images", o->images, "Folder with the pictures of known values")
      ->type_name("DIR");
  verb->add_option("--device", o->device, "cpu or cuda:N")->type_name("DEVICE");
  add_integer(*verb, "--threads", o->threads, kThreads, "Of the CPU; 0 = all cores");
  verb->callback([o, &command] { command.run = [o, &command] { return selftest(*o, command); }; });
}

}  // namespace hn::cli
