// Softmax attention over heads, the block that every transformer here shares.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace hn {

// softmax(q k^T / sqrt(d)) v. q [B,heads,L,d], k and v [B,heads,S,d]; returns [B,heads,L,d].
// mask: bool, broadcastable to [B,heads,L,S], true = may be seen; undefined = all. A row that sees
// nothing gives NaN. deterministic: off the CPU by plain products, whose backward gives the same
// bits every time (the fused kernels' backward adds atomically).
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& mask, bool deterministic);

// x [B,L,heads*d] as [B,heads,L,d], without a copy.
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads);
// [B,heads,L,d] as [B,L,heads*d].
at::Tensor join_heads(const at::Tensor& x);

}  // namespace hn
