#include <algorithm>
#include <iostream>
#include <vector>

#include "command.hpp"

namespace hn::cli {
namespace {

constexpr std::int32_t kWarning =
    2;  // levels of hn_host_v1.log: 0 debug, 1 info, 2 warning, 3 error
constexpr std::int32_t kError = 3;

void HN_CALL log_warnings(void*, std::int32_t level, hn_str text) {
  if (level >= kWarning) std::cerr << "hnhost: " << view(text) << "\n";
}
void HN_CALL log_errors(void*, std::int32_t level, hn_str text) {
  if (level >= kError) std::cerr << "hnhost: " << view(text) << "\n";
}

// Borrowed from the list; empty parts are left out.
std::vector<hn_str> parts(std::string_view list, char separator) {
  std::vector<hn_str> out;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(separator, begin), list.size());
    if (end > begin) out.push_back(str(list.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

}  // namespace

void add_common(CLI::App& verb, Command& command) {
  verb.add_flag("--json", command.json, "The answer as JSON on stdout, for programs");
  verb.add_flag("-q,--quiet", command.quiet, "No progress, no warnings");
  verb.add_option("--plugin-path", command.plugin_path,
                  "Folders of plugin bundles, separated by ':', searched first")
      ->type_name("PATHS");
}

HostHandle::HostHandle(const Command& command) {
  hnhost_options options{};
  options.struct_size = sizeof(options);
  const std::vector<hn_str> paths = parts(command.plugin_path, ':');
  options.plugin_paths = paths.data();
  options.n_plugin_paths = paths.size();
  options.log = command.quiet ? log_errors : log_warnings;
  ErrorBuffer error;
  check(hnhost_open(&options, &raw_, error.get()), error);
}

std::string answer(const std::function<hn_status(hnhost_text**, hn_error*)>& call) {
  ErrorBuffer error;
  hnhost_text* text = nullptr;
  check(call(&text, error.get()), error);
  std::string out(view(hnhost_text_view(text)));
  hnhost_text_free(text);
  return out;
}

void print_json(std::string_view json) {
  std::cout << json;
  if (json.empty() || json.back() != '\n') std::cout << "\n";
}

}  // namespace hn::cli
