// hnhost try: one's own prompts before and after, on one page.
#include <spawn.h>
#include <sys/wait.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "ask.hpp"
#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "reward_flags.hpp"
#include "shared_options.hpp"
#include "table.hpp"

extern char** environ;

namespace hn::cli {
namespace {

struct Options {
  ModelFlags model;
  SetupFlags setup;
  RewardFlags reward;
  std::string run, prompts_file, out = "try.html";
  std::vector<std::string> prompts, strengths;
  std::int64_t seeds = 1, seed = 0;
  bool open = false;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost try runs/clip 'a red cat' 'two green apples'\n"
    "  hnhost try runs/clip 'a red cat' --seeds 4 --strength 0.5,1,1.5 --out cat.html --open\n"
    "\nA picture without the adapter and one a strength with it for each prompt and seed, of the "
    "same\n"
    "noise; under each what the rewards say. Without --reward the rewards are those of the run. "
    "The\n"
    "page is one file and holds the pictures, whose PNG texts name prompt, seed, strength and "
    "scores.";

std::string request_of(const Options& o) {
  Overlay overlay;
  o.model.lay(overlay);
  o.reward.lay(overlay, parse_weights(o.model.weights), /*trained=*/false);
  o.setup.lay(overlay);
  DrawFlags draw;
  draw.adapter = o.run;
  draw.prompts = o.prompts;
  draw.prompts_file = o.prompts_file;
  std::string request = draw.request(overlay.over_file(o.setup.config));
  request += toml_line("seed", std::to_string(o.seed)) +
             toml_line("seeds", std::to_string(o.seeds)) + toml_line("out", toml_text(o.out));
  if (o.strengths.empty()) return request;
  std::string list;
  for (const std::string& text : o.strengths)
    list += (list.empty() ? "[" : ", ") + toml_number(text, "--strength");
  return request + toml_line("strengths", list + "]");
}

std::string signed_cell(const nlohmann::json& change) {
  if (!change.is_number()) return "";
  return std::string(" (") + (change.get<double>() < 0 ? "" : "+") + number_cell(change) + ")";
}

// A row a picture; the change is that against the picture before.
std::string table(const nlohmann::json& found) {
  constexpr std::size_t kPromptWidth = 40;
  std::vector<std::vector<std::string>> rows = {{"prompt", "seed", "strength"}};
  for (const auto& name : found.at("rewards")) rows[0].push_back(name.get<std::string>());
  for (const auto& picture : found.at("pictures")) {
    auto prompt = picture.at("prompt").get<std::string>();
    if (text_width(prompt) > kPromptWidth) {
      std::size_t end = kPromptWidth - 3;
      while (end > 0 && (static_cast<unsigned char>(prompt[end]) & 0xc0) == 0x80) --end;
      prompt = prompt.substr(0, end) + "...";
    }
    const bool adapted = picture.at("adapted").get<bool>();
    std::vector<std::string> row = {prompt, std::to_string(picture.at("seed").get<std::uint64_t>()),
                                    adapted ? number_cell(picture.at("strength")) : "before"};
    for (const auto& name : found.at("rewards")) {
      const auto key = name.get<std::string>();
      row.push_back(number_cell(picture.at("scores").at(key)) +
                    (adapted ? signed_cell(picture.at("change").at(key)) : ""));
    }
    rows.push_back(std::move(row));
  }
  return table_text(rows);
}

void show(const std::string& page) {
  std::string program = "xdg-open", file = page;
  char* words[] = {program.data(), file.data(), nullptr};
  pid_t child = 0;
  int ended = 0;
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, words, environ) != 0 ||
      waitpid(child, &ended, 0) != child || !WIFEXITED(ended) || WEXITSTATUS(ended) != 0)
    std::cerr << "hnhost: xdg-open could not show " << page << "\n";
}

int try_it(const Options& o, const Command& command) {
  const std::string request = request_of(o);
  const std::string text = ask(command, hnhost_try, request);
  if (command.json) {
    print_json(text);
  } else {
    const auto found = nlohmann::json::parse(text);
    std::cout << table(found);
    if (found.contains("missing"))
      for (const auto& [name, why] : found.at("missing").items())
        std::cerr << "hnhost: no score of " << name << " for some: " << why.get<std::string>()
                  << "\n";
    std::cout << "\n" << o.out << "\n";
  }
  if (o.open) show(o.out);
  return kOk;
}

}  // namespace

void add_try(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("try", "Your prompts before and after, on one page");
  verb->footer(kFooter);
  add_common(*verb, command);
  verb->add_option("run", o->run,
                   "A run directory, a noise network's folder, or a LoRA of peft, diffusers, kohya")
      ->type_name("RUN")
      ->required();
  verb->add_option("prompt", o->prompts, "Prompts [4 of the generator's]")->type_name("TEXT");
  verb->add_option("--prompts", o->prompts_file, "One prompt a line; TSV, CSV and JSONL too")
      ->type_name("FILE");
  add_integer(*verb, "--seeds", o->seeds, {1, 1000}, "Noises of each prompt [1]");
  add_integer(*verb, "--seed", o->seed, kSeeds, "Of the first noise [0]");
  verb->add_option("--strength", o->strengths, "Of the adapter; repeat, or with commas [1]")
      ->type_name("S")
      ->take_all()
      ->allow_extra_args(false)
      ->delimiter(',');
  verb->add_option("--out", o->out, "The page [try.html]")->type_name("FILE");
  verb->add_flag("--open", o->open, "Show the page with xdg-open");
  o->model.add_to(*verb);
  o->reward.add_to(*verb);
  o->setup.add_to(*verb);
  verb->callback([o, &command] { command.run = [o, &command] { return try_it(*o, command); }; });
}

}  // namespace hn::cli
