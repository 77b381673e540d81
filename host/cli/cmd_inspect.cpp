// hnhost inspect: one plugin or model in full.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

using nlohmann::ordered_json;

std::string value_text(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "-";
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const auto& each : value) out += (out.empty() ? "" : ", ") + value_text(each);
  return out.empty() ? "-" : out;
}

// Nested objects indented, lists of objects as one block each.
void print(const ordered_json& object, const std::string& indent) {
  for (const auto& [key, value] : object.items()) {
    const bool blocks = value.is_array() && !value.empty() && value[0].is_object();
    if (value.is_object()) {
      if (value.empty()) continue;
      std::cout << indent << key << ":\n";
      print(value, indent + "  ");
    } else if (blocks) {
      std::cout << indent << key << ":\n";
      for (const auto& each : value) {
        std::cout << indent << "  -\n";
        print(each, indent + "    ");
      }
    } else {
      std::cout << indent << key << ": " << value_text(value) << "\n";
    }
  }
}

int inspect(const std::string& name, const Command& command) {
  const HostHandle host(command);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_inspect(host.get(), str(name), out, error);
  });
  if (command.json) {
    print_json(text);
  } else {
    print(ordered_json::parse(text), "");
  }
  return kOk;
}

}  // namespace

void add_inspect(CLI::App& app, Command& command) {
  auto name = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("inspect", "One plugin or model in full");
  verb->footer("Examples:\n  hnhost inspect clip\n  hnhost inspect ./my_reward.hnp --json");
  add_common(*verb, command);
  verb->add_option("name", *name, "Name, alias, id, or path of a bundle")->required();
  verb->callback(
      [name, &command] { command.run = [name, &command] { return inspect(*name, command); }; });
}

}  // namespace hn::cli
