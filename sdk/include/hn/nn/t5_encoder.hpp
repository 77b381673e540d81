// T5's encoder stack as a text encoder: token ids to last hidden states.
//
// Source: transformers 5.23.0, models/t5/modeling_t5.py (T5EncoderModel, T5Stack) and
// configuration_t5.py. Kept: RMS norms without bias, relative position buckets shared by all
// layers, unscaled attention logits, plain and gated feed-forward. Left out: decoder, dropout, and
// upstream's float32 `wo` weights, which it has in float16 only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <hn/nn/lora.hpp>
#include <hn/nn/ops.hpp>
#include <string>
#include <vector>

namespace hn {

struct T5Config {
  std::int64_t vocab_size = 32128, d_model = 512, d_kv = 64, d_ff = 2048;
  std::int64_t layers = 6, heads = 8, buckets = 32, max_distance = 128;
  double eps = 1e-6;
  std::string activation = "relu";  // of the feed-forward
  bool gated = false;               // activation(wi_0 x) * wi_1 x instead of activation(wi x)
  std::int64_t pad_token_id = 0;

  // Reads config.json. Errors: HN_NOT_FOUND, HN_DATA_LOSS (types, sizes that are not above 0),
  // HN_UNSUPPORTED (another model_type, an activation that this code does not have).
  static T5Config read(const std::filesystem::path& file);
};

class T5Encoder {
 public:
  // Takes its tensors from `weights`; the caller then calls weights.finish({"decoder.",
  // "lm_head."}), as a whole T5 model's file may be given. The embedding may be stored as
  // shared.weight, as encoder.embed_tokens.weight, or as both.
  T5Encoder(const T5Config& config, WeightMap& weights);

  // ids: int64 [B, L]. Returns [B, L, d_model] in the weights' dtype. Every position is seen,
  // padding too, as FLUX's pipeline has it.
  at::Tensor operator()(const at::Tensor& ids) const;

  const T5Config& config() const { return config_; }

 private:
  struct Layer {
    at::Tensor attention_norm, feed_forward_norm;  // [d_model]
    Linear q, k, v, o, in, gate, out;              // gate: only where gated
  };
  at::Tensor attention(const Layer& layer, const at::Tensor& x, const at::Tensor& bias) const;

  T5Config config_;
  Activation activation_;
  at::Tensor embedding_, position_bias_, norm_;  // [vocab, d_model], [buckets, heads], [d_model]
  std::vector<Layer> layers_;
};

// The bucket of each relative position key - query, int64 [length, length], computed in float32 as
// upstream; source: T5Attention._relative_position_bucket, bidirectional.
at::Tensor t5_position_buckets(std::int64_t length, std::int64_t buckets, std::int64_t max_distance,
                               at::Device device);

}  // namespace hn
