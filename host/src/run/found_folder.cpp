#include "run/found_folder.hpp"

#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/input_file.hpp>
#include <hn/formats/safetensors.hpp>

#include "files/pictures.hpp"
#include "files/tensor_file.hpp"
#include "run/run_directory.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "search.toml";
constexpr const char* kSummary = "search.json";
constexpr const char* kNoises = "noises.safetensors";
constexpr const char* kParts = "parts";
constexpr const char* kBefore = "before";

[[noreturn]] void refuse(const std::string& text, hn_status code = HN_INVALID_ARGUMENT) {
  throw Error(code, "[search folder] " + text);
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

TensorToWrite written(const char* name, const core::Tensor& tensor) {
  return {name, TensorDtype::kF32, tensor.shape, tensor.data.data(), tensor.data.size() * 4};
}

}  // namespace

FoundFolder::FoundFolder(fs::path root, std::string_view config, bool overwrite,
                         std::size_t prompts)
    : root_(std::move(root)), prompts_(prompts) {
  std::error_code code;
  fs::create_directories(root_, code);
  if (!fs::is_directory(root_)) {
    if (is_there(root_)) refuse(root_.string() + " is a file, expected a folder");
    refuse(root_.string() + " cannot be created: " + code.message(), HN_NOT_FOUND);
  }
  lock_.emplace(root_, "search folder", "another search");
  open(config, overwrite);
  after_.emplace(root_, prompts_);
  before_.emplace(root_ / kBefore, prompts_);
  fs::create_directories(root_ / kParts, code);
  if (code)
    refuse((root_ / kParts).string() + " cannot be created: " + code.message(), HN_INTERNAL);
}

void FoundFolder::open(std::string_view config, bool overwrite) const {
  const bool known = is_there(root_ / kConfig);
  if (!known) {
    for (const auto& entry : fs::directory_iterator(root_)) {
      const std::string name = entry.path().filename().string();
      // A kill in the middle of writing the first search.toml leaves that file's temporary name.
      const auto unfinished = unfinished_file(name);
      if (name == FolderLock::kName || (unfinished && unfinished->name == kConfig)) continue;
      refuse(root_.string() + " is no folder of a search and not empty (" + name + ")");
    }
  }
  // Who holds the lock is the only writer.
  for (const fs::path& folder : {root_, root_ / kBefore, root_ / kParts})
    remove_unfinished(folder, [](const UnfinishedFile&) { return true; });
  std::vector<std::string> different;
  if (known && !overwrite) {
    try {
      different = config_differences(read_whole_file(root_ / kConfig), config);
    } catch (const Error& error) {
      refuse((root_ / kConfig).string() + " cannot be compared: " + error.what() +
                 "; restore it from a copy, or begin anew with --overwrite",
             error.code());
    }
  }
  const bool begun = is_there(root_ / kSummary) ||
                     (fs::is_directory(root_ / kParts) && !fs::is_empty(root_ / kParts));
  if (!different.empty() && begun) {
    std::string list;
    for (const std::string& each : different) list += (list.empty() ? "" : "; ") + each;
    refuse(root_.string() + " holds a search with another configuration (" + list +
           "); choose another folder with --out-dir, or --overwrite to begin anew");
  }
  if (known && !overwrite && different.empty()) return;
  remove_files();
  write_file_atomically(root_ / kConfig, config);
}

// What says that there is something to answer from goes first.
void FoundFolder::remove_files() const {
  std::vector<fs::path> files = {root_ / kSummary, root_ / kParts};
  for (const fs::path& folder : {root_, root_ / kBefore}) {
    for (const char* name : {"prompts.jsonl", "sheet.html"}) files.push_back(folder / name);
    for (const fs::path& picture : numbered_pictures(folder)) files.push_back(picture);
  }
  files.push_back(root_ / kNoises);
  for (const fs::path& file : files) {
    std::error_code code;
    fs::remove_all(file, code);
    if (code) refuse(file.string() + " cannot be removed: " + code.message(), HN_INTERNAL);
  }
}

fs::path FoundFolder::part(std::size_t index) const {
  return root_ / kParts / fs::path(picture_name(index, prompts_)).replace_extension("safetensors");
}

std::optional<nlohmann::ordered_json> FoundFolder::summary() const {
  if (!is_there(root_ / kSummary) || !is_there(root_ / kNoises)) return std::nullopt;
  for (const fs::path& folder : {root_, root_ / kBefore})
    if (!is_there(folder / "prompts.jsonl") || !is_there(folder / "sheet.html") ||
        numbered_pictures(folder).size() != prompts_)
      return std::nullopt;
  try {
    return nlohmann::ordered_json::parse(read_whole_file(root_ / kSummary));
  } catch (const nlohmann::json::exception& error) {
    refuse((root_ / kSummary).string() + " is damaged: " + error.what() +
               "; begin anew with --overwrite",
           HN_DATA_LOSS);
  }
}

std::optional<SearchedPrompt> FoundFolder::read(std::size_t index) const {
  const fs::path file = part(index);
  if (!is_there(file)) return std::nullopt;
  SearchedPrompt searched;
  searched.noise = read_tensor(file, "noise");
  searched.start = read_tensor(file, "start");
  if (auto steps = find_tensor(file, "step_noise")) searched.step_noise = *std::move(steps);
  try {
    const SafetensorsFile opened = SafetensorsFile::open(file);
    searched.row = nlohmann::ordered_json::parse(opened.metadata().at("row"));
  } catch (const std::exception& error) {
    refuse(file.string() + " is damaged: " + error.what() +
               "; remove it, and its prompt is searched again",
           HN_DATA_LOSS);
  }
  return searched;
}

void FoundFolder::write(std::size_t index, const SearchedPrompt& searched,
                        const core::Tensor& before, const core::Tensor& after) const {
  before_->put(index, before, 0);
  after_->put(index, after, 0);
  std::vector<TensorToWrite> tensors = {written("noise", searched.noise),
                                        written("start", searched.start)};
  if (!searched.step_noise.data.empty())
    tensors.push_back(written("step_noise", searched.step_noise));
  write_safetensors(part(index), tensors, {{"row", searched.row.dump()}});
}

// [B,C,h,w] and [n-1,B,C,h,w] of all prompts.
void FoundFolder::write_noises() const {
  core::Tensor noise, start, steps;
  const auto append = [](core::Tensor& all, const core::Tensor& one) {
    all.shape = one.shape;
    all.data.insert(all.data.end(), one.data.begin(), one.data.end());
  };
  std::vector<core::Tensor> step_noises;
  for (std::size_t i = 0; i < prompts_; ++i) {
    const std::optional<SearchedPrompt> searched = read(i);
    if (!searched) refuse(part(i).string() + " is missing", HN_DATA_LOSS);
    append(noise, searched->noise);
    append(start, searched->start);
    step_noises.push_back(searched->step_noise);
  }
  const auto count = static_cast<std::int64_t>(prompts_);
  noise.shape.insert(noise.shape.begin(), count);
  start.shape.insert(start.shape.begin(), count);
  std::vector<TensorToWrite> tensors = {written("noise", noise), written("start", start)};
  if (!step_noises.empty() && !step_noises[0].data.empty()) {
    steps.shape = step_noises[0].shape;
    const auto n = static_cast<std::size_t>(steps.shape[0]);
    const std::size_t each = step_noises[0].data.size() / n;
    for (std::size_t s = 0; s < n; ++s)
      for (const core::Tensor& one : step_noises)
        steps.data.insert(steps.data.end(),
                          one.data.begin() + static_cast<std::ptrdiff_t>(s * each),
                          one.data.begin() + static_cast<std::ptrdiff_t>((s + 1) * each));
    steps.shape.insert(steps.shape.begin() + 1, count);
    tensors.push_back(written("step_noise", steps));
  }
  write_safetensors(root_ / kNoises, tensors);
}

void FoundFolder::finish(const std::vector<std::string>& prompts,
                         const nlohmann::ordered_json& summary) const {
  write_noises();
  before_->finish(prompts);
  after_->finish(prompts);
  // Last: its presence says that the search is complete.
  write_file_atomically(root_ / kSummary, summary.dump(2) + "\n");
  std::error_code ignored;  // they are of no use any more, and do no harm
  fs::remove_all(root_ / kParts, ignored);
}

}  // namespace hn::host
