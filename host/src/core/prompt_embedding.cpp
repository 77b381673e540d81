#include "core/prompt_embedding.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/torch/tensor.hpp>

#include "core/finite.hpp"

namespace hn::core {

at::Tensor pooled_embeddings(Instance& instance, std::span<const hn_cond* const> handles,
                             at::Device device) {
  const auto size = static_cast<std::int64_t>(instance.embedding_size());
  const at::Tensor rows = at::empty({static_cast<std::int64_t>(handles.size()), size},
                                    at::TensorOptions(at::kFloat).device(device));
  for (std::size_t i = 0; i < handles.size(); ++i) {
    const at::Tensor row = rows[static_cast<std::int64_t>(i)];
    const auto same =
        std::find(handles.begin(), handles.begin() + static_cast<std::ptrdiff_t>(i), handles[i]) -
        handles.begin();
    if (static_cast<std::size_t>(same) < i) {
      row.copy_(rows[same]);
      continue;
    }
    const DLTensor out = borrow(row);
    instance.call(Instance::Kind::kCompute, "embedding", [&](hn_error* error) {
      return instance.cond()->embedding(instance.raw(), handles[i], instance.runtime().stream, &out,
                                        error);
    });
  }
  if (const std::string bad = not_finite_rows(rows, {}); !bad.empty())
    throw Error(HN_DATA_LOSS, instance.name() + ": embedding is not finite: " + bad);
  return rows;
}

}  // namespace hn::core
