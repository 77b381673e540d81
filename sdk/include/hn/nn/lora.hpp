// Linear and convolution layers that can carry a LoRA, and the set of adapter matrices that one
// call brings along.
//
// Names, shapes and the formula are PEFT's (peft 0.21, tuners/lora/layer.py): y = base(x) +
// alpha/rank * B(A(x)), A of shape [rank, in] or [rank, in, kh, kw], B of shape [out, rank] or
// [out, rank/groups, 1, 1]. Adapters are arguments of a call, never state of a layer. Differences:
// the matrices are cast to the layer's dtype (PEFT computes the branch in the matrices' dtype,
// which differs only below float32); a dense B [out, rank, 1, 1] on a grouped convolution, which
// PEFT wrote before June 2025, is accepted as well.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <hn/nn/weight_map.hpp>
#include <span>
#include <string>
#include <vector>

namespace hn {

// One layer that a LoRA can sit on.
struct LayerInfo {
  std::string name;  // upstream module path
  bool conv = false;
  std::int64_t in = 0, out = 0;  // features, or channels
  std::int64_t kernel = 1, stride = 1, padding = 0, groups = 1;

  bool depthwise() const { return groups > 1 && groups == in; }
};

// The adapter matrices of one call, looked up by a layer's index. Empty: no layer has one.
class LoraSet {
 public:
  struct Pair {
    at::Tensor a, b;
  };

  LoraSet() = default;
  // `scale` is alpha / rank. The layer `branch_only` (an index, -1 for none) gives its LoRA branch
  // alone: neither its weight nor its bias takes part, as the last layer of a noise hypernetwork
  // does.
  LoraSet(std::size_t layers, double scale, int branch_only = -1)
      : pairs_(layers), scale_(scale), branch_only_(branch_only) {}

  void set(int layer, at::Tensor a, at::Tensor b) {
    pairs_[static_cast<std::size_t>(layer)] = {std::move(a), std::move(b)};
  }
  const Pair* find(int layer) const {
    if (layer < 0 || static_cast<std::size_t>(layer) >= pairs_.size()) return nullptr;
    const Pair& pair = pairs_[static_cast<std::size_t>(layer)];
    return pair.a.defined() ? &pair : nullptr;
  }
  bool branch_only(int layer) const { return layer >= 0 && layer == branch_only_; }
  // The matrices of the layers from `first` on and below `last`: what a block with these layers
  // reads beside its inputs.
  std::vector<at::Tensor> matrices(std::size_t first, std::size_t last) const;
  double scale() const { return scale_; }
  bool empty() const { return pairs_.empty(); }

 private:
  std::vector<Pair> pairs_;
  double scale_ = 1;
  int branch_only_ = -1;
};

// What module constructors need: where weights come from, and the list that their LoRA-capable
// layers enter themselves into.
struct Builder {
  WeightMap& weights;
  std::vector<LayerInfo>* layers = nullptr;  // null: layers carry no adapters

  int add(LayerInfo info) const;  // the layer's index, -1 without a list
  // Layers entered so far: before and after a block's constructor, the range of its layers.
  std::size_t count() const { return layers == nullptr ? 0 : layers->size(); }
};

// y = x W^T + b, on the last dimension.
class Linear {
 public:
  Linear() = default;
  Linear(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
         bool bias);
  at::Tensor operator()(const at::Tensor& x, const LoraSet& lora = {}) const;
  int index() const { return index_; }
  // The type and device of what it computes.
  at::TensorOptions options() const {
    return quantised_.defined() ? quantised_.options() : weight.options();
  }

  at::Tensor weight, bias;  // [out, in], undefined where quantised; [out] or undefined

 private:
  QuantisedWeight quantised_;
  int index_ = -1;
};

// A square convolution, NCHW, dilation 1.
class Conv2d {
 public:
  Conv2d() = default;
  Conv2d(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
         std::int64_t kernel, std::int64_t stride, std::int64_t padding, std::int64_t groups,
         bool bias);
  at::Tensor operator()(const at::Tensor& x, const LoraSet& lora = {}) const;
  // For kernel == stride, no padding, groups 1 (a 1x1 convolution, a patch embedding): x holds one
  // patch a row, [..., in * kernel^2].
  at::Tensor on_patches(const at::Tensor& x, const LoraSet& lora = {}) const;

  at::Tensor weight, bias;  // [out, in/groups, k, k], undefined where quantised; [out] or undefined

 private:
  QuantisedWeight quantised_;
  std::int64_t stride_ = 1, padding_ = 0, groups_ = 1;
  int index_ = -1;
};

// The indices of the layers that `targets` choose, ascending. A target is "all-linear", "all-conv"
// (all convolutions that are not depthwise), a module path, the last parts of one ("to_q",
// "attn1.to_q", which also choose depthwise convolutions), or "re:" and a regular expression that
// must match a whole path. Errors: HN_INVALID_ARGUMENT names each target that matches nothing, and
// the layers there are.
std::vector<int> match_targets(std::span<const LayerInfo> layers,
                               std::span<const std::string> targets);

// Shapes of a layer's matrices; `dense` asks for the ungrouped B of old PEFT. HN_INVALID_ARGUMENT
// where rank is not a multiple of the groups.
std::vector<std::int64_t> lora_a_shape(const LayerInfo& layer, std::int64_t rank);
std::vector<std::int64_t> lora_b_shape(const LayerInfo& layer, std::int64_t rank, bool dense);

}  // namespace hn
