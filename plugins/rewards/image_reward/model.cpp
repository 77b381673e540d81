#include "model.hpp"

#include <ATen/ATen.h>

#include <hn/formats/weight_files.hpp>
#include <utility>
#include <vector>

namespace hn::image_reward {
namespace {

// Of the raw scores of ImageReward-v1.0 over its training prompts; upstream keeps them in the code.
constexpr double kMean = 0.16717362830052426;
constexpr double kStd = 1.0333394966054072;

// BLIP_Pretrain's parts beside the two encoders, in this package and in BLIP's own training code,
// and a buffer that old transformers saved.
const std::vector<std::string> kUnused = {"blip.vision_proj.",
                                          "blip.text_proj.",
                                          "blip.vision_proj_m.",
                                          "blip.text_proj_m.",
                                          "blip.itm_head.",
                                          "blip.text_decoder.",
                                          "blip.visual_encoder_m.",
                                          "blip.text_encoder_m.",
                                          "blip.temp",
                                          "blip.image_queue",
                                          "blip.text_queue",
                                          "blip.queue_ptr",
                                          "blip.ptr_queue",
                                          "blip.text_encoder.embeddings.position_ids",
                                          "mlp."};

}  // namespace

Model::Model(const Sizes& sizes, WeightMap body, WeightMap head)
    : sizes_(sizes),
      device_(body.device()),
      vision_(sizes.vit, body, "blip.visual_encoder"),
      text_(sizes.bert, sizes.vit.width, body, "blip.text_encoder") {
  // Linear layers stand at 0, 2, 4, 6 and 7 of upstream's Sequential; between them is dropout.
  constexpr std::array<int, 5> kIndex = {0, 2, 4, 6, 7};
  std::int64_t in = sizes.bert.width;
  for (std::size_t i = 0; i < mlp_.size(); ++i) {
    const std::int64_t out = i < sizes.mlp.size() ? sizes.mlp[i] : 1;
    const std::string name = "mlp.layers." + std::to_string(kIndex[i]);
    mlp_[i] = {head.take(name + ".weight", {out, in}), head.take(name + ".bias", {out})};
    in = out;
  }
  body.finish(kUnused);
  head.finish({"blip."});
  text_.prepare();
  weight_bytes_ = body.bytes() + head.bytes();
}

at::Tensor Model::score(const at::Tensor& pixels, const at::Tensor& ids, const at::Tensor& mask,
                        bool deterministic) const {
  const at::Tensor picture = vision_.forward(pixels, deterministic);
  at::Tensor x = text_.forward(ids, mask, picture, deterministic).select(1, 0).to(at::kFloat);
  for (const Linear& layer : mlp_) x = at::linear(x, layer.weight, layer.bias);
  return (x.squeeze(-1) - kMean) / kStd;
}

std::filesystem::path folder_of(const std::filesystem::path& weights) {
  return std::filesystem::is_directory(weights) ? weights : weights.parent_path();
}

Model load_model(const std::filesystem::path& weights, at::ScalarType dtype, at::Device device) {
  const WeightFiles files = WeightFiles::open(weights, {"ImageReward.pt"});
  const ShapeOf shape_of = [&](const std::string& name) {
    const auto* view = files.find(name);
    return view == nullptr ? std::nullopt : std::optional(view->shape);
  };
  const std::filesystem::path folder = folder_of(weights);
  const Sizes sizes = {read_vit_config(folder, shape_of), read_bert_config(folder, kMaxTokens),
                       read_mlp_widths(shape_of)};
  return {sizes, WeightMap(files, dtype, device, "image_reward"),
          WeightMap(files, at::kFloat, device, "image_reward")};
}

}  // namespace hn::image_reward
