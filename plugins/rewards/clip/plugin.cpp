// clip: how well a picture fits its prompt, by any CLIP model in Hugging Face's layout.
//
//   score = cos(image_embedding, text_embedding)                      output = "cosine" (default),
//   in -1..1 score = exp(logit_scale) * cos(...), what CLIPModel calls logits   output = "logit"
//
// Source: transformers 5.23 models/clip/modeling_clip.py (CLIPModel.forward); the reward and its
// loss 100 - exp(logit_scale) cos are those of Noise Hypernetworks (arXiv 2508.09968), code
// ExplainableML/HyperNoise at bbe3ab4. Per-sample cosine, then the host's mean.
#include <ATen/ATen.h>

#include <cmath>
#include <hn/torch/reward.hpp>

#include "tokenizers/clip_tokenizer.hpp"
#include "torch/clip_model.hpp"
#include "torch/model_options.hpp"

namespace {

// One prompt: its unit vector, float32 [projection_dim] on the model's device.
struct Prompt final : hn::Cond {
  explicit Prompt(at::Tensor v) : vector(std::move(v)) {}
  std::uint64_t size_bytes() const override { return vector.nbytes() + sizeof *this; }
  at::Tensor vector;
};

class ClipReward final : public hn::TorchReward {
 public:
  ClipReward(const hn::Host& host, const hn::Config& config)
      : TorchReward(host),
        folder_(hn::weights_option(config, "weights/tiny-clip")),
        tokenizer_(hn::ClipTokenizer::from_hugging_face(folder_)),
        model_(hn::translate_errors([&] {
          const hn::Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
          return hn::ClipModel(folder_, hn::dtype_option(config), hn::device_option(config));
        })),
        mode_(hn::choice_option(config, "preprocess", {"tensor", "official"}) == "tensor"
                  ? hn::PreprocessMode::kTensor
                  : hn::PreprocessMode::kOfficial),
        factor_(hn::choice_option(config, "output", {"cosine", "logit"}) == "logit"
                    ? std::exp(model_.logit_scale())
                    : 1.0) {
    check_tokens();
  }

  at::Tensor score(const at::Tensor& image, const hn::Call& call) override {
    if (image.device() != model_.device())
      throw hn::Error(HN_INVALID_ARGUMENT, "[clip] expected image_rgb01 on " +
                                               model_.device().str() + " (option device), got " +
                                               image.device().str());
    if (call.batch() == 0) return at::zeros({0}, image.options()) + image.sum() * 0.0;
    if (image.size(2) == 0 || image.size(3) == 0)
      throw hn::Error(
          HN_INVALID_ARGUMENT,
          "[clip] expected image_rgb01 with H and W above 0, got " + c10::str(image.sizes()));
    std::vector<at::Tensor> prompts;
    for (std::int64_t b = 0; b < (call.shared_cond() ? 1 : call.batch()); ++b)
      prompts.push_back(call.cond<Prompt>(b).vector);
    const at::Tensor pixels = hn::clip_pixels(image, model_.preprocess(), mode_);
    const at::Tensor cosine =
        at::sum(model_.image_embedding(pixels, call.deterministic()) * at::stack(prompts), -1);
    return factor_ == 1.0 ? cosine : cosine * factor_;
  }

  bool has_cond() const override { return true; }

  // One prompt a time, without padding: padding stands behind the pooled token and the text tower
  // is causal, so it changes nothing; and a vector then never depends on which prompts it was
  // encoded with, which an exact resume needs.
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const std::string_view> prompts,
                                                hn_stream stream) override {
    return hn::translate_errors([&] {
      const hn::Entry entry(stream, /*grad=*/false);
      std::vector<std::unique_ptr<hn::Cond>> handles;
      const auto context = static_cast<std::int32_t>(model_.config().text.max_positions);
      for (const std::string_view prompt : prompts) {
        const hn::ClipTokens tokens = tokenizer_.encode(prompt, context);
        const std::vector<std::int64_t> ids(tokens.ids.begin(),
                                            tokens.ids.begin() + tokens.end_position + 1);
        const at::Tensor row = at::tensor(ids, at::kLong).unsqueeze(0);
        handles.push_back(std::make_unique<Prompt>(
            model_.text_embedding(row, {}, /*deterministic=*/true).squeeze(0)));
      }
      return handles;
    });
  }

  std::uint64_t embedding_size() const override {
    return static_cast<std::uint64_t>(model_.config().projection_dim);
  }
  void embedding(const hn::Cond& cond, hn_stream stream, const DLTensor& out) override {
    hn::translate_errors([&] {
      const hn::Entry entry(stream, /*grad=*/false);
      const at::Tensor& vector = static_cast<const Prompt&>(cond).vector;
      at::Tensor target = hn::tensor_view(out);
      if (target.sizes() != vector.sizes() || target.scalar_type() != at::kFloat)
        throw hn::Error(HN_INVALID_ARGUMENT,
                        "[clip embedding] expected float32 " + c10::str(vector.sizes()) + ", got " +
                            at::toString(target.scalar_type()) + " " + c10::str(target.sizes()));
      target.copy_(vector);
    });
  }

  std::uint64_t used_bytes() const override { return model_.weight_bytes(); }

 private:
  // A tokenizer of another model gives plausible nonsense, so it is refused here. transformers
  // would pool position 0.
  void check_tokens() const {
    const hn::ClipTextConfig& text = model_.config().text;
    constexpr std::int64_t kLegacyEos = 2;
    if (tokenizer_.id_limit() > text.vocab_size)
      throw hn::Error(HN_DATA_LOSS, "[clip] " + folder_.string() +
                                        ": the tokenizer has ids up to " +
                                        std::to_string(tokenizer_.id_limit() - 1) +
                                        ", but vocab_size is " + std::to_string(text.vocab_size));
    if (text.eos_token_id != kLegacyEos && text.eos_token_id != tokenizer_.end_id())
      throw hn::Error(HN_DATA_LOSS, "[clip] " + folder_.string() + ": the tokenizer ends with id " +
                                        std::to_string(tokenizer_.end_id()) +
                                        ", but eos_token_id is " +
                                        std::to_string(text.eos_token_id));
  }

  std::filesystem::path folder_;
  hn::ClipTokenizer tokenizer_;
  hn::ClipModel model_;
  hn::PreprocessMode mode_;
  double factor_;
};

}  // namespace

HN_PLUGIN(ClipReward, "hn.reward.clip", "0.1.0");
