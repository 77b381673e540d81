// How steep the noise network is: the largest singular value of J = df/dx0.
#pragma once

#include "core/adapter.hpp"
#include "core/models.hpp"
#include "core/prompt_cache.hpp"

namespace hn::core {

// Power iteration on J^T J at one noise draw a prompt. J^T u is the network's vjp; J v, for which
// version 1 of the ABI has no entry, is a central difference with a step of 0.01 rms. The result is
// |J^T u| with |u| = 1, an exact derivative, so a lower bound that rises to the value.
std::vector<double> lipschitz(GeneratorModel& generator, const Adapter& adapter,
                              PromptCache& prompts, at::Device device,
                              const std::vector<Prompt>& texts, std::uint64_t seed, int iterations);

}  // namespace hn::core
