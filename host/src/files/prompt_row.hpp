// What a row of a file says of a prompt beside its text. One reader for lists of prompts (training,
// sampling) and tables of pictures (scoring).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/prompt.hpp"

namespace hn::host {

// Where the prompt's own picture stands. kImage: under "image" or "prompt_image"; kPromptImage:
// under "prompt_image" alone, since "image" names the picture that the row is about.
enum class PictureKey { kImage, kPromptImage };

struct PromptRow {
  core::Prompt prompt;
  // The files of prompt.tensors, as "prompt_image" or "mask", and the path from the working folder.
  std::vector<std::pair<std::string, std::string>> pictures;
};

// text, with "negative" (a text), "metadata" (an object) and the pictures of `row`; null counts as
// absent. Paths start at `folder`. A picture is float32 [3,H,W] in [0,1], a mask [1,H,W], the mean
// of its colours. Errors: HN_INVALID_ARGUMENT with what was wanted under which key, those of
// read_image; the caller adds file and line.
PromptRow read_prompt_row(std::string text, const nlohmann::json& row,
                          const std::filesystem::path& folder, PictureKey key);

// A row of cells as such an object: the columns "negative", "metadata" (an object as JSON),
// "prompt_image" and "mask" that are there and not empty. cells: as many as header. Errors:
// HN_INVALID_ARGUMENT (a column twice, no JSON).
nlohmann::json prompt_cells(std::span<const std::string> header,
                            std::span<const std::string> cells);

// Whether a row says anything of a prompt beside its text.
bool has_prompt_fields(const nlohmann::json& row, PictureKey key);

}  // namespace hn::host
