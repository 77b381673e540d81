#include "core/scorer.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/tensor.hpp>
#include <optional>

#include "core/bound_function.hpp"
#include "core/host_tensor.hpp"
#include "core/shared_resize.hpp"

namespace hn::core {

ScoreResult score(RewardModel& reward, PromptCache& prompts, at::Device device,
                  const ScoreRequest& request) {
  const std::string where = "score: " + reward.spec().name;
  const auto& shape = request.images.shape;
  if (shape.size() != 4 || shape[1] != 3)
    throw Error(HN_INVALID_ARGUMENT,
                "[" + where + "] images: expected shape (B,3,H,W), got " + shape_text(shape));
  const std::int64_t count = shape[0];
  const at::Tensor images = view_of(request.images, shape, where + ": images");
  if (request.batch < 1)
    throw Error(HN_INVALID_ARGUMENT,
                "[" + where + "] batch: expected 1 or more, got " + std::to_string(request.batch));
  if (reward.needs_prompts()
          ? static_cast<std::int64_t>(request.prompts.size()) != count
          : !request.prompts.empty() && static_cast<std::int64_t>(request.prompts.size()) != count)
    throw Error(HN_INVALID_ARGUMENT, "[" + where + "] expected one prompt an image (" +
                                         std::to_string(count) + "), got " +
                                         std::to_string(request.prompts.size()));
  if (request.want_grad && !reward.differentiable())
    throw Error(HN_UNSUPPORTED, "[" + where + "] is score-only: it has no image gradient");

  ScoreResult result;
  result.scores.resize(static_cast<std::size_t>(count));
  at::Tensor gradient;
  if (request.want_grad) gradient = allocate(result.image_grad, shape);

  BoundFunction fn(reward.score());
  fn.need_grad[reward.image_slot()] = 1;
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const HostServices& services = reward.instance().runtime().services;
  const auto& outputs = reward.score().outputs();
  for (std::int64_t first = 0; first < count; first += request.batch) {
    services.stop_if_cancelled("score");
    const std::int64_t n = std::min(request.batch, count - first);
    PromptCache::Pins pins;
    if (reward.needs_prompts())
      pins = prompts.get(reward.instance(), std::span(request.prompts)
                                                .subspan(static_cast<std::size_t>(first),
                                                         static_cast<std::size_t>(n)));
    const at::Tensor whole = images.narrow(0, first, n).to(device);
    const std::int64_t edge = reward.spec().resize;
    std::optional<SharedResize> resize;
    if (edge > 0 && (whole.size(2) != edge || whole.size(3) != edge)) resize.emplace(whole, edge);
    const at::Tensor batch = resize ? resize->resized() : whole;
    fn.in[reward.image_slot()] = batch;
    for (std::size_t o = 0; o < outputs.size(); ++o)
      if (outputs[o].dtype == at::kFloat && outputs[o].shape.size() == 1)
        fn.out[o] = at::empty({n}, options);
    const Saved saved = fn.forward(pins.handles(), request.want_grad);
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      if (!fn.out[o].defined()) continue;
      const at::Tensor host = fn.out[o].to(at::kCPU);
      auto& column = o == reward.score_slot() ? result.scores : result.columns[outputs[o].name];
      column.resize(static_cast<std::size_t>(count));
      std::copy_n(host.const_data_ptr<float>(), n, column.begin() + first);
    }
    if (request.want_grad) {
      const at::Tensor grad = resize ? resize->gradient() : at::empty(batch.sizes(), options);
      fn.cotangent[reward.score_slot()] = at::ones({n}, options);
      fn.grad[reward.image_slot()] = grad;
      fn.backward(saved, false);
      gradient.narrow(0, first, n).copy_(resize ? resize->backward() : grad);
    }
    services.progress("scoring", static_cast<std::uint64_t>(first + n),
                      static_cast<std::uint64_t>(count));
  }
  return result;
}

}  // namespace hn::core
