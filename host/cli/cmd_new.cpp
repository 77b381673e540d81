// hnhost new: a project of one's own, from a template.
#include <array>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  std::string kind, name, folder;
};

// The folders of share/hn/templates, the simplest of each sort first; tests/install compares.
struct Kind {
  const char* name;
  const char* what;
};
constexpr std::array<Kind, 8> kKinds = {{
    {"reward", "a reward as one LibTorch function of the picture"},
    {"reward_with_weights",
     "a reward that reads the prompt, with weights and a tokenizer of its own"},
    {"reward_score_only",
     "a reward around a program: pictures in a file, numbers out, no gradient"},
    {"reward_cuda", "a reward as CUDA kernels of one's own, forward and vjp; needs nvcc"},
    {"minimal_c", "a reward in plain C: one formula with its derivative"},
    {"raw_c", "the same against the bare ABI, for other languages and one's own kernels"},
    {"generator", "a generator with its noise network, small enough to read"},
    {"embed_c", "a program in C that trains, samples and scores through libhnhost"},
}};

int list_kinds(const Command& command) {
  if (command.json) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const Kind& kind : kKinds) rows.push_back({{"kind", kind.name}, {"what", kind.what}});
    print_json(nlohmann::ordered_json{{"kinds", rows}}.dump(2));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows = {{"kind", "what"}};
  for (const Kind& kind : kKinds) rows.push_back({kind.name, kind.what});
  std::cout << table_text(rows);
  std::cerr << "hnhost new KIND NAME writes one to ./NAME\n";
  return kOk;
}

int create(const Options& o, const Command& command) {
  if (o.kind.empty()) return list_kinds(command);
  const std::string folder = o.folder.empty() ? o.name : o.folder;
  ErrorBuffer error;
  check(hnhost_new(str(o.kind), str(o.name), str(folder), error.get()), error);
  if (command.json) {
    print_json(nlohmann::ordered_json{
        {"folder", std::filesystem::absolute(folder).lexically_normal().string()}}
                   .dump(2));
    return kOk;
  }
  std::cout << folder << "\n";
  std::cerr << "Its README.md says what is where. Build it:\n  cmake -S " << folder << " -B "
            << folder << "/build -DCMAKE_PREFIX_PATH=<where hn is installed>\n  cmake --build "
            << folder << "/build\n";
  return kOk;
}

}  // namespace

void add_new(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("new", "A plugin project of one's own, ready to build");
  verb->footer(
      "Examples:\n  hnhost new                      the kinds\n  hnhost new reward sharpness\n  "
      "hnhost new minimal_c my_reward --folder "
      "~/src/my_reward\n");
  add_common(*verb, command);
  CLI::Option* kind = verb->add_option("kind", o->kind, "What it is; left out: lists the kinds");
  CLI::Option* name = verb->add_option("name", o->name, "Lower-case letters, digits and '_'");
  kind->needs(name);
  verb->add_option("--folder", o->folder, "Where [./NAME]")->type_name("DIR");
  verb->callback([o, &command] { command.run = [o, &command] { return create(*o, command); }; });
}

}  // namespace hn::cli
