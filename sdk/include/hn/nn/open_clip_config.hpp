// The configuration of a CLIP model in OpenCLIP's layout: open_clip_config.json, or the tensors.
#pragma once

#include <filesystem>
#include <hn/formats/weight_files.hpp>
#include <hn/nn/clip_config.hpp>

namespace hn {

struct OpenClipConfig {
  ClipConfig config;
  ClipPreprocess preprocess;
};

// Reads open_clip_config.json: model_cfg (or a bare model_cfg, as in OpenCLIP's model_configs) and
// preprocess_cfg.
//
// Source: open_clip 3.3 src/open_clip/model.py (CLIPVisionCfg, CLIPTextCfg), transform.py
// (PreprocessCfg); defaults are theirs. Errors: HN_NOT_FOUND, HN_DATA_LOSS (wrong types, unknown
// keys with the nearest known); HN_UNSUPPORTED names every field whose value would change the
// result and is not built here: towers of timm and of Hugging Face, ResNets, attentional pooling,
// layer scale, other pooling, final_ln_after_pool, ...
OpenClipConfig read_open_clip_config(const std::filesystem::path& file);

// What the tensors do not tell.
struct ClipGuess {
  ClipActivation activation = ClipActivation::kGelu;
};

// The configuration that tensors under Hugging Face's names have, for checkpoints without a config:
// widths, layers, patch, image size, projection and vocabulary are shapes. Heads are not: the text
// tower's are 64 wide as in every published model, the image tower's 80, 88 and 104 at the widths
// 1280 (ViT-H), 1408 (ViT-g) and 1664 (ViT-bigG), else 64. The pooled token is the highest id, as
// in OpenCLIP.
//
// A tower without tensors keeps its defaults. Errors: HN_DATA_LOSS names the tensor that is missing
// or has a shape that no CLIP has, and widths that the heads do not divide.
ClipConfig clip_config_from_tensors(const WeightFiles& files, const ClipGuess& guess);

}  // namespace hn
