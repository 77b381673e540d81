// my_reward_with_weights: how well the colours of a picture fit those that its prompt names, as the
// cosine of two vectors: of a convolution over patches, and of the prompt's tokens.
#include <hn/nn/clip_model.hpp>
#include <hn/nn/lora.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/nn/weight_audit.hpp>
#include <hn/reward/text_reward.hpp>
#include <hn/text/tokenizer.hpp>

namespace {
constexpr int kSize = 64, kPatch = 8, kWidth = 8;

class MyRewardWithWeights final : public hn::TextReward, public hn::AuditsWeights {
 public:
  // Runs once, when the host loads the plugin. Options: weights (else the bundle's), device.
  MyRewardWithWeights(const hn::Host& host, const hn::Config& config)
      : TextReward(host),
        folder_(hn::weights_option(config, "weights/my_reward_with_weights")),
        tokenizer_(hn::Tokenizer::from_file(folder_)) {
    hn::WeightMap weights(hn::WeightFiles::open(folder_), at::kFloat, hn::device_option(config),
                          "my_reward_with_weights");
    tokens_ = weights.take("tokens.weight", {tokenizer_.id_limit(), kWidth});
    text_ = hn::Linear({weights}, "text", kWidth, kWidth, /*bias=*/true);
    patches_ = hn::Conv2d({weights}, "patches", 3, kWidth, kPatch, kPatch, 0, 1, /*bias=*/true);
    image_ = hn::Linear({weights}, "image", kWidth, kWidth, /*bias=*/true);
    weights.finish();  // names everything that is missing, misshapen or left over
    bytes_ = weights.bytes();
  }
  at::Tensor embed(std::span<const hn::Prompt> given) override {
    std::vector<at::Tensor> means;
    for (const hn::Prompt& prompt : given) {
      const auto ids = at::tensor(tokenizer_.encode(prompt.text()), at::kInt).to(tokens_.device());
      means.push_back(at::embedding(tokens_, ids).mean(0));
    }
    return text_(at::stack(means));
  }
  std::uint64_t embedding_size() const override { return kWidth; }
  // image: float32 [B,3,H,W] in [0,1], any B (also 0). Returns [B], with autograd's gradient.
  at::Tensor score(const at::Tensor& image, const hn::Call& call) override {
    if (call.batch() == 0) return image.sum({1, 2, 3});
    const at::Tensor pixels = hn::clip_pixels(image, preprocess_, hn::PreprocessMode::kTensor);
    const at::Tensor features = image_(at::gelu(patches_(pixels)).mean({2, 3}));
    return at::cosine_similarity(features, prompts(call), 1, 1e-6);
  }
  std::vector<hn::MemoryUse> memory_use() const override {
    return {{hn::dl_device(tokens_.device()), bytes_}};
  }

 private:
  std::filesystem::path folder_;
  hn::Tokenizer tokenizer_;
  hn::ClipPreprocess preprocess_{.resize_short_edge = kSize, .crop_to = {kSize, kSize}};
  at::Tensor tokens_;
  hn::Linear text_, image_;
  hn::Conv2d patches_;
  std::uint64_t bytes_ = 0;
};
}  // namespace
HN_PLUGIN(MyRewardWithWeights, "org.example.reward.my_reward_with_weights", "0.1.0");
