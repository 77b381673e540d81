// A folder of sampled pictures with their prompts, as the verbs score and compare read it back.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/session.hpp"
#include "files/image.hpp"

namespace hn::host {

// The folder gets 00.png, 01.png, ... (picture_name), prompts.jsonl with a row {"image", "prompt"}
// a picture, and sheet.html, a page that shows all. The page is no picture, so that nothing that
// takes the folder's pictures takes it for one.
//
// A folder is used again as a whole: the pictures that its prompts.jsonl lists are the former
// sample's and go. Other pictures are somebody's own: they are refused before anything is drawn.
class SampleFolder {
 public:
  // Makes the folder, for `count` pictures; files of their names are replaced. Errors: HN_NOT_FOUND
  // (it cannot be made or listed), HN_INVALID_ARGUMENT (it holds other pictures; the first is
  // named), those of read_item_table for the former table.
  SampleFolder(std::filesystem::path folder, std::size_t count);

  // images: [B,3,H,W] in [0,1]; a prompt each, which the file says too, beside "sample", its place,
  // and `texts`. Returns the files. The former table goes first and
  // the new one is written last, so that a killed process never leaves pictures under other
  // prompts.
  std::vector<std::filesystem::path> write(const core::Tensor& images,
                                           const std::vector<std::string>& prompts,
                                           const PngTexts& texts);

  // The same in parts, for work that is stopped and goes on: pictures one by one in any order, in
  // place of what is there, and at last table and page. Until then the folder has no table.
  std::filesystem::path put(std::size_t index, const core::Tensor& images, std::int64_t row,
                            const PngTexts& texts = {}) const;
  std::vector<std::filesystem::path> finish(const std::vector<std::string>& prompts) const;

 private:
  std::filesystem::path folder_;
  std::size_t count_;
  std::vector<std::filesystem::path> former_;
};

}  // namespace hn::host
