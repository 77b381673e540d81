#include "run/sample_folder.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "files/image.hpp"
#include "files/item_table.hpp"
#include "files/natural_order.hpp"
#include "files/pictures.hpp"
#include "report/report.hpp"
#include "report/svg.hpp"
#include "scoring/score_items.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTable = "prompts.jsonl";
constexpr const char* kSheet = "sheet.html";

std::string sheet(const std::vector<std::string>& names, const std::vector<std::string>& prompts) {
  std::string body =
      "<h1>" + std::to_string(names.size()) + " samples</h1><div class=\"pictures\">";
  for (std::size_t i = 0; i < names.size(); ++i)
    body += "<div><img src=\"" + names[i] + "\" style=\"width:100%\" alt=\"\"><p>" + names[i] +
            ": " + escape_html(prompts[i]) + "</p></div>";
  return html_page("Samples", body + "</div>");
}

}  // namespace

SampleFolder::SampleFolder(fs::path folder, std::size_t count)
    : folder_(std::move(folder)), count_(count) {
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code)
    throw Error(HN_NOT_FOUND,
                "[sample] " + folder_.string() + " cannot be created: " + code.message());
  std::set<std::string> listed;
  if (fs::exists(fs::symlink_status(folder_ / kTable, code)))
    for (const TableRow& row : read_item_table(folder_ / kTable).rows) listed.insert(row.image);
  for (std::size_t i = 0; i < count; ++i) listed.insert(picture_name(i, count));
  std::vector<fs::path> others;
  auto entry = fs::directory_iterator(folder_, code);
  for (; !code && entry != fs::directory_iterator(); entry.increment(code)) {
    const fs::path name = entry->path().filename();
    if (!is_picture(name) || name.native().starts_with('.')) continue;
    (listed.contains(name.native()) ? former_ : others).push_back(entry->path());
  }
  if (code)
    throw Error(HN_NOT_FOUND,
                "[sample] " + folder_.string() + " cannot be listed: " + code.message());
  if (others.empty()) return;
  const auto first = std::min_element(others.begin(), others.end(), natural_less);
  throw Error(HN_INVALID_ARGUMENT,
              "[sample] " + folder_.string() +
                  ": expected no pictures but those of a former sample "
                  "(" +
                  kTable + " lists them), got " + std::to_string(others.size()) + ", the first " +
                  first->filename().string() + "; they would be taken for this sample's");
}

std::vector<fs::path> SampleFolder::write(const core::Tensor& images,
                                          const std::vector<std::string>& prompts,
                                          const PngTexts& texts) {
  // What a killed sample left here; another one may be writing beside.
  remove_unfinished(folder_, [](const UnfinishedFile& file) {
    return (is_picture(file.name) || file.name == kTable || file.name == kSheet) &&
           !file.writer_lives();
  });
  fs::remove(folder_ / kTable);
  for (const fs::path& file : former_) fs::remove(file);
  std::vector<fs::path> files;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    PngTexts own = {{"prompt", prompts[i]}, {"sample", std::to_string(i)}};
    own.insert(own.end(), texts.begin(), texts.end());
    files.push_back(put(i, images, static_cast<std::int64_t>(i), own));
  }
  for (fs::path& file : finish(prompts)) files.push_back(std::move(file));
  return files;
}

fs::path SampleFolder::put(std::size_t index, const core::Tensor& images, std::int64_t row,
                           const PngTexts& texts) const {
  fs::path file = folder_ / picture_name(index, count_);
  write_png(file, to_image(images, row), texts);
  return file;
}

std::vector<fs::path> SampleFolder::finish(const std::vector<std::string>& prompts) const {
  std::vector<std::string> names;
  std::string table;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    names.push_back(picture_name(i, prompts.size()));
    table += nlohmann::ordered_json{{"image", names.back()}, {"prompt", prompts[i]}}.dump() + "\n";
  }
  write_file_atomically(folder_ / kSheet, sheet(names, prompts));
  write_file_atomically(folder_ / kTable, table);
  return {folder_ / kSheet, folder_ / kTable};
}

}  // namespace hn::host
