#include <hn/cpp/error.hpp>
#include <hn/nn/clip_files.hpp>
#include <hn/nn/open_clip_names.hpp>
#include <utility>

namespace hn {
namespace {

namespace fs = std::filesystem;

ClipPreprocess usual_preprocess(std::int64_t image_size, CropRounding crop) {
  ClipPreprocess p;
  p.resize_short_edge = image_size;
  p.crop_to = {image_size, image_size};
  p.official_crop = crop;
  return p;
}

std::string pixels(std::int64_t n) { return std::to_string(n) + " x " + std::to_string(n); }

void read_preprocess(ClipFiles& files) {
  const std::int64_t n = files.config.vision.image_size;
  if (files.layout == ClipLayout::kOpenClip) {
    files.preprocess = usual_preprocess(n, CropRounding::kHalfToEven);
    files.assumed.push_back(
        "no open_clip_config.json beside the weights: pictures get OpenAI's mean "
        "and deviation and bicubic resizing to " +
        pixels(n));
    return;
  }
  const auto read = read_clip_preprocess(files.folder, files.config.vision);
  files.preprocess = read ? *read : usual_preprocess(n, CropRounding::kDown);
  if (!read)
    files.assumed.push_back(
        "neither processor_config.json nor preprocessor_config.json beside the "
        "weights: pictures get OpenAI's mean and deviation and bicubic resizing "
        "to " +
        pixels(n));
}

const char* name_of(ClipActivation activation) {
  switch (activation) {
    case ClipActivation::kQuickGelu: return "quick_gelu";
    case ClipActivation::kGelu: return "gelu";
    case ClipActivation::kGeluTanh: return "gelu_pytorch_tanh";
  }
  return "";
}

void read_configs(ClipFiles& files, const ClipGuess& guess, bool activation_given) {
  std::error_code ignored;
  if (files.layout == ClipLayout::kOpenClip &&
      fs::exists(files.folder / "open_clip_config.json", ignored)) {
    OpenClipConfig read = read_open_clip_config(files.folder / "open_clip_config.json");
    files.config = read.config;
    files.preprocess = read.preprocess;
    return;
  }
  if (files.layout == ClipLayout::kHuggingFace &&
      fs::exists(files.folder / "config.json", ignored)) {
    files.config = read_clip_config(files.folder);
  } else {
    files.config = clip_config_from_tensors(files.weights, guess);
    files.assumed.push_back(std::string(files.layout == ClipLayout::kOpenClip
                                            ? "no open_clip_config.json"
                                            : "no config.json") +
                            " beside the weights: sizes are those of the tensors, with " +
                            std::to_string(files.config.vision.encoder.heads) +
                            " heads for pictures and a layer_norm_eps of 1e-5" +
                            (activation_given ? std::string()
                                              : std::string(", and ") + name_of(guess.activation) +
                                                    " (option activation says another)"));
  }
  read_preprocess(files);
}

}  // namespace

ClipFiles clip_files_of(const WeightFiles& weights, const fs::path& folder, const ClipGuess& guess,
                        std::optional<ClipActivation> activation) {
  const bool open_clip = has_open_clip_names(weights);
  if (!open_clip && weights.find("vision_model.embeddings.patch_embedding.weight") == nullptr)
    throw Error(HN_DATA_LOSS, "[clip] " + weights.path().string() +
                                  ": expected a CLIP model (visual.conv1.weight of OpenCLIP or "
                                  "vision_model.embeddings.patch_embedding.weight of Hugging "
                                  "Face), got " +
                                  std::to_string(weights.size()) + " tensors of another model");
  ClipFiles files{open_clip ? open_clip_as_hugging_face(weights) : weights,
                  open_clip ? ClipLayout::kOpenClip : ClipLayout::kHuggingFace,
                  folder,
                  {},
                  {},
                  {}};
  read_configs(files, guess, activation.has_value());
  if (activation) {
    files.config.text.encoder.activation = *activation;
    files.config.vision.encoder.activation = *activation;
  }
  return files;
}

ClipFiles open_clip_files(const fs::path& path, std::initializer_list<const char*> preferred,
                          const ClipGuess& guess, std::optional<ClipActivation> activation) {
  std::error_code ignored;
  const fs::path folder = fs::is_directory(path, ignored) ? path : path.parent_path();
  return clip_files_of(WeightFiles::open(path, preferred), folder, guess, activation);
}

}  // namespace hn
