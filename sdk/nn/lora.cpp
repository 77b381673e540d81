#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/nn/lora.hpp>
#include <regex>
#include <set>

namespace hn {
namespace {

// x [m, in] -> x A^T B^T * scale, added onto y when that is given. y must be fresh: it is changed
// in place.
at::Tensor add_branch(const at::Tensor& y, const at::Tensor& x, const at::Tensor& a,
                      const at::Tensor& b, double scale) {
  const auto low = at::mm(x, a.t());
  if (!y.defined()) return at::mm(low, b.t()).mul_(scale);
  return y.addmm_(low, b.t(), 1, scale);
}

// One dense layer on rows, with its optional adapter. a and b are matrices; the weight is `w` or
// `codes`.
at::Tensor dense(const at::Tensor& x, const at::Tensor& w, const QuantisedWeight& codes,
                 const at::Tensor& bias, int index, const LoraSet& lora) {
  const auto base = [&](const at::Tensor& rows) {
    return codes.defined() ? codes.linear(rows, bias) : at::linear(rows, w, bias);
  };
  const LoraSet::Pair* pair = lora.find(index);
  if (pair == nullptr && !lora.branch_only(index)) return base(x);

  auto shape = x.sizes().vec();
  shape.back() = codes.defined() ? codes.sizes()[0] : w.size(0);
  if (pair == nullptr) return at::zeros(shape, x.options());
  const auto rows = x.reshape({-1, x.size(-1)});
  const auto a = pair->a.to(x.scalar_type()).flatten(1);
  const auto b = pair->b.to(x.scalar_type()).flatten(1);
  const auto y = lora.branch_only(index) ? at::Tensor() : base(rows);
  return add_branch(y, rows, a, b, lora.scale()).view(shape);
}

bool chosen_by(const LayerInfo& layer, const std::string& target) {
  if (target == "all-linear") return !layer.conv;
  if (target == "all-conv") return layer.conv && !layer.depthwise();
  if (target.starts_with("re:")) {
    try {
      return std::regex_match(layer.name, std::regex(target.substr(3)));
    } catch (const std::regex_error& error) {
      throw Error(HN_INVALID_ARGUMENT,
                  "[lora.targets] \"" + target + "\" is not a regular expression: " + error.what());
    }
  }
  return layer.name == target || layer.name.ends_with("." + target);
}

}  // namespace

std::vector<at::Tensor> LoraSet::matrices(std::size_t first, std::size_t last) const {
  std::vector<at::Tensor> found;
  for (std::size_t i = first; i < std::min(last, pairs_.size()); ++i) {
    if (!pairs_[i].a.defined()) continue;
    found.push_back(pairs_[i].a);
    found.push_back(pairs_[i].b);
  }
  return found;
}

int Builder::add(LayerInfo info) const {
  if (layers == nullptr) return -1;
  layers->push_back(std::move(info));
  return static_cast<int>(layers->size()) - 1;
}

Linear::Linear(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
               bool with_bias) {
  auto taken = builder.weights.take_frozen(name + ".weight", {out, in});
  weight = std::move(taken.plain);
  quantised_ = std::move(taken.quantised);
  if (with_bias) bias = builder.weights.take(name + ".bias", {out});
  index_ = builder.add({.name = name, .in = in, .out = out});
}

at::Tensor Linear::operator()(const at::Tensor& x, const LoraSet& lora) const {
  return dense(x, weight, quantised_, bias, index_, lora);
}

Conv2d::Conv2d(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
               std::int64_t kernel, std::int64_t stride, std::int64_t padding, std::int64_t groups,
               bool with_bias)
    : stride_(stride), padding_(padding), groups_(groups) {
  if (groups < 1 || in % groups != 0 || out % groups != 0)
    throw Error(HN_DATA_LOSS, name + ": expected channels that " + std::to_string(groups) +
                                  " groups divide, the configuration gives " + std::to_string(in) +
                                  " to " + std::to_string(out));
  const std::vector<std::int64_t> shape{out, in / groups, kernel, kernel};
  // A depthwise kernel is a handful of numbers a channel: quantising it saves nothing and costs
  // most.
  if (groups == 1) {
    auto taken = builder.weights.take_frozen(name + ".weight", shape);
    weight = std::move(taken.plain);
    quantised_ = std::move(taken.quantised);
  } else {
    weight = builder.weights.take(name + ".weight", shape);
  }
  if (with_bias) bias = builder.weights.take(name + ".bias", {out});
  index_ = builder.add({name, true, in, out, kernel, stride, padding, groups});
  // oneDNN then need not turn the weight round for channels_last activations at each call.
  if (weight.defined() && kernel != stride && groups == 1)
    weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor Conv2d::operator()(const at::Tensor& x, const LoraSet& lora) const {
  const auto base = [&] {
    return quantised_.defined() ? quantised_.conv2d(x, bias, stride_, padding_, groups_)
                                : at::conv2d(x, weight, bias, stride_, padding_, 1, groups_);
  };
  const LoraSet::Pair* pair = lora.find(index_);
  const bool alone = lora.branch_only(index_);
  if (pair == nullptr) return alone ? at::zeros_like(base()) : base();
  const auto low = at::conv2d(x, pair->a.to(x.scalar_type()), {}, stride_, padding_);
  const auto b = pair->b.to(x.scalar_type());
  const auto branch = at::conv2d(low, b, {}, /*stride=*/1, at::IntArrayRef{0}, /*dilation=*/1,
                                 low.size(1) / b.size(1));
  return alone ? branch * lora.scale() : base().add(branch, lora.scale());
}

at::Tensor Conv2d::on_patches(const at::Tensor& x, const LoraSet& lora) const {
  if (quantised_.defined()) return dense(x, {}, quantised_.matrix(), bias, index_, lora);
  return dense(x, weight.flatten(1), {}, bias, index_, lora);
}

std::vector<int> match_targets(std::span<const LayerInfo> layers,
                               std::span<const std::string> targets) {
  std::set<int> chosen;
  std::string unmatched;
  for (const auto& target : targets) {
    bool any = false;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (!chosen_by(layers[i], target)) continue;
      chosen.insert(static_cast<int>(i));
      any = true;
    }
    if (!any) unmatched += (unmatched.empty() ? "\"" : ", \"") + target + "\"";
  }
  if (!unmatched.empty()) {
    std::set<std::string> leaves;
    for (const auto& layer : layers) leaves.insert(layer.name.substr(layer.name.rfind('.') + 1));
    std::string known;
    for (const auto& leaf : leaves) known += (known.empty() ? "" : ", ") + leaf;
    throw Error(HN_INVALID_ARGUMENT,
                "[lora.targets] expected all-linear, all-conv, a module path, its last parts or "
                "re:REGEX; " +
                    unmatched + " matches none of the " + std::to_string(layers.size()) +
                    " layers (last parts: " + known + ")");
  }
  return {chosen.begin(), chosen.end()};
}

std::vector<std::int64_t> lora_a_shape(const LayerInfo& layer, std::int64_t rank) {
  if (!layer.conv) return {rank, layer.in};
  return {rank, layer.in, layer.kernel, layer.kernel};
}

std::vector<std::int64_t> lora_b_shape(const LayerInfo& layer, std::int64_t rank, bool dense) {
  if (!layer.conv) return {layer.out, rank};
  if (dense) return {layer.out, rank, 1, 1};
  if (rank % layer.groups != 0) {
    throw Error(HN_INVALID_ARGUMENT, "[lora.targets] expected a rank that " + layer.name + "'s " +
                                         std::to_string(layer.groups) + " groups divide, got " +
                                         std::to_string(rank));
  }
  return {layer.out, rank / layer.groups, 1, 1};
}

}  // namespace hn
