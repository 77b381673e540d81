// The list of weights that can be pulled: host/data/weights.toml, and the user's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hn::pull {

// What is known of one file beforehand, from a public source that the list names.
struct KnownFile {
  std::optional<std::uint64_t> bytes;
  std::string sha256;  // empty: unknown, the server's own is used
};

struct ListedModel {
  std::string name, summary;
  std::vector<std::string> aliases;
  std::string repo;      // "stabilityai/sd-turbo"
  std::string revision;  // a branch, a tag or a commit
  // fnmatch patterns over the repository's file names, '*' also over '/'. Each must match.
  std::vector<std::string> files;
  std::vector<std::string> except;  // of those, what is left out
  // Further patterns by variant; "" is what is taken when none is asked for.
  std::map<std::string, std::vector<std::string>> variants;
  std::map<std::string, KnownFile> known;  // by file name
  // What plugins are given: a file or folder of the snapshot, "." for the snapshot itself.
  std::string weights = ".";
  std::string licence, licence_url;
  bool permissive = false;  // false: has to be accepted by name
  std::string defined_in;   // the file of this entry
  // What else it needs, each from a repository of its own: entries with the same name, without
  // aliases, variants and parts, whose `option` is given the path of their weights.
  std::vector<ListedModel> parts;
  std::string option;  // of a part; empty for a model itself

  // The patterns of a variant; HN_INVALID_ARGUMENT names the variants there are.
  std::vector<std::string> patterns(const std::string& variant) const;
  bool leaves_out(const std::string& file) const;
};

bool matches(const std::string& pattern, const std::string& file);

class WeightsList {
 public:
  // Later files replace entries of earlier ones by name. A file that does not exist is left out.
  // Errors: HN_INVALID_ARGUMENT, "FILE:LINE: ...".
  static WeightsList read(const std::vector<std::filesystem::path>& files);
  // share/hn/weights.toml of the installation, then $XDG_CONFIG_HOME/hn/weights.toml (else
  // ~/.config/hn/weights.toml).
  static WeightsList installed();

  const std::vector<ListedModel>& models() const { return models_; }
  const ListedModel* find(std::string_view name) const;  // by name or alias
  const ListedModel& need(std::string_view name) const;  // HN_NOT_FOUND with the nearest names

 private:
  std::vector<ListedModel> models_;
};

}  // namespace hn::pull
