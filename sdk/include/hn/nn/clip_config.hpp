// The configuration of a CLIP model in Hugging Face's layout: config.json, and
// processor_config.json or preprocessor_config.json.
//
// Source: transformers 5.23 models/clip/configuration_clip.py, image_processing_clip.py; defaults
// are theirs.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <hn/nn/image_ops.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace hn {

enum class ClipActivation { kQuickGelu, kGelu, kGeluTanh };

// One transformer of pre-norm layers; both towers have one.
struct ClipEncoderConfig {
  std::int64_t width = 0;         // hidden_size
  std::int64_t intermediate = 0;  // intermediate_size
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  double layer_norm_eps = 1e-5;
  ClipActivation activation = ClipActivation::kQuickGelu;
};

struct ClipTextConfig {
  ClipEncoderConfig encoder;
  std::int64_t vocab_size = 49408;
  std::int64_t max_positions = 77;
  std::int64_t eos_token_id =
      49407;  // 2: the rule of old checkpoints, pool at the highest id (transformers PR 24773)
};

struct ClipVisionConfig {
  ClipEncoderConfig encoder;
  std::int64_t image_size = 224;
  std::int64_t patch_size = 32;
  std::int64_t channels = 3;
};

struct ClipConfig {
  ClipTextConfig text;
  ClipVisionConfig vision;
  std::int64_t projection_dim = 512;
};

// What happens between an image in [0,1] and the vision tower.
struct ClipPreprocess {
  std::int64_t resize_short_edge = 224;            // 0: resize to resize_to exactly
  std::array<std::int64_t, 2> resize_to = {0, 0};  // height, width
  bool resize = true;
  ResizeFilter filter = ResizeFilter::kBicubic;
  bool crop = true;
  std::array<std::int64_t, 2> crop_to = {224, 224};  // height, width
  // How the official 8-bit path cuts an odd margin: transformers' processors round down, the
  // scorers that use torchvision on Pillow images (image-reward, open_clip) round half to even.
  CropRounding official_crop = CropRounding::kDown;
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std = {0.26862954, 0.26130258, 0.27577711};
  // What PreprocessMode::kOfficial resizes: the 8-bit image, as Pillow does, or its float tensor.
  bool official_resizes_bytes = true;
};

// Errors: HN_NOT_FOUND (no config.json), HN_DATA_LOSS (wrong types, widths that the heads do not
// divide, unknown keys with the nearest known name), HN_UNSUPPORTED (an activation, a patch or
// image that is not square). `where` starts the messages.
ClipConfig read_clip_config(const std::filesystem::path& folder);
// The text half alone, as text encoders of generators have it (a CLIPTextModel's config.json).
ClipTextConfig parse_clip_text_config(const nlohmann::json& json, const std::string& where);
ClipVisionConfig parse_clip_vision_config(const nlohmann::json& json, const std::string& where);

// "image_processor" of processor_config.json, as transformers 5 saves it, else
// preprocessor_config.json; nullopt where the folder has neither. Keys that a file leaves out have
// CLIPImageProcessor's values. Errors as above; HN_UNSUPPORTED for another processor, a resample
// filter other than bilinear (2) and bicubic (3), and a result that is not image_size x image_size
// whatever the picture's shape.
std::optional<ClipPreprocess> read_clip_preprocess(const std::filesystem::path& folder,
                                                   const ClipVisionConfig& vision);

}  // namespace hn
