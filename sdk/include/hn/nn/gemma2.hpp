// The Gemma 2 decoder stack as a text encoder: token ids to last hidden states.
//
// Source: transformers 5.23.0, models/gemma2/modeling_gemma2.py (eager attention) and
// configuration_gemma2.py. Kept: rotary embedding, grouped keys and values, tanh soft cap of the
// attention logits, alternating sliding-window layers, 1 + w RMSNorm in float32 before and after
// each sub-layer, embedding scale sqrt(hidden) rounded to the weights' dtype. Left out: the
// language-model head and its cap, caches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <hn/nn/lora.hpp>
#include <hn/nn/ops.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hn {

struct Gemma2Config {
  std::int64_t vocab_size = 256000, hidden_size = 2304, intermediate_size = 9216, layers = 26;
  std::int64_t heads = 8, kv_heads = 4, head_dim = 256, sliding_window = 4096;
  double query_pre_attn_scalar = 256, rms_norm_eps = 1e-6, rope_theta = 10000;
  std::optional<double> attn_softcap = 50.0;
  bool attention_bias = false;
  std::string activation = "gelu_pytorch_tanh";
  std::vector<bool> sliding;  // one a layer

  // Reads config.json, with rope_theta (old) or rope_parameters (new), with layer_types or the
  // alternating default. Errors: HN_NOT_FOUND, HN_DATA_LOSS (types, missing keys), HN_UNSUPPORTED
  // (another model, rope type, bidirectional attention).
  static Gemma2Config read(const std::filesystem::path& file);
};

class Gemma2 {
 public:
  // Takes its tensors from `weights`; the caller then calls weights.finish({"lm_head."}).
  Gemma2(const Gemma2Config& config, WeightMap& weights);

  // ids: int64 [B, L], right-padded. Returns [B, L, hidden] in the weights' dtype. Attention is
  // causal, so that a sample's real tokens do not depend on the padding behind them; the padded
  // positions' values mean nothing.
  at::Tensor operator()(const at::Tensor& ids) const;

  const Gemma2Config& config() const { return config_; }

 private:
  struct Layer {
    at::Tensor input_norm, post_attention_norm, pre_feedforward_norm,
        post_feedforward_norm;  // [hidden]
    Linear q, k, v, o, gate, up, down;
  };
  at::Tensor attention(const Layer& layer, const at::Tensor& x, const at::Tensor& cos,
                       const at::Tensor& sin, const at::Tensor& mask) const;

  Gemma2Config config_;
  Activation activation_;
  at::Tensor embedding_, norm_;  // [vocab, hidden], [hidden]
  std::vector<Layer> layers_;
};

}  // namespace hn
