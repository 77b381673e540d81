// A CLIP checkpoint on the disk: its tensors under one set of names, its configuration and its
// image processing, whichever of the published layouts it is in.
#pragma once

#include <filesystem>
#include <hn/formats/weight_files.hpp>
#include <hn/nn/clip_config.hpp>
#include <hn/nn/open_clip_config.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace hn {

enum class ClipLayout { kHuggingFace, kOpenClip };

struct ClipFiles {
  WeightFiles weights;  // under Hugging Face's names
  ClipLayout layout;    // of the names in the file
  std::filesystem::path folder;
  ClipConfig config;
  ClipPreprocess preprocess;
  // What no file says and was taken for granted, a sentence each. A plugin whose model leaves no
  // choice clears them; the others tell them.
  std::vector<std::string> assumed;
};

// Opens a folder or a weights file (WeightFiles::open with `preferred`). Sizes come from the config
// beside the weights: config.json for Hugging Face's names, open_clip_config.json for OpenCLIP's;
// without one, from the tensors (clip_config_from_tensors). `activation` overrides what a config
// says. Errors: those of WeightFiles::open and of the config readers; HN_DATA_LOSS where the
// tensors are no CLIP model's.
ClipFiles open_clip_files(const std::filesystem::path& path,
                          std::initializer_list<const char*> preferred, const ClipGuess& guess,
                          std::optional<ClipActivation> activation = std::nullopt);

// The same over tensors that are open already; `folder` is where the configs are looked for.
ClipFiles clip_files_of(const WeightFiles& weights, const std::filesystem::path& folder,
                        const ClipGuess& guess,
                        std::optional<ClipActivation> activation = std::nullopt);

}  // namespace hn
