#include "core/memory_budget.hpp"

#include <algorithm>
#include <string>

namespace hn::core {

Need need_of(BoundFunction& function, std::span<const hn_cond* const> cond) {
  FunctionClient::Call call = function.call(cond, true);
  call.saved_budget = 0;
  const auto full = function.fn->plan(call);
  if (!full) return {};
  call.saved_budget = 1;
  const auto least = function.fn->plan(call);
  if (!least) return {full->saved_bytes, full->saved_bytes};
  return {std::min(least->saved_bytes, full->saved_bytes), full->saved_bytes};
}

std::vector<std::uint64_t> share_budget(std::uint64_t budget, std::span<const Need> needs) {
  std::uint64_t least = 0, full = 0;
  for (const Need& need : needs) {
    least += need.least;
    full += need.full;
  }
  std::vector<std::uint64_t> shares(needs.size(), 0);
  if (budget == 0 || full <= budget) return shares;
  if (least > budget)
    throw Error(HN_INVALID_ARGUMENT,
                "[memory_budget] expected at least about " + std::to_string(least) +
                    " bytes for this model, size and batch (smaller ones: micro_batch, vae_tile), "
                    "got " +
                    std::to_string(budget));
  const double rest = static_cast<double>(budget - least), wish = static_cast<double>(full - least);
  for (std::size_t i = 0; i < needs.size(); ++i) {
    const Need& need = needs[i];
    if (need.least == need.full) continue;
    const double own = static_cast<double>(need.full - need.least);
    shares[i] = need.least + static_cast<std::uint64_t>(rest * (own / wish));
  }
  return shares;
}

}  // namespace hn::core
