// A reward over a CLIP model: how well a picture fits its prompt. The whole of clip, hps and
// pickscore, which differ in what a ClipRewardSpec says.
//
//   score = cos(image_embedding, text_embedding)                    ClipOutput::kCosine
//   score = exp(logit_scale) * cos(...)                             ClipOutput::kLogit
//
// Per-sample cosine, then the host's mean. Prompts are encoded once, one by one and unpadded:
// padding stands behind the pooled token and the text tower is causal, so it changes nothing; and a
// vector then never depends on which prompts it was encoded with, which an exact resume needs.
//
// Source: transformers 5.23 models/clip/modeling_clip.py (CLIPModel.forward); open_clip 3.3
// src/open_clip/model.py (CLIP.forward).
#pragma once

#include <cstdint>
#include <filesystem>
#include <hn/nn/clip_files.hpp>
#include <hn/nn/clip_model.hpp>
#include <hn/nn/weight_audit.hpp>
#include <hn/reward/text_reward.hpp>
#include <hn/text/clip_tokenizer.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

enum class ClipOutput { kCosine, kLogit };

// What one plugin makes of a CLIP checkpoint.
struct ClipRewardSpec {
  std::string name;  // begins the messages
  ClipFiles files;   // clip_option_files() and what the plugin changes of it
  ClipOutput output = ClipOutput::kCosine;
  // How prompts are read: by the vocabulary beside the weights in Hugging Face's layout, or by
  // OpenCLIP's, from the folder or else the bundle (hn_bundle_clip_vocabulary in CMake).
  ClipConvention convention = ClipConvention::kHuggingFace;
  // Ids that a prompt is cut to, its ends among them; 0: the tokenizer's own limit. The tower's
  // positions bound both.
  std::int64_t longest_prompt = 0;
};

// The option `activation` of these plugins: "auto" (what a config says, else `otherwise`), "gelu",
// "quick_gelu".
std::optional<ClipActivation> activation_option(const Config& config);

class ClipReward : public TextReward, public AuditsWeights {
 public:
  // Reads dtype, device and preprocess from `config`. Errors: those of ClipModel and ClipTokenizer;
  // HN_DATA_LOSS for a vocabulary of another model.
  ClipReward(const Host& host, const Config& config, ClipRewardSpec spec);

  // image: float32 [B,3,H,W] in [0,1] on the model's device, H and W from 1 on.
  at::Tensor score(const at::Tensor& image, const Call& call) override;
  at::Tensor embed(std::span<const Prompt> prompts) override;
  std::uint64_t embedding_size() const override;
  std::vector<MemoryUse> memory_use() const override {
    return {{dl_device(model_.device()), model_.weight_bytes()}};
  }

 private:
  std::int32_t context_length(std::int64_t longest_prompt) const;
  void check_tokens() const;
  void warn_of_cut(std::string_view prompt);

  std::string name_;
  std::filesystem::path folder_;
  ClipTokenizer tokenizer_;
  ClipModel model_;
  PreprocessMode mode_;
  double factor_;
  std::int32_t context_;  // ids of a prompt with its ends
  bool warned_ = false;   // instances are entered by one thread at a time
};

// Checks an image for a tower: its device, H and W above 0. Errors: HN_INVALID_ARGUMENT.
void check_clip_image(const std::string& name, const at::Tensor& image, at::Device device);

}  // namespace hn
