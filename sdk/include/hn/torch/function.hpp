// A forward written once in LibTorch becomes forward and vjp: inputs are leaves, the graph is what
// is saved.
#pragma once

#include <torch/csrc/autograd/autograd.h>

#include <hn/cpp/function.hpp>
#include <hn/torch/entry.hpp>
#include <vector>

namespace hn {

class TorchFunction : public Function {
 public:
  std::unique_ptr<Saved> forward(const Call& call) final;
  void backward(Saved& saved, const hn_vjp& vjp) final;

 protected:
  // in: one tensor a slot, undefined where an optional input is absent. Returns one tensor an
  // output slot, undefined where the call does not want an optional output. Only inputs that need
  // it require grad, so nothing else enters the graph.
  virtual std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const Call& call) = 0;

 private:
  struct Graph final : Saved {
    std::vector<at::Tensor> in, out;
    std::optional<c10::Stream> made_on;
    // Its memory goes back to the forward's stream, behind what still reads it on another.
    void last_use(hn_stream stream) noexcept override;
  };
  void require_graph(const Graph& graph, const Call& call) const;
};

inline std::unique_ptr<Saved> TorchFunction::forward(const Call& call) {
  return translate_errors([&]() -> std::unique_ptr<Saved> {
    const Entry entry(call.raw().stream, call.want_grad());
    auto graph = std::make_unique<Graph>();
    graph->in.resize(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (call.in(i) == nullptr) continue;
      graph->in[i] = tensor_view(*call.in(i));
      if (!call.need_grad(i)) continue;
      if ((inputs_[i].flags & HN_SLOT_DIFF) == 0)
        throw Error(HN_UNSUPPORTED,
                    "[need_grad] input " + inputs_[i].name + " is not differentiable");
      graph->in[i].set_requires_grad(true);
    }
    graph->out = run(graph->in, call);
    if (graph->out.size() != outputs_.size())
      throw Error(HN_INTERNAL, "[forward] expected " + std::to_string(outputs_.size()) +
                                   " outputs, the function gave " +
                                   std::to_string(graph->out.size()));
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      if (call.out(i) == nullptr) continue;
      const at::Tensor& got = graph->out[i];
      if (!got.defined() || got.sizes() != at::IntArrayRef(call.out(i)->shape, call.out(i)->ndim))
        throw Error(HN_INVALID_ARGUMENT,
                    "[output " + outputs_[i].name + "] the host gave room for " +
                        shape_text(shape_of(*call.out(i))) + ", the function made " +
                        (got.defined() ? shape_text({got.sizes().data(), got.sizes().size()})
                                       : std::string("nothing")));
      tensor_view(*call.out(i)).copy_(got.detach());
    }
    if (!call.want_grad()) return nullptr;
    require_graph(*graph, call);
    graph->made_on = entry.stream();
    return graph;
  });
}

inline void TorchFunction::Graph::last_use(hn_stream stream) noexcept {
  if (!made_on) return;
  (void)guard(nullptr, [&] {
    const Entry entry(stream, false);
    if (entry.stream() && *entry.stream() != *made_on) Entry::follow(*made_on, *entry.stream());
  });
}

// A detach, an argmax, a round: the forward is right and every gradient is zero.
inline void TorchFunction::require_graph(const Graph& graph, const Call& call) const {
  bool asked = false, given = false;
  for (std::size_t i = 0; i < inputs_.size(); ++i) asked = asked || call.need_grad(i);
  std::string names;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if ((outputs_[i].flags & HN_SLOT_DIFF) == 0) continue;
    names += (names.empty() ? "" : ", ") + outputs_[i].name;
    given = given || (graph.out[i].defined() && graph.out[i].requires_grad());
  }
  if (asked && !given)
    throw Error(HN_INTERNAL,
                "[forward] a gradient is wanted, but " + names +
                    " was computed without a graph (a detach, or an operation that has "
                    "no derivative): every gradient would be zero");
}

inline void TorchFunction::backward(Saved& saved, const hn_vjp& vjp) {
  translate_errors([&] {
    const Entry entry(vjp.stream, true);
    auto& graph = static_cast<Graph&>(saved);
    std::vector<at::Tensor> outputs, cotangents, leaves;
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < vjp.n_in; ++i) {
      if (vjp.grad[i] == nullptr) continue;
      if (!graph.in[i].defined() || !graph.in[i].requires_grad())
        throw Error(HN_INVALID_ARGUMENT,
                    "[grad " + inputs_[i].name + "] was not asked for in need_grad");
      leaves.push_back(graph.in[i]);
      wanted.push_back(i);
    }
    for (std::size_t i = 0; i < vjp.n_out; ++i) {
      if (vjp.cotangent[i] == nullptr || !graph.out[i].defined() || !graph.out[i].requires_grad())
        continue;
      outputs.push_back(graph.out[i]);
      cotangents.push_back(tensor_view(*vjp.cotangent[i]).to(graph.out[i].scalar_type()));
      if (cotangents.back().sizes() != outputs.back().sizes())
        throw Error(HN_INVALID_ARGUMENT, "[cotangent " + outputs_[i].name +
                                             "] expected the output's shape, got " +
                                             shape_text(shape_of(*vjp.cotangent[i])));
    }
    std::vector<at::Tensor> grads(leaves.size());
    if (!outputs.empty() && !leaves.empty())
      grads = torch::autograd::grad(outputs, leaves, cotangents, /*retain_graph=*/true,
                                    /*create_graph=*/false,
                                    /*allow_unused=*/true);
    const c10::NoGradGuard no_grad;
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const std::size_t i = wanted[k];
      at::Tensor target = tensor_view(*vjp.grad[i]);
      if (target.sizes() != leaves[k].sizes())
        throw Error(HN_INVALID_ARGUMENT, "[grad " + inputs_[i].name +
                                             "] expected the input's shape, got " +
                                             shape_text(shape_of(*vjp.grad[i])));
      const bool add = vjp.accumulate != nullptr && vjp.accumulate[i] != 0;
      if (!grads[k].defined()) {
        if (!add) target.zero_();
      } else if (add) {
        target.add_(grads[k]);
      } else {
        target.copy_(grads[k]);
      }
      // It was made on the forward's stream, and is read on this one after it has gone.
      if (grads[k].defined() && grads[k].is_cuda() && entry.stream())
        grads[k].record_stream(*entry.stream());
    }
  });
}

}  // namespace hn
