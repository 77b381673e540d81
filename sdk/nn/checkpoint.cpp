#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/nn/byte_count.hpp>
#include <hn/nn/checkpoint.hpp>
#include <string>

namespace hn {
namespace {

namespace autograd = torch::autograd;

bool needs_grad(const at::Tensor& x) { return x.defined() && x.requires_grad(); }

// The block again, then back through it. Inputs are cut off from the outer graph, so that the inner
// backward ends at them; captured tensors are taken as they are, since what they depend on lies
// outside of the block.
struct Recompute final : autograd::Node {
  BlockFunction block;
  std::vector<autograd::SavedVariable> inputs, captured;
  std::function<void(std::uint64_t)> learn;  // empty: not measured

  autograd::variable_list apply(autograd::variable_list&& cotangents) override {
    TORCH_CHECK(block != nullptr, autograd::ERR_BACKWARD_TWICE);
    autograd::variable_list result(inputs.size() + captured.size());
    if (!cotangents[0].defined()) return result;
    const c10::AutoGradMode with_grad(true);
    Tensors again(inputs.size()), leaves;
    std::vector<std::size_t> place;
    const auto want = [&](std::size_t i, const at::Tensor& leaf) {
      if (!task_should_compute_output(i)) return;
      leaves.push_back(leaf);
      place.push_back(i);
    };
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const at::Tensor given = inputs[i].unpack();
      if (!given.defined()) continue;
      again[i] = given.detach().set_requires_grad(given.requires_grad());
      if (given.requires_grad()) want(i, again[i]);
    }
    for (std::size_t i = 0; i < captured.size(); ++i) want(inputs.size() + i, captured[i].unpack());
    if (leaves.empty()) return result;

    const at::Tensor output = run(again);
    auto grads = autograd::grad({output}, leaves, {cotangents[0]}, /*retain_graph=*/false,
                                /*create_graph=*/false, /*allow_unused=*/true);
    for (std::size_t k = 0; k < place.size(); ++k) result[place[k]] = std::move(grads[k]);
    return result;
  }

  at::Tensor run(const Tensors& again) {
    if (!learn) return block(again);
    const ByteCount count;
    at::Tensor output = block(again);
    learn(count.live() - std::min<std::uint64_t>(count.live(), output.nbytes()));
    learn = nullptr;
    return output;
  }

  void release_variables() override {
    inputs.clear();
    captured.clear();
    block = nullptr;
  }
  std::string name() const override { return "hn::Recompute"; }
};

at::Tensor recompute(BlockFunction block, const Tensors& inputs, const Tensors& captured,
                     std::function<void(std::uint64_t)> learn) {
  at::Tensor output;
  {
    const c10::NoGradGuard no_grad;
    output = block(inputs);
  }
  // A block that hands an input through would put our history onto the caller's tensor.
  for (const auto& input : inputs)
    if (input.defined() && output.is_same(input)) output = output.detach();
  const std::shared_ptr<Recompute> node(new Recompute, autograd::deleteNode);
  autograd::edge_list edges;
  const auto add = [&](const at::Tensor& x, std::vector<autograd::SavedVariable>& to) {
    to.emplace_back(x, /*is_output=*/false);
    edges.push_back(needs_grad(x) ? autograd::impl::gradient_edge(x) : autograd::Edge());
  };
  for (const auto& x : inputs) add(x, node->inputs);
  for (const auto& x : captured) add(x, node->captured);
  node->set_next_edges(std::move(edges));
  node->block = std::move(block);
  node->learn = std::move(learn);
  autograd::set_history(output, node);
  return output;
}

// The block as it is. Each input passes through a node of its own, so that the gradients of an
// input that several blocks share are summed block by block, in the same order as above.
at::Tensor keep(const BlockFunction& block, const Tensors& inputs) {
  Tensors own(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    own[i] = needs_grad(inputs[i]) ? inputs[i].view_as(inputs[i]) : inputs[i];
  return block(own);
}

bool graph_wanted(const Tensors& inputs, const Tensors& captured) {
  return c10::GradMode::is_enabled() && (std::any_of(inputs.begin(), inputs.end(), needs_grad) ||
                                         std::any_of(captured.begin(), captured.end(), needs_grad));
}

Tensors with_grad(const Tensors& tensors) {
  Tensors found;
  std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(found), needs_grad);
  return found;
}

}  // namespace

bool BlockCosts::cover(const std::vector<std::int64_t>& sizes) const {
  if (record_.sizes.size() != sizes.size()) return false;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] > record_.sizes[i]) return false;
  return true;
}

BlockRunner::BlockRunner(std::uint64_t budget, std::shared_ptr<BlockCosts> costs,
                         std::vector<std::int64_t> sizes)
    : budget_(budget), costs_(std::move(costs)), sizes_(std::move(sizes)) {
  if (budget_ == 0 || !costs_->cover(sizes_)) return;
  const auto& known = costs_->record_;
  std::uint64_t total = known.least;
  for (const std::uint64_t extra : known.extra) {
    keep_.push_back(extra > 0 && total + extra <= budget_);
    if (keep_.back()) total += extra;
  }
}

at::Tensor BlockRunner::operator()(BlockFunction block, const Tensors& inputs,
                                   const Tensors& captured) {
  if (!graph_wanted(inputs, captured)) return block(inputs);
  const std::size_t number = next_++;
  if (budget_ == 0 || (number < keep_.size() && keep_[number])) return keep(block, inputs);
  ++recomputed_;
  std::function<void(std::uint64_t)> learn;
  // Only passes of the recorded size teach anything; finish() makes room for them.
  const auto& record = costs_->record_;
  const bool recorded = sizes_ == record.sizes;
  if (!costs_->cover(sizes_) ||
      (recorded && number < record.extra.size() && record.extra[number] == 0)) {
    learn = [costs = costs_, sizes = sizes_, number](std::uint64_t bytes) {
      auto& record = costs->record_;
      if (record.sizes == sizes && number < record.extra.size())
        record.extra[number] = std::max<std::uint64_t>(bytes, 1);
    };
  }
  return recompute(std::move(block), inputs, with_grad(captured), std::move(learn));
}

at::Tensor BlockRunner::always(BlockFunction block, const Tensors& inputs,
                               const Tensors& captured) {
  if (!graph_wanted(inputs, captured)) return block(inputs);
  return recompute(std::move(block), inputs, with_grad(captured), nullptr);
}

void BlockRunner::finish(std::uint64_t kept, const char* where) {
  if (budget_ == 0) return;
  const bool all = recomputed_ == next_;
  if (all && !costs_->cover(sizes_)) {
    auto& record = costs_->record_;
    bool larger = record.sizes.size() <= sizes_.size();
    for (std::size_t i = 0; larger && i < record.sizes.size(); ++i)
      larger = sizes_[i] >= record.sizes[i];
    // Of two passes of which neither is the larger, the first stays on record.
    if (larger) record = {sizes_, kept, std::vector<std::uint64_t>(next_, 0)};
  }
  if (kept <= budget_) return;
  // What was learned did not hold: the next pass starts from the least again.
  if (!all) {
    costs_->record_ = {};
    return;
  }
  throw Error(HN_INVALID_ARGUMENT,
              std::string("[") + where + "] saved_budget_bytes: expected at least " +
                  std::to_string(kept) + " for this call, got " + std::to_string(budget_));
}

}  // namespace hn
