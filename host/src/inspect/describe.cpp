#include "inspect/describe.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/weight_files.hpp>
#include <map>
#include <optional>
#include <set>

#include "support/cat.hpp"

namespace hn::inspect {
namespace {

namespace fs = std::filesystem;
using host::cat;
using nlohmann::ordered_json;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_weights(const fs::path& file) {
  const std::string ending = file.extension().string();
  return ending == ".safetensors" || ending == ".pt" || ending == ".pth" || ending == ".bin" ||
         ending == ".ckpt";
}

// "model.fp16.safetensors" and "model.safetensors.index.fp16.json" -> "fp16"; "" for a plain name.
std::string variant_of(const std::string& name) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    words.push_back(name.substr(at, dot - at));
    at = dot + 1;
  }
  static const std::set<std::string> kPlain = {"safetensors", "index", "json", "bin",
                                               "pt",          "pth",   "ckpt"};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string word = words[i].substr(0, words[i].find('-'));
    const bool digits = word.find_first_not_of("0123456789_") == std::string::npos;
    if (!kPlain.contains(word) && !digits) return word;
  }
  return "";
}

// Files that one loading reads: indices, and files that no index names.
std::vector<fs::path> weight_sets(const fs::path& folder) {
  std::vector<fs::path> files, sets;
  std::set<std::string> shards;
  std::error_code failed;
  for (auto entry = fs::directory_iterator(folder, failed);
       !failed && entry != fs::directory_iterator(); entry.increment(failed))
    if (is_file(entry->path())) files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    if (name.find(".index.") == std::string::npos || !name.ends_with(".json")) continue;
    sets.push_back(file);
    try {
      const nlohmann::json json = read_json_file(file);
      for (const auto& [tensor, shard] : json.at("weight_map").items())
        if (shard.is_string()) shards.insert(shard.get<std::string>());
    } catch (const std::exception&) {
      continue;  // opening it tells what is wrong
    }
  }
  for (const fs::path& file : files)
    if (is_weights(file) && !shards.contains(file.filename().string())) sets.push_back(file);
  // Plain names first, then variants; safetensors before pickles.
  std::stable_sort(sets.begin(), sets.end(), [](const fs::path& a, const fs::path& b) {
    const auto rank = [](const fs::path& p) {
      const std::string name = p.filename().string();
      return std::pair(name.find("safetensors") == std::string::npos, !variant_of(name).empty());
    };
    return rank(a) < rank(b);
  });
  return sets;
}

ordered_json describe_set(const fs::path& file) {
  ordered_json row;
  row["file"] = file.filename().string();
  row["variant"] = variant_of(file.filename().string());
  try {
    const WeightFiles files = WeightFiles::open(file);
    std::uint64_t parameters = 0, bytes = 0;
    std::map<std::string, std::uint64_t> dtypes;
    for (const std::string& name : files.names()) {
      const StridedView& view = files.at(name);
      parameters += static_cast<std::uint64_t>(view.numel());
      bytes += view.bytes();
      ++dtypes[std::string(dtype_name(view.dtype))];
    }
    row["tensors"] = files.size();
    row["parameters"] = parameters;
    row["bytes"] = bytes;
    row["dtypes"] = dtypes;
  } catch (const std::exception& error) {
    row["problem"] = error.what();
  }
  return row;
}

std::string text_or_empty(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

// The class that a configuration is of; problem: why it cannot be read.
std::string class_of(const fs::path& folder, std::string& problem) {
  for (const char* name : {"config.json", "scheduler_config.json"}) {
    if (!is_file(folder / name)) continue;
    try {
      const nlohmann::json json = read_json_file(folder / name);
      if (!json.is_object())
        throw Error(HN_DATA_LOSS, cat((folder / name).string(), ": expected an object"));
      if (const std::string own = text_or_empty(json, "_class_name"); !own.empty()) return own;
      const auto list = json.find("architectures");
      if (list != json.end() && list->is_array() && !list->empty() && list->front().is_string())
        return list->front().get<std::string>();
      return text_or_empty(json, "model_type");
    } catch (const std::exception& error) {
      problem = error.what();
    }
  }
  return "";
}

ordered_json describe_component(const fs::path& folder, const std::string& name) {
  ordered_json row;
  std::string problem;
  row["name"] = name;
  row["class"] = class_of(folder, problem);
  row["weights"] = ordered_json::array();
  for (const fs::path& file : weight_sets(folder)) row["weights"].push_back(describe_set(file));
  if (!problem.empty()) row["problem"] = problem;
  return row;
}

void add_totals(ordered_json& out) {
  std::uint64_t parameters = 0, bytes = 0;
  for (const ordered_json& component : out["components"])
    for (const ordered_json& set : component.at("weights")) {
      if (!set.contains("parameters")) continue;
      parameters += set.at("parameters").get<std::uint64_t>();
      bytes += set.at("bytes").get<std::uint64_t>();
      break;
    }
  out["parameters"] = parameters;
  out["bytes"] = bytes;
}

void describe_pipeline(const fs::path& folder, ordered_json& out) {
  out["kind"] = "diffusers pipeline";
  nlohmann::json index;
  try {
    index = read_json_file(folder / "model_index.json");
    if (!index.is_object())
      throw Error(HN_DATA_LOSS,
                  cat((folder / "model_index.json").string(), ": expected an object"));
  } catch (const std::exception& error) {
    out["problem"] = error.what();
    return;
  }
  out["class"] = text_or_empty(index, "_class_name");
  for (const auto& [name, value] : index.items()) {
    const bool component =
        value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string();
    if (!component) continue;
    std::error_code ignored;
    ordered_json row;
    if (name.find('/') == std::string::npos && name.find("..") == std::string::npos &&
        fs::is_directory(folder / name, ignored)) {
      row = describe_component(folder / name, name);
      const std::string named = value[1].get<std::string>(), own = row["class"].get<std::string>();
      if (own.empty())
        row["class"] = named;
      else if (own != named && !row.contains("problem"))
        row["problem"] =
            cat("model_index.json names the class ", named, ", its own configuration ", own);
    } else {
      row = {{"name", name},
             {"class", value[1]},
             {"weights", ordered_json::array()},
             {"problem", "its folder is missing"}};
    }
    row["library"] = value[0];
    out["components"].push_back(std::move(row));
  }
}

bool is_lora(const ordered_json& component, const fs::path& path) {
  if (is_file(path / "adapter_config.json")) return true;
  for (const ordered_json& set : component.at("weights")) {
    const fs::path file = is_file(path) ? path : path / set.at("file").get<std::string>();
    try {
      const std::vector<std::string> names = WeightFiles::open(file).names();
      return std::any_of(names.begin(), names.end(), [](const std::string& name) {
        return name.find("lora_") != std::string::npos || name.find(".lora.") != std::string::npos;
      });
    } catch (const std::exception&) {
      return false;
    }
  }
  return false;
}

// A noise network that is no LoRA: its type is the class.
void describe_noise_net(const fs::path& folder, ordered_json& out) {
  try {
    const nlohmann::json json = read_json_file(folder / "noise_net.json");
    out["class"] = JsonObject(json, (folder / "noise_net.json").string()).get<std::string>("type");
  } catch (const std::exception& error) {
    out["problem"] = error.what();
  }
}

}  // namespace

ordered_json describe_weights(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw Error(HN_NOT_FOUND, cat("[inspect] ", path.string(), " does not exist"));
  ordered_json out;
  out["path"] = path.string();
  out["kind"] = "unknown";
  out["class"] = "";
  out["components"] = ordered_json::array();
  if (is_file(path)) {
    ordered_json row = {
        {"name", path.filename().string()}, {"class", ""}, {"weights", {describe_set(path)}}};
    out["kind"] = is_lora(row, path) ? "lora" : "checkpoint";
    out["components"].push_back(std::move(row));
  } else if (is_file(path / "model_index.json")) {
    describe_pipeline(path, out);
  } else {
    ordered_json row = describe_component(path, ".");
    out["class"] = row["class"];
    const bool weights = !row["weights"].empty();
    const bool noise_net = is_file(path / "noise_net.json");
    if (noise_net) describe_noise_net(path, out);
    out["kind"] = noise_net                       ? "noise network"
                  : is_lora(row, path)            ? "lora"
                  : is_file(path / "config.json") ? "model"
                  : weights                       ? "checkpoint"
                                                  : "unknown";
    out["components"].push_back(std::move(row));
  }
  add_totals(out);
  return out;
}

}  // namespace hn::inspect
