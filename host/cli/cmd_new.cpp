// hnhost new: a project of one's own, from a template.
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"

namespace hn::cli {
namespace {

struct Options {
  std::string kind, name, folder;
};

int create(const Options& o, const Command& command) {
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
  std::cerr << "Build it:\n  cmake -S " << folder << " -B " << folder
            << "/build -DCMAKE_PREFIX_PATH=<where hn is installed>\n  cmake --build " << folder
            << "/build\n";
  return kOk;
}

}  // namespace

void add_new(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("new", "A plugin project of one's own, ready to build");
  verb->footer(
      "Examples:\n  hnhost new reward sharpness\n  hnhost new minimal_c my_reward --folder "
      "~/src/my_reward\n");
  add_common(*verb, command);
  verb->add_option("kind", o->kind, "reward, generator, minimal_c or embed_c")->required();
  verb->add_option("name", o->name, "Lower-case letters, digits and '_'")->required();
  verb->add_option("--folder", o->folder, "Where [./NAME]")->type_name("DIR");
  verb->callback([o, &command] { command.run = [o, &command] { return create(*o, command); }; });
}

}  // namespace hn::cli
