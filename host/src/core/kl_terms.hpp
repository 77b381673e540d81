// The exact KL divergence of the moved noise, beside the bound that training uses.
//
// T(x0) = x0 + f(x0) carries p0 = N(0, I) to another distribution. Where T can be inverted,
//
//   KL(T p0 | p0) = E[ 0.5 |f|^2 + x0 . f - log |det(I + J)| ],  J = df/dx0,
//
// and E[x0 . f] = E[tr J] (Stein), so that the paper's term 0.5 |f|^2 (arXiv 2508.09968, section
// 3.2) leaves out E[tr J - log |det(I + J)|], which is small while J is.
#pragma once

#include <cstdint>
#include <vector>

#include "core/adapter.hpp"
#include "core/models.hpp"
#include "core/prompt_cache.hpp"

namespace hn::core {

// As Session::kl_terms.
std::vector<KlTerms> kl_terms(GeneratorModel& generator, const Adapter& adapter,
                              PromptCache& prompts, at::Device device, const KlRequest& request);

}  // namespace hn::core
