// clip: how well a picture fits its prompt, by any CLIP model in Hugging Face's or OpenCLIP's
// layout.
//
//   score = cos(image_embedding, text_embedding)                    output = "cosine" (default)
//   score = exp(logit_scale) * cos(...), CLIPModel's logits         output = "logit"
//
// Source: clip_reward.hpp names the models'; the reward and its loss 100 - exp(logit_scale) cos are
// those of Noise Hypernetworks (arXiv 2508.09968), code ExplainableML/HyperNoise at bbe3ab4.
#include <hn/nn/model_options.hpp>
#include <hn/reward/clip_reward.hpp>

namespace {

hn::ClipRewardSpec spec(const hn::Config& config) {
  const auto path = hn::weights_option(config, "weights/tiny-clip");
  hn::ClipRewardSpec spec{"clip", hn::open_clip_files(path, {}, {}, hn::activation_option(config)),
                          hn::ClipOutput::kCosine, hn::ClipConvention::kHuggingFace};
  if (hn::choice_option(config, "output", {"cosine", "logit"}) == "logit")
    spec.output = hn::ClipOutput::kLogit;
  if (spec.files.layout == hn::ClipLayout::kOpenClip)
    spec.convention = hn::ClipConvention::kOpenClip;
  return spec;
}

class Clip final : public hn::ClipReward {
 public:
  Clip(const hn::Host& host, const hn::Config& config) : ClipReward(host, config, spec(config)) {}
};

}  // namespace

HN_PLUGIN(Clip, "hn.reward.clip", "0.2.0");
