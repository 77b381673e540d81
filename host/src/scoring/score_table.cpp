#include "scoring/score_table.hpp"

#include <algorithm>
#include <cmath>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>

#include "files/prompt_row.hpp"
#include "scoring/evaluate.hpp"
#include "support/csv.hpp"

namespace hn::host {
namespace {

constexpr std::size_t kMaxTableBytes = std::size_t{4} << 30;

std::uint64_t key_of(const std::string& identity) { return std::hash<std::string>()(identity); }

// Of a row that is in the file: its fields as an object, as prompt_cells has them.
std::uint64_t key_of(const std::string& image, const std::string& prompt,
                     const nlohmann::json& row) {
  core::Prompt whole(prompt);
  whole.negative = row.value("negative", "");
  if (row.contains("metadata")) whole.json = row.at("metadata").dump();
  std::vector<std::pair<std::string, std::string>> pictures;
  for (const char* name : {"prompt_image", "mask"})
    if (row.contains(name)) pictures.emplace_back(name, row.at(name).get<std::string>());
  return key_of(identity(image, whole, pictures));
}

const std::string& picture_of(const ScoreItem& item, std::string_view name) {
  static const std::string none;
  for (const auto& [as, path] : item.prompt_pictures)
    if (as == name) return path;
  return none;
}

bool has_fields(const ScoreItem& item) {
  return !item.prompt.negative.empty() || !item.prompt.json.empty() ||
         !item.prompt_pictures.empty();
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::vector<std::string> csv_header(const std::vector<std::string>& rewards, bool fields) {
  std::vector<std::string> header = {"image", "prompt"};
  if (fields) header.insert(header.end(), {"negative", "metadata", "prompt_image", "mask"});
  header.insert(header.end(), rewards.begin(), rewards.end());
  header.emplace_back("error");
  return header;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line = host::csv_cell(cells[0]);
  for (std::size_t i = 1; i < cells.size(); ++i) line += "," + host::csv_cell(cells[i]);
  return line + "\n";
}

// A reason names files, whose names may be no UTF-8.
std::string shown_error(const ScoredRow& row) {
  return invalid_utf8(row.error) == std::string::npos ? row.error : escaped_bytes(row.error);
}

// Whether a line holds a whole row with its numbers.
bool is_row(std::string_view line, std::size_t columns, std::size_t texts) {
  std::vector<host::CsvRow> rows;
  try {
    rows = host::parse_csv(line, ',', "", false);
  } catch (const Error&) {
    return false;
  }
  if (rows.size() != 1 || rows[0].cells.size() != columns) return false;
  return std::all_of(
      rows[0].cells.begin() + static_cast<std::ptrdiff_t>(texts), rows[0].cells.end() - 1,
      [](const std::string& cell) { return nlohmann::json::accept(cell) || cell.empty(); });
}

bool is_score_row(const nlohmann::json& row) {
  const auto text = [&](const char* key) { return row.contains(key) && row.at(key).is_string(); };
  const auto absent_or = [&](const char* key, bool right) { return !row.contains(key) || right; };
  return row.is_object() && text("image") && text("prompt") && row.contains("scores") &&
         row.at("scores").is_object() && absent_or("negative", text("negative")) &&
         absent_or("metadata", row.contains("metadata") && row.at("metadata").is_object()) &&
         absent_or("prompt_image", text("prompt_image")) && absent_or("mask", text("mask"));
}

}  // namespace

nlohmann::ordered_json row_json(const ScoredRow& row, const std::vector<std::string>& rewards) {
  const core::Prompt& prompt = row.item->prompt;
  nlohmann::ordered_json json = {{"image", row.item->image}, {"prompt", prompt.text}};
  if (!prompt.negative.empty()) json["negative"] = prompt.negative;
  if (!prompt.json.empty()) json["metadata"] = nlohmann::ordered_json::parse(prompt.json);
  for (const auto& [name, path] : row.item->prompt_pictures) json[name] = path;
  nlohmann::ordered_json scores = nlohmann::ordered_json::object();
  for (std::size_t k = 0; k < rewards.size(); ++k)
    scores[rewards[k]] = finite_or_null(row.scores[k]);
  json["scores"] = std::move(scores);
  for (const auto& [name, value] : row.columns) json["columns"][name] = finite_or_null(value);
  if (!row.error.empty()) json["error"] = shown_error(row);
  return json;
}

ScoreTable::ScoreTable(std::filesystem::path file, const std::vector<std::string>& rewards,
                       std::span<const ScoreItem> items)
    : path_(std::move(file)),
      rewards_(rewards),
      csv_(path_.extension() == ".csv"),
      fields_(std::any_of(items.begin(), items.end(), has_fields)) {
  std::error_code ignored;
  std::uint64_t keep = 0;
  if (std::filesystem::is_regular_file(path_, ignored)) {
    const std::string text = read_whole_file(path_, kMaxTableBytes);
    keep = csv_ ? read_csv(text) : read_jsonl(text);
    keep = drop_errors(text, keep, items);
  }
  file_ = std::make_unique<AppendFile>(path_, keep);
  if (csv_ && keep == 0) file_->append(csv_line(csv_header(rewards_, fields_)));
}

void ScoreTable::other_rewards(const std::string& there) const {
  throw Error(HN_INVALID_ARGUMENT, "[" + path_.string() + "] expected a table of the rewards " +
                                       joined(rewards_) + ", it has " + there +
                                       "; name another file to begin anew");
}

void ScoreTable::damaged(std::size_t line, const std::string& text) const {
  throw Error(HN_DATA_LOSS, "[" + path_.string() + "] line " + std::to_string(line) +
                                ": expected a row of scores, got " + text +
                                "; mend or remove the line, or name another file");
}

std::uint64_t ScoreTable::drop_errors(const std::string& text, std::uint64_t end,
                                      std::span<const ScoreItem> items) {
  std::unordered_set<std::uint64_t> wanted;
  for (const ScoreItem& item : items) wanted.insert(key_of(identity(item)));
  std::string kept;
  std::uint64_t at = 0;
  for (const ErrorRow& row : errors_) {
    if (!wanted.contains(row.key) && !done_.contains(row.key)) continue;
    kept.append(text, at, row.begin - at);
    at = row.end;
  }
  if (at == 0) return end;
  kept.append(text, at, end - at);
  write_file_atomically(std::filesystem::canonical(path_), kept);  // a link stays one
  return kept.size();
}

std::uint64_t ScoreTable::read_csv(const std::string& text) {
  // A cut-off row may end inside a quote, so the last line end that closes a row is looked for.
  std::string whole = text;
  std::vector<host::CsvRow> rows;
  for (;;) {
    whole.resize(whole.find_last_of('\n') == std::string::npos ? 0 : whole.find_last_of('\n') + 1);
    try {
      rows = host::parse_csv(whole, ',', path_.string(), false);
      break;
    } catch (const Error&) {
      if (whole.empty()) throw;
      whole.pop_back();
    }
  }
  if (rows.empty()) return 0;
  if (rows[0].cells != csv_header(rewards_, fields_))
    other_rewards("the columns " + joined(rows[0].cells));
  const std::uint64_t end = rows.back().end;
  // One row can have been cut off. Where a whole one follows, a quote before it is damaged.
  const std::string_view rest = std::string_view(text).substr(end);
  for (std::size_t line = rest.find('\n'); line != std::string_view::npos;
       line = rest.find('\n', line + 1)) {
    const std::size_t next = std::min(rest.find('\n', line + 1), rest.size() - 1);
    if (is_row(rest.substr(line + 1, next - line), rows[0].cells.size(), fields_ ? 6 : 2))
      damaged(line_of(text, end), "a quote that is never closed");
  }
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::vector<std::string> cells = rows[i].cells;
    if (cells.size() != rows[0].cells.size())
      damaged(rows[i].line, std::to_string(cells.size()) + " cells for " +
                                std::to_string(rows[0].cells.size()) + " columns");
    std::transform(cells.begin(), cells.end(), cells.begin(), host::plain_text);
    std::uint64_t key = 0;
    try {
      key = key_of(cells[0], cells[1], prompt_cells(rows[0].cells, cells));
    } catch (const Error& error) {
      damaged(rows[i].line, error.what());
    }
    if (cells.back().empty())
      done_.insert(key);
    else
      errors_.push_back({key, rows[i - 1].end, rows[i].end});
  }
  return end;
}

std::uint64_t ScoreTable::read_jsonl(const std::string& text) {
  std::vector<std::string> wanted = rewards_;
  std::sort(wanted.begin(), wanted.end());
  std::size_t line = 0;
  std::uint64_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    ++line;
    nlohmann::json row;
    try {
      row = parse_json(std::string_view(text).substr(begin, end - begin), "");
    } catch (const Error& error) {
      if (line > 1) damaged(line, "no JSON" + std::string(error.what()));
    }
    if (!is_score_row(row)) {
      if (line > 1) damaged(line, "something else");
      throw Error(HN_INVALID_ARGUMENT,
                  "[" + path_.string() + "] is no table of scores; name another file");
    }
    std::vector<std::string> names;
    for (const auto& [name, value] : row.at("scores").items()) names.push_back(name);
    std::sort(names.begin(), names.end());
    if (names != wanted) other_rewards(joined(names));
    const std::uint64_t key =
        key_of(row.at("image").get<std::string>(), row.at("prompt").get<std::string>(), row);
    if (row.contains("error"))
      errors_.push_back({key, begin, end + 1});
    else
      done_.insert(key);
  }
  return begin;
}

bool ScoreTable::has(const ScoreItem& item) const { return done_.contains(key_of(identity(item))); }

void ScoreTable::append(const ScoredRow& row) {
  if (!csv_) {
    file_->append(row_json(row, rewards_).dump() + "\n");
  } else {
    const ScoreItem& item = *row.item;
    std::vector<std::string> cells = {host::guarded_text(item.image),
                                      host::guarded_text(item.prompt.text)};
    if (fields_)
      for (const std::string& text : {item.prompt.negative, item.prompt.json,
                                      picture_of(item, "prompt_image"), picture_of(item, "mask")})
        cells.push_back(host::guarded_text(text));
    for (const double score : row.scores)
      cells.push_back(std::isfinite(score) ? nlohmann::json(score).dump() : "");
    cells.push_back(host::guarded_text(shown_error(row)));
    file_->append(csv_line(cells));
  }
  if (row.error.empty()) done_.insert(key_of(identity(*row.item)));
}

}  // namespace hn::host
