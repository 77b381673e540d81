// pickscore: PickScore v1, a ViT-H/14 CLIP fine-tuned on the choices of Pick-a-Pic.
//
//   score = exp(logit_scale) * cos(image_embedding, text_embedding)
//
// Source: yuvalkirstain/PickScore_v1's model card and yuvalkirstain/PickScore demo/app.py (a
// CLIPModel with CLIPProcessor); Pick-a-Pic, arXiv 2305.01569. The loss 30 - score with weight 0.05
// is that of Noise Hypernetworks (arXiv 2508.09968). Its processor pads with <|endoftext|> and a
// mask and cuts at 77 tokens; clip_reward.hpp says why padding changes nothing here.
#include <hn/nn/model_options.hpp>
#include <hn/reward/clip_reward.hpp>

namespace {

hn::ClipRewardSpec spec(const hn::Config& config) {
  const auto path = hn::required_weights_option(
      config,
      "the folder of PickScore_v1 (config.json, model.safetensors or pytorch_model.bin, "
      "vocab.json and merges.txt)");
  return {"pickscore", hn::open_clip_files(path, {}, {}, hn::activation_option(config)),
          hn::ClipOutput::kLogit, hn::ClipConvention::kHuggingFace, 77};
}

class PickScore final : public hn::ClipReward {
 public:
  PickScore(const hn::Host& host, const hn::Config& config)
      : ClipReward(host, config, spec(config)) {}
};

}  // namespace

HN_PLUGIN(PickScore, "hn.reward.pickscore", "0.1.0");
