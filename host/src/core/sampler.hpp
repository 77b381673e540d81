// Pictures from prompts, with or without the adapter; no gradients.
#pragma once

#include "core/adapter.hpp"
#include "core/models.hpp"
#include "core/prompt_cache.hpp"

namespace hn::core {

// adapter: NULL for NetKind::kNone. Errors: HN_INVALID_ARGUMENT names a field of the request,
// HN_UNSUPPORTED what the generator does not give, HN_DATA_LOSS what is not finite (sample and
// prompt), HN_CANCELLED between batches.
SampleResult sample(GeneratorModel& generator, const Adapter* adapter, PromptCache& prompts,
                    at::Device device, const SampleRequest& request);

}  // namespace hn::core
