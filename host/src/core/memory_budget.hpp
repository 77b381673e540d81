// One budget for what the functions of a chain keep between forward and backward, shared by them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/bound_function.hpp"

namespace hn::core {

// What a function keeps for one call, as its plugin plans it.
struct Need {
  std::uint64_t least = 0, full = 0;  // computing all it can again; keeping everything
};

// The call's need, by two plans; a function without plans has the need 0. `call` as bound.
Need need_of(BoundFunction& function, std::span<const hn_cond* const> cond);

// A budget for each function, 0 for none of its own: everything where all fits, else its least and
// of the rest a share in proportion to what it could still use. A function that cannot compute
// again (least = full) keeps everything. HN_INVALID_ARGUMENT names the least budget there is,
// about: plans are estimates.
std::vector<std::uint64_t> share_budget(std::uint64_t budget, std::span<const Need> needs);

}  // namespace hn::core
