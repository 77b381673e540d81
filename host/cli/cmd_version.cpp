// hnhost version: of the library and of the plugin ABI.
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.hpp"

namespace hn::cli {

void add_version(CLI::App& app, Command& command) {
  CLI::App* verb = app.add_subcommand("version", "Versions of the engine and of its plugin ABI");
  add_common(*verb, command);
  verb->callback([&command] {
    command.run = [&command] {
      if (command.json) {
        print_json(
            nlohmann::ordered_json{{"version", hnhost_version()},
                                   {"abi", {{"major", HN_ABI_MAJOR}, {"minor", HN_ABI_MINOR}}}}
                .dump(2));
      } else {
        std::cout << "hnhost " << hnhost_version() << ", plugin ABI " << HN_ABI_MAJOR << "."
                  << HN_ABI_MINOR << "\n";
      }
      return kOk;
    };
  });
}

}  // namespace hn::cli
