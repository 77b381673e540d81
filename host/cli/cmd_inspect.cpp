// hnhost inspect: one plugin or model in full.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "command.hpp"
#include "progress.hpp"
#include "signals.hpp"
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

// "12.3 M"
std::string count_text(double n) {
  static constexpr std::array<const char*, 4> kUnits = {"", " k", " M", " G"};
  std::size_t unit = 0;
  for (; n >= 1000 && unit + 1 < kUnits.size(); n /= 1000) ++unit;
  std::ostringstream out;
  out.precision(n < 100 ? 3 : 4);
  out << n << kUnits.at(unit);
  return out.str();
}

void print_set(const ordered_json& set) {
  std::cout << "    " << set.at("file").get<std::string>();
  if (const auto variant = set.at("variant").get<std::string>(); !variant.empty())
    std::cout << " (variant " << variant << ")";
  if (set.contains("problem")) {
    std::cout << ": " << set.at("problem").get<std::string>() << "\n";
    return;
  }
  std::cout << ": " << set.at("tensors") << " tensors, "
            << count_text(set.at("parameters").get<double>()) << " parameters, "
            << count_text(set.at("bytes").get<double>()) << "B";
  for (const auto& [dtype, n] : set.at("dtypes").items()) std::cout << ", " << dtype << " x " << n;
  std::cout << "\n";
}

void print_reader(const ordered_json& row) {
  const auto model = row.at("model").get<std::string>();
  std::cout << "\n"
            << row.at("kind").get<std::string>() << " " << row.at("plugin").get<std::string>()
            << (model.empty() ? "" : " (" + model + ")") << ": "
            << row.at("status").get<std::string>() << "\n";
  for (const auto& component : row.at("components")) {
    std::cout << "  " << component.at("model").get<std::string>() << ": wants "
              << component.at("tensors") << " tensors, "
              << count_text(component.at("parameters").get<double>()) << " parameters\n";
    for (const char* key : {"missing", "wrong_shape", "unexpected"}) {
      const auto& names = component.at(key);
      if (names.empty()) continue;
      std::cout << "    " << (std::string(key) == "wrong_shape" ? "wrong shape" : key) << " ("
                << names.size() << "):\n";
      for (const auto& name : names) std::cout << "      " << name.get<std::string>() << "\n";
    }
  }
  if (const auto message = row.at("message").get<std::string>(); !message.empty())
    std::cout << "  " << message << "\n";
}

// What the folder is, then the plugins that can read it, or, where none can, why.
int inspect_weights(const std::string& path, const std::string& name, const Command& command) {
  const HostHandle host(command);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_inspect_weights(host.get(), str(path), str(name), out, error);
  });
  const ordered_json all = ordered_json::parse(text);
  const auto& readers = all.at("read_by");
  const bool fits = std::any_of(readers.begin(), readers.end(),
                                [](const auto& row) { return row.at("status") == "fits"; });
  const bool adapter = all.at("kind") == "lora" || all.at("kind") == "noise network";
  if (command.json) {
    print_json(text);
    return fits || adapter ? kOk : kFailure;
  }
  std::cout << all.at("path").get<std::string>() << ": " << all.at("kind").get<std::string>() << " "
            << all.at("class").get<std::string>() << ", "
            << count_text(all.at("parameters").get<double>()) << " parameters, "
            << count_text(all.at("bytes").get<double>()) << "B\n";
  if (all.contains("problem")) std::cout << "  " << all.at("problem").get<std::string>() << "\n";
  for (const auto& component : all.at("components")) {
    std::cout << "  " << component.at("name").get<std::string>() << ": "
              << component.at("class").get<std::string>() << "\n";
    if (component.contains("problem"))
      std::cout << "    " << component.at("problem").get<std::string>() << "\n";
    for (const auto& set : component.at("weights")) print_set(set);
  }
  if (adapter) {
    std::cout << "\nan adapter: hnhost sample --generator NAME --adapter " << path << "\n";
    return kOk;
  }
  // Without a fit the nearest tells what is wrong; plugins that understood nothing are left out,
  // unless nobody did.
  bool any = false;
  for (const auto& row : readers) {
    const bool nearest = row.at("status") == "does not fit" || !row.at("components").empty();
    if (fits ? row.at("status") != "fits" : !nearest && name.empty()) continue;
    print_reader(row);
    any = true;
  }
  if (!any)
    for (const auto& row : readers) print_reader(row);
  return fits ? kOk : kFailure;
}

// The layers that lora.targets chooses among: a line a layer.
int inspect_layers(const std::string& name, const std::string& weights, const Command& command) {
  const HostHandle host(command);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_inspect_layers(host.get(), str(name), str(weights), out, error);
  });
  if (command.json) {
    print_json(text);
    return kOk;
  }
  std::vector<std::vector<std::string>> rows{
      {"layer", "kind", "in", "out", "kernel", "groups", "functions"}};
  const ordered_json answer = ordered_json::parse(text);
  for (const auto& layer : answer.at("layers")) {
    const bool conv = layer.at("kind") == "conv2d";
    const auto& kernel = layer.at("kernel");
    rows.push_back({layer.at("name").get<std::string>(), layer.at("kind").get<std::string>(),
                    layer.at("in").dump(), layer.at("out").dump(),
                    conv ? kernel[0].dump() + "x" + kernel[1].dump() : "-",
                    conv ? layer.at("groups").dump() : "-", value_text(layer.at("functions"))});
  }
  std::cout << table_text(rows, {false, false, true, true, true, true, false});
  return kOk;
}

// Sums compared with the known ones: a line a file.
int verify_weights(const std::string& path, const Command& command) {
  const HostHandle host(command);
  catch_signals();
  auto progress = std::make_unique<Progress>("", command.quiet);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_verify_weights(host.get(), str(path), progress->hooks(), out, error);
  });
  progress.reset();
  const ordered_json all = ordered_json::parse(text);
  std::string wrong;
  for (const auto& file : all.at("files"))
    if (file.at("state") == "wrong")
      wrong += "\n  " + file.at("file").get<std::string>() + ": " +
               file.at("problem").get<std::string>();
  if (command.json) {
    print_json(text);
  } else {
    for (const auto& file : all.at("files")) {
      const auto state = file.at("state").get<std::string>();
      std::cout << state << "  " << file.at("file").get<std::string>();
      if (state == "right")
        std::cout << "  " << file.at("kind").get<std::string>() << ", known by the "
                  << (file.at("by") == "cache" ? "cache" : "list of weights");
      else if (state == "unknown")
        std::cout << "  no sum is known; its sha256 is " << file.at("got").get<std::string>();
      std::cout << "\n";
    }
    std::cout << all.at("right") << " right, " << all.at("wrong") << " wrong, " << all.at("unknown")
              << " of which no sum is known\n";
  }
  if (wrong.empty()) return kOk;
  std::cerr << "hnhost: [verify] " << all.at("path").get<std::string>() << ": " << all.at("wrong")
            << " of " << all.at("files").size() << " files are not what they were:" << wrong
            << "\n";
  return kFailure;
}

}  // namespace

void add_inspect(CLI::App& app, Command& command) {
  auto name = std::make_shared<std::string>();
  auto weights = std::make_shared<std::string>();
  CLI::App* verb =
      app.add_subcommand("inspect", "One plugin or model in full, or a folder of weights");
  verb->footer(
      "Examples:\n  hnhost inspect clip\n  hnhost inspect ./my_reward.hnp --json\n"
      "  hnhost inspect --weights DIR              # what it is, who can read it, what is wrong\n"
      "  hnhost inspect sd-turbo --weights DIR     # asks one plugin\n"
      "  hnhost inspect sd-turbo --layers --weights DIR    # what lora.targets chooses among\n"
      "  hnhost inspect --weights DIR --verify     # only compares sums with the known ones");
  add_common(*verb, command);
  verb->add_option("name", *name, "Name, alias, id, or path of a bundle")->type_name("NAME");
  verb->add_option("--weights", *weights, "A folder or file of weights")->type_name("PATH");
  auto verify = std::make_shared<bool>(false);
  verb->add_flag("--verify", *verify,
                 "With --weights: compare the files' sums with those that are known, nothing else");
  auto layers = std::make_shared<bool>(false);
  verb->add_flag("--layers", *layers,
                 "Load the generator NAME and list its layers that can carry a LoRA");
  verb->callback([name, weights, verify, layers, &command] {
    command.run = [name, weights, verify, layers, &command] {
      if (*layers && (*verify || name->empty()))
        throw UsageError(HN_INVALID_ARGUMENT,
                         "inspect: expected a NAME and no --verify with --layers");
      if (*layers) return inspect_layers(*name, *weights, command);
      if (*verify && (weights->empty() || !name->empty()))
        throw UsageError(HN_INVALID_ARGUMENT,
                         "inspect: expected --weights PATH and no NAME with --verify");
      if (*verify) return verify_weights(*weights, command);
      if (name->empty() && weights->empty())
        throw UsageError(HN_INVALID_ARGUMENT, "inspect: expected a NAME, or --weights PATH");
      return weights->empty() ? inspect(*name, command) : inspect_weights(*weights, *name, command);
    };
  });
}

}  // namespace hn::cli
