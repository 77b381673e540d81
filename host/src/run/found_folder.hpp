// The folder of one search: what is finished of it, prompt by prompt, and what it leaves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/session.hpp"
#include "run/folder_lock.hpp"
#include "run/sample_folder.hpp"

namespace hn::host {

// What a prompt's search left: its row of search.json, and noises of [C,h,w].
struct SearchedPrompt {
  nlohmann::ordered_json row;
  core::Tensor noise, start;
  core::Tensor step_noise;  // [n-1,C,h,w]; empty for one step
};

// FOLDER/00.png, ... with prompts.jsonl and sheet.html: the found pictures (SampleFolder);
// before/: those of the starts; noises.safetensors: noise, start, step_noise, as `sample
// --noise-in` reads them; search.toml: the configuration; search.json, written last. parts/ holds
// the finished prompts of a search that is not.
class FoundFolder {
 public:
  // Creates the folder, or continues one whose search.toml says the same as `config`; with
  // `overwrite`, and where no prompt is finished yet, a former search is removed first. Nothing
  // that a search does not make is ever touched. Errors: HN_INVALID_ARGUMENT (another
  // configuration, with the keys that differ; a folder with other files; another process searches
  // in it), HN_NOT_FOUND (cannot be created), HN_DATA_LOSS (search.toml is broken).
  FoundFolder(std::filesystem::path root, std::string_view config, bool overwrite,
              std::size_t prompts);

  // search.json of a finished search that has all its files; else nothing.
  std::optional<nlohmann::ordered_json> summary() const;
  // Errors: HN_DATA_LOSS names a damaged file.
  std::optional<SearchedPrompt> read(std::size_t index) const;
  // The pictures first, so that a prompt that can be read back has them. images: [1,3,H,W].
  void write(std::size_t index, const SearchedPrompt& searched, const core::Tensor& before,
             const core::Tensor& after) const;
  // Tables, noises, search.json; then the parts go.
  void finish(const std::vector<std::string>& prompts, const nlohmann::ordered_json& summary) const;

  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path part(std::size_t index) const;
  void open(std::string_view config, bool overwrite) const;
  void remove_files() const;
  void write_noises() const;

  std::filesystem::path root_;
  std::size_t prompts_;
  std::optional<FolderLock> lock_;
  std::optional<SampleFolder> after_, before_;
};

}  // namespace hn::host
