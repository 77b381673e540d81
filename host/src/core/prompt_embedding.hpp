// Pooled prompt embeddings (hn.cond/1), for the host's own networks.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "core/instance.hpp"

namespace hn::core {

// One row a handle: float32 [handles, instance.embedding_size()] on `device`, where the plugin
// computes. Each different handle is asked for once. Errors: those of the plugin, HN_DATA_LOSS
// names the sample whose embedding is not finite.
at::Tensor pooled_embeddings(Instance& instance, std::span<const hn_cond* const> handles,
                             at::Device device);

}  // namespace hn::core
