#include "files/prompt_row.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>

#include "files/decode_image.hpp"
#include "files/image.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

constexpr const char* kFields[] = {"negative", "metadata", "prompt_image", "mask"};

[[noreturn]] void fail(const std::string& text) { throw Error(HN_INVALID_ARGUMENT, text); }

std::string text_under(const nlohmann::json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return {};
  if (!found->is_string()) fail(cat("expected a text under \"", key, "\""));
  auto text = found->get<std::string>();
  if (text.find('\0') != std::string::npos) fail(cat("a zero byte in ", key));
  return text;
}

// Three channels, or one of a mask (its mean over the colours).
core::PromptTensor picture_tensor(const std::string& name, const std::filesystem::path& path) {
  const std::vector<Image> images = {read_image(path)};
  const std::vector<std::string> names = {path.string()};
  core::PromptTensor named{name, from_images(images, names)};
  auto& shape = named.tensor.shape;
  shape.erase(shape.begin());
  if (name != "mask") return named;
  const std::size_t plane = named.tensor.data.size() / 3;
  for (std::size_t i = 0; i < plane; ++i)
    named.tensor.data[i] =
        (named.tensor.data[i] + named.tensor.data[plane + i] + named.tensor.data[2 * plane + i]) /
        3;
  named.tensor.data.resize(plane);
  shape[0] = 1;
  return named;
}

}  // namespace

PromptRow read_prompt_row(std::string text, const nlohmann::json& row,
                          const std::filesystem::path& folder, PictureKey key) {
  PromptRow read;
  read.prompt.text = std::move(text);
  read.prompt.negative = text_under(row, "negative");
  if (const auto found = row.find("metadata"); found != row.end() && !found->is_null()) {
    if (!found->is_object()) fail("expected an object under \"metadata\"");
    read.prompt.json = found->dump();
  }
  std::string image = text_under(row, "prompt_image");
  if (key == PictureKey::kImage) {
    std::string other = text_under(row, "image");
    if (!image.empty() && !other.empty())
      fail("expected the prompt's picture under \"image\" or \"prompt_image\", got both");
    if (image.empty()) image = std::move(other);
  }
  std::vector<core::PromptTensor> tensors;
  const auto add = [&](const char* name, const char* as, const std::string& given) {
    if (given.empty()) return;
    const std::filesystem::path file = folder / given;
    tensors.push_back(picture_tensor(name, file));
    read.pictures.emplace_back(as, file.lexically_normal().string());
  };
  add("image", "prompt_image", image);
  add("mask", "mask", text_under(row, "mask"));
  if (!tensors.empty())
    read.prompt.tensors =
        std::make_shared<const std::vector<core::PromptTensor>>(std::move(tensors));
  return read;
}

nlohmann::json prompt_cells(std::span<const std::string> header,
                            std::span<const std::string> cells) {
  auto row = nlohmann::json::object();
  for (const char* field : kFields) {
    const auto at = std::find(header.begin(), header.end(), field);
    if (at == header.end()) continue;
    if (std::find(at + 1, header.end(), field) != header.end())
      fail(cat("expected one column '", field, "', got two"));
    const std::string& cell = cells[static_cast<std::size_t>(at - header.begin())];
    if (cell.empty()) continue;
    const bool json = field == std::string_view("metadata");
    if (!json) {
      row[field] = cell;
      continue;
    }
    try {
      row[field] = parse_json(cell, "metadata: expected a JSON object");
    } catch (const Error& error) {
      fail(error.what());
    }
  }
  return row;
}

bool has_prompt_fields(const nlohmann::json& row, PictureKey key) {
  const auto is_there = [&](const char* field) {
    const auto found = row.find(field);
    return found != row.end() && !found->is_null() && *found != "";
  };
  return std::any_of(std::begin(kFields), std::end(kFields), is_there) ||
         (key == PictureKey::kImage && is_there("image"));
}

}  // namespace hn::host
