// A FLUX folder as a generator.
//
// Source: diffusers 0.42.1, pipelines/flux/pipeline_flux.py without true guidance, image prompts
// and control. Differences: the state between steps stays float32, where upstream rounds it to the
// weights' dtype; latents are [B, C, h, w] everywhere, the transformer packs them itself, so that
// a noise is the same numbers as upstream's packed one, in another order.
#pragma once

#include <hn/generator/clip_prompt_encoder.hpp>
#include <hn/generator/pipeline.hpp>

#include "flow_match_scheduler.hpp"
#include "prompt_encoder.hpp"
#include "transformer.hpp"

namespace hn::flux {

// Of T5's tokens, as the pipeline has it.
inline constexpr std::int64_t kDefaultLength = 256;

class Model final : public Pipeline {
 public:
  // max_length: T5's tokens. Errors: those of the configurations and weights, with the file's name;
  // HN_NOT_FOUND for a folder that is not there; HN_UNSUPPORTED for another pipeline's;
  // HN_DATA_LOSS for parts that do not fit together.
  Model(const std::filesystem::path& folder, const PipelineOptions& options,
        std::int64_t max_length = kDefaultLength);

  LatentGeometry geometry() const override;
  const std::vector<LayerInfo>& layers() const override { return transformer_->layers(); }
  int output_layer() const override { return transformer_->proj_out_layer(); }
  // Option guidance_scale.
  std::unique_ptr<ModelSettings> settings(const Config& options, std::int64_t steps,
                                          const ModelSettings* defaults) const override;
  // CLIP's pooled state.
  std::int64_t embedding_size() const override { return transformer_->config().pooled_dim; }
  at::Tensor embedding(const Cond& cond) const override;

  // The transformer's answer at time 1, where the state is the noise itself; h and w even.
  at::Tensor noise_net(const at::Tensor& noise, const PassContext& context) const override;
  at::Tensor sample(const at::Tensor& noise, const at::Tensor& step_noise,
                    const PassContext& context) const override;
  std::vector<std::string> assumed() const override;

  // The prompts of a batch.
  Text text(const PassContext& context) const;
  const Transformer& transformer() const { return *transformer_; }
  const ClipPromptEncoder& clip() const { return *clip_; }
  const T5PromptEncoder& t5() const { return *t5_; }
  const SchedulerConfig& scheduler() const { return scheduler_; }

 private:
  std::vector<PromptState> prompt_states() const override;
  PromptTensors encode(std::string_view text) const override;

  std::unique_ptr<Transformer> transformer_;
  const ClipPromptEncoder* clip_ = nullptr;
  const T5PromptEncoder* t5_ = nullptr;
  SchedulerConfig scheduler_;
  bool has_shift_factor_ = true;  // the autoencoder's configuration
};

}  // namespace hn::flux
