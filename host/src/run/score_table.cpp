#include "run/score_table.hpp"

#include <algorithm>
#include <cmath>

#include "json/json_file.hpp"
#include "run/csv.hpp"
#include "run/evaluate.hpp"

namespace hn::run {
namespace {

std::uint64_t key_of(const std::string& image, const std::string& prompt) {
  const std::hash<std::string> hash;
  return hash(image) * 1099511628211u + hash(prompt);
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::vector<std::string> csv_header(const std::vector<std::string>& rewards) {
  std::vector<std::string> header = {"image", "prompt"};
  header.insert(header.end(), rewards.begin(), rewards.end());
  header.emplace_back("error");
  return header;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line = csv_cell(cells[0]);
  for (std::size_t i = 1; i < cells.size(); ++i) line += "," + csv_cell(cells[i]);
  return line + "\n";
}

}  // namespace

nlohmann::ordered_json row_json(const ScoredRow& row, const std::vector<std::string>& rewards) {
  nlohmann::ordered_json json = {{"image", row.item->image}, {"prompt", row.item->prompt}};
  nlohmann::ordered_json scores = nlohmann::ordered_json::object();
  for (std::size_t k = 0; k < rewards.size(); ++k)
    scores[rewards[k]] = finite_or_null(row.scores[k]);
  json["scores"] = std::move(scores);
  for (const auto& [name, value] : row.columns) json["columns"][name] = finite_or_null(value);
  if (!row.error.empty()) json["error"] = row.error;
  return json;
}

ScoreTable::ScoreTable(std::filesystem::path file, const std::vector<std::string>& rewards)
    : path_(std::move(file)), rewards_(rewards), csv_(path_.extension() == ".csv") {
  std::error_code ignored;
  std::uint64_t keep = 0;
  if (std::filesystem::is_regular_file(path_, ignored)) {
    const std::string text = read_whole_file(path_);
    keep = csv_ ? read_csv(text) : read_jsonl(text);
  }
  file_ = std::make_unique<AppendFile>(path_, keep);
  if (csv_ && keep == 0) file_->append(csv_line(csv_header(rewards_)));
}

void ScoreTable::other_rewards(const std::string& there) const {
  throw Error(HN_INVALID_ARGUMENT, "[" + path_.string() + "] expected a table of the rewards " +
                                       joined(rewards_) + ", it has " + there +
                                       "; name another file to begin anew");
}

std::uint64_t ScoreTable::read_csv(const std::string& text) {
  // A cut-off row may end inside a quote, so the last line end that closes a row is looked for.
  std::string whole = text;
  std::vector<CsvRow> rows;
  for (;;) {
    whole.resize(whole.find_last_of('\n') == std::string::npos ? 0 : whole.find_last_of('\n') + 1);
    try {
      rows = parse_csv(whole, ',', path_.string(), false);
      break;
    } catch (const Error&) {
      if (whole.empty()) throw;
      whole.pop_back();
    }
  }
  if (rows.empty()) return 0;
  if (rows[0].cells != csv_header(rewards_)) other_rewards("the columns " + joined(rows[0].cells));
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string>& cells = rows[i].cells;
    if (cells.size() == rows[0].cells.size() && cells.back().empty())
      done_.insert(key_of(cells[0], cells[1]));
  }
  return rows.back().end;
}

std::uint64_t ScoreTable::read_jsonl(const std::string& text) {
  std::uint64_t keep = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const auto row =
        nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                              text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!row.is_object() || !row.contains("image") || !row.contains("scores")) {
      if (keep == 0)
        throw Error(HN_INVALID_ARGUMENT,
                    "[" + path_.string() + "] is no table of scores; name another file");
      break;
    }
    std::vector<std::string> names;
    for (const auto& [name, value] : row.at("scores").items()) names.push_back(name);
    std::vector<std::string> wanted = rewards_;
    std::sort(wanted.begin(), wanted.end());
    std::sort(names.begin(), names.end());
    if (names != wanted) other_rewards(joined(names));
    if (!row.contains("error"))
      done_.insert(key_of(row.at("image").get<std::string>(), row.value("prompt", "")));
    keep = end + 1;
    begin = end + 1;
  }
  return keep;
}

bool ScoreTable::has(const ScoreItem& item) const {
  return done_.contains(key_of(item.image, item.prompt));
}

void ScoreTable::append(const ScoredRow& row) {
  if (!csv_) {
    file_->append(row_json(row, rewards_)
                      .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
                  "\n");
  } else {
    std::vector<std::string> cells = {row.item->image, row.item->prompt};
    for (const double score : row.scores)
      cells.push_back(std::isfinite(score) ? nlohmann::json(score).dump() : "");
    cells.push_back(row.error);
    file_->append(csv_line(cells));
  }
  if (row.error.empty()) done_.insert(key_of(row.item->image, row.item->prompt));
}

}  // namespace hn::run
