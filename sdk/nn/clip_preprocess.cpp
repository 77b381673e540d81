// The image processing of a CLIP folder: processor_config.json and preprocessor_config.json.
#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/nn/clip_config.hpp>

#include "nn/channel_numbers.hpp"

namespace hn {
namespace {

namespace fs = std::filesystem;

// CLIPImageProcessor's, for keys that a file leaves out.
constexpr std::int64_t kUsualSize = 224;
// Of a picture's edge after resizing: far above any tower's, and one that memory holds.
constexpr std::int64_t kLargest = 16'384;

[[noreturn]] void unsupported(const JsonObject& json, const std::string& key,
                              const std::string& expected, const std::string& got) {
  throw Error(HN_UNSUPPORTED,
              json.where() + ": " + key + ": expected " + expected + ", got " + got);
}

struct Size {
  std::int64_t height = 0, width = 0;  // both 0: the shorter edge is given
  std::int64_t short_edge = 0;
};

// 224, [224, 224], {"shortest_edge": 224} or {"height": 224, "width": 224}. A number is a square
// where `square` holds, else the shorter edge.
Size read_size(JsonObject& json, const std::string& key, bool square) {
  const nlohmann::json* value = json.optional_member(key);
  Size size;
  if (value == nullptr) {
    size = key == "crop_size" ? Size{kUsualSize, kUsualSize, 0} : Size{0, 0, kUsualSize};
  } else if (value->is_number()) {
    const auto n = json.get<std::int64_t>(key);
    size = square ? Size{n, n, 0} : Size{0, 0, n};
  } else if (value->is_array()) {
    const auto both = json.get<std::vector<std::int64_t>>(key);
    if (both.size() != 2) json.fail(key, "a height and a width");
    size = {both[0], both[1], 0};
  } else {
    JsonObject object(*value, json.where() + ": " + key);
    if (object.has("shortest_edge"))
      size.short_edge = object.get<std::int64_t>("shortest_edge");
    else
      size = {object.get<std::int64_t>("height"), object.get<std::int64_t>("width"), 0};
    object.finish();
  }
  const auto good = [](std::int64_t n) { return n > 0 && n <= kLargest; };
  if (!good(size.short_edge) && !(good(size.height) && good(size.width)))
    json.fail(key, "a size of 1 to " + std::to_string(kLargest));
  return size;
}

void read_resize(JsonObject& json, ClipPreprocess& p) {
  p.resize = json.get_or<bool>("do_resize", true);
  const Size size = read_size(json, "size", json.get_or<bool>("default_to_square", false));
  p.resize_short_edge = size.short_edge;
  p.resize_to = {size.height, size.width};
  p.crop = json.get_or<bool>("do_center_crop", true);
  const Size crop = read_size(json, "crop_size", true);
  if (p.crop && crop.short_edge > 0)
    unsupported(json, "crop_size", "a height and a width", "shortest_edge alone");
  p.crop_to = {crop.height, crop.width};
  const auto resample = json.get_or<std::int64_t>("resample", 3);
  if (resample != 2 && resample != 3)
    unsupported(json, "resample", "2 (bilinear) or 3 (bicubic)", std::to_string(resample));
  p.filter = resample == 3 ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
}

// Pictures come in [0,1], which is what a factor of 1/255 makes of bytes.
void read_numbers(JsonObject& json, ClipPreprocess& p) {
  const double factor = json.get_or<double>("rescale_factor", 1.0 / 255.0);
  if (!json.get_or<bool>("do_rescale", true))
    unsupported(json, "do_rescale", "true (pictures reach the tower in [0,1])", "false");
  if (std::fabs(factor * 255.0 - 1.0) > 1e-6)
    unsupported(json, "rescale_factor", "1/255 (pictures reach the tower in [0,1])",
                std::to_string(factor));
  const bool normalize = json.get_or<bool>("do_normalize", true);
  const auto mean = channel_means(json, "image_mean", p.mean),
             std = channel_deviations(json, "image_std", p.std);
  p.mean = normalize ? mean : std::array<double, 3>{0, 0, 0};
  p.std = normalize ? std : std::array<double, 3>{1, 1, 1};
}

void read_keys(JsonObject& json, ClipPreprocess& p) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    const auto name = json.get_or<std::string>(key, "CLIPImageProcessor");
    if (name != "CLIPImageProcessor" && name != "CLIPImageProcessorFast" &&
        name != "CLIPImageProcessorPil" && name != "CLIPFeatureExtractor")
      unsupported(json, key, "CLIPImageProcessor", name);
  }
  for (const char* key : {"do_pad", "use_square_size"})
    if (json.get_or<bool>(key, false)) unsupported(json, key, "false", "true");
  read_resize(json, p);
  read_numbers(json, p);
  // do_convert_rgb: pictures are RGB before they come here. pad_size: of do_pad. The rest is
  // bookkeeping, or how arrays lie in upstream's memory.
  json.ignore({"_processor_class", "_valid_processor_keys", "auto_map", "data_format", "device",
               "disable_grouping", "do_convert_rgb", "image_seq_length", "input_data_format",
               "pad_size", "processor_class", "return_tensors"});
  json.finish();
}

void check_result(const JsonObject& json, const ClipPreprocess& p, std::int64_t n) {
  if (!p.crop && (!p.resize || p.resize_short_edge > 0))
    unsupported(json, "do_center_crop",
                "true, as pictures of any shape must end at the tower's " + std::to_string(n) +
                    " x " + std::to_string(n),
                "false");
  const auto result = p.crop ? p.crop_to : p.resize_to;
  if (result[0] != n || result[1] != n)
    throw Error(HN_UNSUPPORTED, json.where() + ": expected processing that ends at the tower's " +
                                    std::to_string(n) + " x " + std::to_string(n) + ", got " +
                                    std::to_string(result[0]) + " x " + std::to_string(result[1]));
}

}  // namespace

std::optional<ClipPreprocess> read_clip_preprocess(const fs::path& folder,
                                                   const ClipVisionConfig& vision) {
  std::error_code ignored;
  const auto read = [&](const nlohmann::json& value, const std::string& where) {
    ClipPreprocess p;
    JsonObject json(value, where);
    read_keys(json, p);
    check_result(json, p, vision.image_size);
    return p;
  };
  // transformers 5 saves all of a processor in one file; the older file is not read beside it.
  const fs::path whole = folder / "processor_config.json";
  if (fs::exists(whole, ignored)) {
    const nlohmann::json document = read_json_file(whole);
    JsonObject json(document, "[clip] " + whole.string());
    if (const nlohmann::json* inner = json.optional_member("image_processor"))
      return read(*inner, json.where() + ": image_processor");
  }
  const fs::path path = folder / "preprocessor_config.json";
  if (fs::exists(path, ignored)) return read(read_json_file(path), "[clip] " + path.string());
  return std::nullopt;
}

}  // namespace hn
