#include "scoring/scores_file.hpp"

#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>

namespace hn::host {
namespace {

constexpr const char* kWayOut =
    "; restore it from a copy, or remove it and give the run's command again";

StoredScores parse(const std::string& text, const std::string& where) {
  (void)parse_json(text, where);  // strict; the order of keys is the other parser's
  const auto json = nlohmann::ordered_json::parse(text);
  if (!json.is_object()) throw Error(HN_DATA_LOSS, where + ": expected an object");
  for (const char* key : {"prompts", "seeds", "before"})
    if (!json.contains(key))
      throw Error(HN_DATA_LOSS, where + ": expected the key " + std::string(key));
  StoredScores stored;
  try {
    stored.prompts = json["prompts"].get<std::vector<std::string>>();
    stored.seeds = json["seeds"].get<std::vector<std::int64_t>>();
  } catch (const nlohmann::json::exception&) {
    throw Error(HN_DATA_LOSS,
                where + ": expected prompts as a list of texts and seeds as a list of integers");
  }
  const std::size_t samples = stored.prompts.size() * stored.seeds.size();
  const auto scores = [&](const char* key) -> std::optional<Scores> {
    if (!json.contains(key)) return std::nullopt;
    Scores read = scores_from_json(json[key], where + ": " + key);
    for (const auto& [name, values] : read.columns)
      if (values.size() != samples)
        throw Error(HN_DATA_LOSS, where + ": " + key + ": expected " + std::to_string(samples) +
                                      " scores (prompts x seeds) in column " + name + ", got " +
                                      std::to_string(values.size()));
    return read;
  };
  stored.before = scores("before");
  stored.after = scores("after");
  return stored;
}

}  // namespace

StoredScores read_scores(const std::filesystem::path& file) {
  const std::string text = read_whole_file(file);
  try {
    return parse(text, file.string());
  } catch (const Error& error) {
    throw Error(error.code(), std::string(error.what()) + kWayOut);
  }
}

void write_scores(const std::filesystem::path& file, const StoredScores& scores) {
  nlohmann::ordered_json json = {{"prompts", scores.prompts}, {"seeds", scores.seeds}};
  if (scores.before) json["before"] = to_json(*scores.before);
  if (scores.after) json["after"] = to_json(*scores.after);
  write_file_atomically(file, json.dump() + "\n");
}

}  // namespace hn::host
