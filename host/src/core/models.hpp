// The opened plugins of a session: one generator and its rewards, with the slots that the core
// uses.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/function_client.hpp"
#include "core/lora_names.hpp"

namespace hn::core {

class GeneratorModel {
 public:
  // Opens "generate". HN_UNSUPPORTED names a slot that is missing or has no fixed size.
  GeneratorModel(Runtime& runtime, const GeneratorSpec& spec, const std::string& device);
  // Opens the function that carries the LoRA, with lora.rank, lora.alpha and lora.targets: for
  // kHypernet "noise_net", for kFinetune "generate" once more, for the others nothing.
  // HN_UNSUPPORTED where noise_net's offset is not shaped as the noise.
  void adapt(const NetSpec& net);

  Instance& instance() { return *instance_; }
  FunctionClient& generate() { return *generate_; }
  // noise_net or the fine-tuned generate; NULL without a LoRA.
  FunctionClient* adapted() { return adapted_.get(); }
  // Every layer that could carry an adapter of this kind; empty when the plugin does not tell.
  std::vector<AdapterLayer> layers(NetKind kind);

  const std::vector<std::int64_t>& noise_shape() const { return noise_shape_; }  // [C,h,w]
  const std::vector<std::int64_t>& image_shape() const { return image_shape_; }  // [3,H,W]
  std::int64_t steps() const { return steps_; }
  // Numbers of a prompt's pooled embedding; 0: there is none.
  std::int64_t embedding_size() const { return embedding_size_; }

  // Slots of generate, with or without adapters.
  struct GenerateSlots {
    std::size_t noise = 0, image = 0;
    int step_noise = -1, latents = -1;  // -1: not there
  };
  static GenerateSlots slots(const FunctionClient& generate);

 private:
  std::string name_;
  Options options_;
  std::unique_ptr<Instance> instance_;
  std::unique_ptr<FunctionClient> generate_, adapted_;
  std::vector<std::int64_t> noise_shape_, image_shape_;
  std::int64_t steps_ = 1, embedding_size_ = 0;
};

class RewardModel {
 public:
  // runtime: of the device that the reward runs on. HN_UNSUPPORTED where the reward has no
  // image_rgb01 or score.
  RewardModel(Runtime& runtime, const RewardSpec& spec, at::Device device);

  const RewardSpec& spec() const { return spec_; }
  Instance& instance() { return *instance_; }
  FunctionClient& score() { return *score_; }
  at::Device device() const { return device_; }
  bool differentiable() const { return differentiable_; }
  bool needs_prompts() const { return score_->needs_cond(); }
  std::size_t image_slot() const { return image_slot_; }
  std::size_t score_slot() const { return score_slot_; }

 private:
  RewardSpec spec_;
  at::Device device_;
  std::unique_ptr<Instance> instance_;
  std::unique_ptr<FunctionClient> score_;
  std::size_t image_slot_ = 0, score_slot_ = 0;
  bool differentiable_ = false;
};

}  // namespace hn::core
