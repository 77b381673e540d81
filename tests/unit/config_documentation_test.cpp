// docs/configuration.md against the code: the same keys, the same defaults.
#include <map>
#include <set>
#include <sstream>

#include "config/run_config.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

// Rows "| `key` | type | `default` | meaning |" of the page.
std::map<std::string, std::string> documented() {
  std::map<std::string, std::string> rows;
  std::istringstream page(read_file(HN_SOURCE_DIR "/docs/configuration.md"));
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::istringstream parts(line.substr(2));
    for (std::string cell; std::getline(parts, cell, '|');) cells.push_back(cell);
    const auto bare = [](const std::string& cell) {
      const auto first = cell.find('`'), last = cell.rfind('`');
      return first == std::string::npos ? "" : cell.substr(first + 1, last - first - 1);
    };
    rows[bare(cells.at(0))] = bare(cells.at(2));
  }
  return rows;
}

// "train.lr" -> "0.001", from what the writer makes of the defaults.
std::map<std::string, std::string> defaults() {
  RunConfig config;
  config.rewards.emplace_back();
  config.search.given = true;
  std::map<std::string, std::string> values;
  std::istringstream text(to_toml(config));
  std::string section;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("[["))
      section = line.substr(2, line.size() - 4) + "[].";
    else if (line.starts_with("["))
      section = line.substr(1, line.size() - 2) + ".";
    else if (const auto at = line.find(" = "); at != std::string::npos)
      values[section + line.substr(0, at)] = line.substr(at + 3);
  }
  return values;
}

TEST(Documentation, ListsEveryKeyAndNoOther) {
  std::set<std::string> pages, code;
  for (const auto& [key, value] : documented()) pages.insert(key);
  for (const std::string& key : config_keys()) code.insert(key);
  EXPECT_EQ(pages, code);
}

TEST(Documentation, StatesTheDefaults) {
  const auto page = documented();
  for (const auto& [key, value] : defaults()) EXPECT_EQ(page.at(key), value) << key;
}

// The TOML blocks of the other pages are configurations, manifests (which say their schema) or, in
// manifest.md, what its own tests read.
TEST(Documentation, ItsConfigurationsAreRead) {
  std::size_t read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HN_SOURCE_DIR "/docs")) {
    if (entry.path().extension() != ".md" || entry.path().filename() == "manifest.md") continue;
    const std::string page = read_file(entry.path());
    for (std::size_t at = 0; (at = page.find("```toml\n", at)) != std::string::npos;) {
      const std::size_t end = page.find("```", at + 8);
      const std::string block = page.substr(at + 8, end - at - 8);
      at = end + 3;
      if (block.starts_with("schema")) continue;
      EXPECT_NO_THROW(parse_config(block, entry.path().filename().string())) << block;
      ++read;
    }
  }
  EXPECT_GE(read, 1u);
}

}  // namespace
}  // namespace hn::host
