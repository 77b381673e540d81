// image_reward: what people preferred, learnt from 137,000 comparisons; ImageReward-v1.0.
//
//   score = (mlp(text_encoder(prompt, visual_encoder(picture))[0]) - mean) / std
//
// Source: image-reward 1.5 (arXiv 2304.05977); the reward and its loss 2 - score are those of Noise
// Hypernetworks (arXiv 2508.09968), code ExplainableML/HyperNoise at bbe3ab4.
#include <ATen/ATen.h>

#include <algorithm>
#include <hn/nn/clip_model.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/nn/weight_audit.hpp>
#include <hn/text/bert_tokenizer.hpp>
#include <hn/text/cut_position.hpp>
#include <hn/torch/reward.hpp>

#include "model.hpp"

namespace {

using hn::image_reward::kMaxTokens;

// One prompt: its ids, [CLS] text [SEP], at most kMaxTokens. Every layer of the text encoder looks
// at the picture, so nothing more can be had before one is there.
struct Encoded final : hn::Cond {
  explicit Encoded(std::vector<std::int32_t> i) : ids(std::move(i)) {}
  std::uint64_t size_bytes() const override {
    return ids.size() * sizeof(std::int32_t) + sizeof *this;
  }
  std::vector<std::int32_t> ids;
};

// A vocab.txt beside the weights, else bert-base-uncased's in the bundle, which is the one that
// upstream loads. Files of another tokenizer beside the weights would go unread.
std::filesystem::path vocabulary_path(const std::filesystem::path& weights,
                                      const hn::Config& config) {
  const std::filesystem::path folder = hn::image_reward::folder_of(weights);
  std::error_code ignored;
  if (std::filesystem::exists(folder / "vocab.txt", ignored)) return folder / "vocab.txt";
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"})
    if (std::filesystem::exists(folder / name, ignored))
      throw hn::Error(HN_NOT_FOUND, "[image_reward] " + folder.string() +
                                        ": expected vocab.txt beside " + name + ", got none");
  return hn::bundle_folder(config) / "vocabulary/bert_base_uncased.txt.gz";
}

class ImageReward final : public hn::TorchReward, public hn::AuditsWeights {
 public:
  ImageReward(const hn::Host& host, const hn::Config& config)
      : TorchReward(host),
        weights_(
            hn::required_weights_option(config, "ImageReward.pt, with med_config.json beside it")),
        tokenizer_(vocabulary_path(weights_, config), {"[DEC]", "[ENC]"}),
        model_(hn::translate_errors([&] {
          const hn::Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
          return hn::image_reward::load_model(weights_, hn::dtype_option(config),
                                              hn::device_option(config));
        })),
        mode_(hn::choice_option(config, "preprocess", {"tensor", "official"}) == "tensor"
                  ? hn::PreprocessMode::kTensor
                  : hn::PreprocessMode::kOfficial) {
    const std::int64_t size = model_.sizes().vit.image_size;
    preprocess_.resize_short_edge = size;
    preprocess_.crop_to = {size, size};
    preprocess_.official_crop = hn::CropRounding::kHalfToEven;  // torchvision's, on Pillow images
    // A vocabulary of another model gives plausible nonsense, so it is refused here.
    if (tokenizer_.id_limit() > model_.sizes().bert.vocab_size)
      throw hn::Error(HN_DATA_LOSS, "[image_reward] " + vocabulary_path(weights_, config).string() +
                                        ": ids up to " + std::to_string(tokenizer_.id_limit() - 1) +
                                        ", but vocab_size is " +
                                        std::to_string(model_.sizes().bert.vocab_size));
    const auto folder = hn::image_reward::folder_of(weights_);
    std::error_code ignored;
    if (!std::filesystem::exists(folder / "med_config.json", ignored))
      host.log(HN_LOG_WARNING, "[image_reward] " + folder.string() +
                                   " has no med_config.json: the sizes of ImageReward-v1.0 are "
                                   "taken for the text encoder");
  }

  at::Tensor score(const at::Tensor& image, const hn::Call& call) override {
    if (image.device() != model_.device())
      throw hn::Error(HN_INVALID_ARGUMENT, "[image_reward] expected image_rgb01 on " +
                                               model_.device().str() + " (option device), got " +
                                               image.device().str());
    if (call.batch() == 0) return at::zeros({0}, image.options()) + image.sum() * 0.0;
    if (image.size(2) == 0 || image.size(3) == 0)
      throw hn::Error(HN_INVALID_ARGUMENT,
                      "[image_reward] expected image_rgb01 with H and W above 0, got " +
                          c10::str(image.sizes()));
    const auto [ids, mask] = tokens(call);
    return model_.score(hn::clip_pixels(image, preprocess_, mode_), ids, mask,
                        call.deterministic());
  }

  bool has_cond() const override { return true; }

  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> handles;
    for (const hn::Prompt& given : prompts) {
      const std::string_view prompt = given.text();
      hn::BertTokens read = tokenizer_.encode(prompt, kMaxTokens);
      if (read.full_length > kMaxTokens) warn_of_cut(prompt, read.full_length);
      handles.push_back(std::make_unique<Encoded>(std::move(read.ids)));
    }
    return handles;
  }

  std::vector<hn::MemoryUse> memory_use() const override {
    return {{hn::dl_device(model_.device()), model_.weight_bytes()}};
  }

 private:
  // ids int64 [B,L] and mask bool [B,L] (undefined where no row is padded) on the model's device.
  // Padding goes to the longest row alone: masked positions change no other one.
  std::pair<at::Tensor, at::Tensor> tokens(const hn::Call& call) const {
    const auto row = [&](std::int64_t b) -> const std::vector<std::int32_t>& {
      return call.cond<Encoded>(call.shared_cond() ? 0 : b).ids;
    };
    std::size_t longest = 0, shortest = static_cast<std::size_t>(kMaxTokens);
    for (std::int64_t b = 0; b < call.batch(); ++b) {
      longest = std::max(longest, row(b).size());
      shortest = std::min(shortest, row(b).size());
    }
    const auto length = static_cast<std::int64_t>(longest);
    at::Tensor ids = at::full({call.batch(), length}, tokenizer_.pad_id(), at::kLong);
    at::Tensor mask = at::zeros({call.batch(), length}, at::kBool);
    for (std::int64_t b = 0; b < call.batch(); ++b) {
      const std::vector<std::int32_t>& source = row(b);
      std::copy(source.begin(), source.end(), ids.data_ptr<std::int64_t>() + b * length);
      std::fill_n(mask.data_ptr<bool>() + b * length, source.size(), true);
    }
    return {ids.to(model_.device()), shortest < longest ? mask.to(model_.device()) : at::Tensor()};
  }

  void warn_of_cut(std::string_view prompt, std::size_t full_length) {
    if (warned_) return;
    warned_ = true;
    constexpr std::size_t kEnds = 2, kLimit = static_cast<std::size_t>(kMaxTokens) - kEnds;
    const std::size_t position = hn::cut_position(
        prompt, kLimit, [&](std::string_view text) { return tokenizer_.encode_text(text).size(); });
    host().log(HN_LOG_WARNING,
               hn::cut_warning("image_reward", prompt, full_length - kEnds, kLimit, position));
  }

  std::filesystem::path weights_;
  hn::BertTokenizer tokenizer_;
  hn::image_reward::Model model_;
  hn::PreprocessMode mode_;
  hn::ClipPreprocess preprocess_;
  bool warned_ = false;
};

}  // namespace

HN_PLUGIN(ImageReward, "hn.reward.image_reward", "0.1.0");
