#include "support/csv.hpp"

#include <hn/cpp/error.hpp>

namespace hn::host {
namespace {

class Reader {
 public:
  Reader(std::string_view text, char separator, const std::string& where)
      : text_(text), separator_(separator), where_(where) {}

  // False at the end of the text.
  bool next(CsvRow& row, bool& whole) {
    row = {};
    row.line = line_;
    if (at_ >= text_.size()) return false;
    for (;;) {
      row.cells.push_back(cell());
      if (at_ >= text_.size()) {
        whole = false;
        break;
      }
      const char mark = text_[at_++];
      if (mark == separator_) continue;
      if (mark == '\r' && at_ < text_.size() && text_[at_] == '\n') ++at_;
      ++line_;
      whole = true;
      break;
    }
    row.end = at_;
    return true;
  }

 private:
  std::string cell() {
    if (at_ >= text_.size() || text_[at_] != '"') {
      const std::size_t begin = at_;
      while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' &&
             text_[at_] != '\r')
        ++at_;
      return std::string(text_.substr(begin, at_ - begin));
    }
    std::string out;
    const std::size_t opened = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      const bool mac = text_[at_] == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] != '\n');
      if (text_[at_] == '\n' || mac) ++line_;
      if (text_[at_] != '"') {
        out += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        out += text_[at_++];
      } else {
        break;
      }
    }
    if (at_ >= text_.size()) fail(opened, "a quote is never closed");
    ++at_;
    if (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' && text_[at_] != '\r')
      fail(line_, "expected a separator behind a quoted cell");
    return out;
  }
  [[noreturn]] void fail(std::size_t line, const char* text) const {
    throw Error(HN_DATA_LOSS, "[" + where_ + "] line " + std::to_string(line) + ": " + text);
  }

  std::string_view text_;
  char separator_;
  const std::string& where_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text, char separator, const std::string& where,
                              bool open_end) {
  std::vector<CsvRow> rows;
  Reader reader(text, separator, where);
  CsvRow row;
  bool whole = true;
  while (reader.next(row, whole)) {
    if (!whole && !open_end) break;
    if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

namespace {

bool looks_like_formula(std::string_view text) {
  const std::size_t first = text.find_first_not_of('\'');
  return first != std::string_view::npos &&
         std::string_view("=+-@\t\r\n").find(text[first]) != std::string_view::npos;
}

}  // namespace

std::string guarded_text(std::string_view text) {
  return (looks_like_formula(text) ? "'" : "") + std::string(text);
}

std::string plain_text(std::string_view cell) {
  return std::string(cell.substr(cell.starts_with('\'') && looks_like_formula(cell) ? 1 : 0));
}

bool has_guarded_texts(const std::vector<std::string>& header) {
  return header.size() > 2 && header[0] == "image" && header[1] == "prompt" &&
         header.back() == "error";
}

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\n\r\t") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

}  // namespace hn::host
