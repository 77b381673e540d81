// The loops of fused_kernels.hpp for one instruction set: included by a source file that is
// compiled for it and names the namespace in HN_KERNELS. Everything here has internal linkage or
// sits in that namespace, so that no function compiled for a new machine can be taken for its
// namesake on an old one; for the same reason nothing of the standard library is instantiated.
#include <cmath>
#include <cstdint>

#include "nn/fused_kernels.hpp"

namespace hn::kernels::HN_KERNELS {
namespace {

constexpr std::int64_t kLanes =
    16;  // independent partial sums, so that the compiler may keep them in registers

// exp with a relative error below 2e-7 for |x| <= 87, saturating outside; Cephes' polynomial,
// without branches so that loops vectorise.
[[gnu::always_inline]] inline float exp_fast(float x) {
  x = x < -87.0f ? -87.0f : x > 87.0f ? 87.0f : x;
  const float shifted =
      x * 1.44269504088896341f + 12582912.0f;  // rounds to the nearest integer in the low bits
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto exponent = (__builtin_bit_cast(std::int32_t, shifted) - 0x4b400000 + 127) << 23;
  return p * __builtin_bit_cast(float, exponent);
}

[[gnu::always_inline]] inline float sum_lanes(const float* lanes) {
  float total = 0;
  for (std::int64_t l = 0; l < kLanes; ++l) total += lanes[l];
  return total;
}

[[gnu::always_inline]] inline float positive(float x) { return x > 0 ? x : 0; }

// Rows of numbers at a distance.
struct Rows {
  const float* data;
  std::int64_t stride;
};

// Eight numbers as one value (GCC's and Clang's vector types; halves of it where the machine has
// only four lanes), at any address.
using Eight = float __attribute__((vector_size(32), aligned(4), may_alias));
[[gnu::always_inline]] inline const Eight& eight(const float* p) {
  return *reinterpret_cast<const Eight*>(p);
}
[[gnu::always_inline]] inline Eight& eight(float* p) { return *reinterpret_cast<Eight*>(p); }

// out[r][j] = sum over s of left[r][s] right[s][j] for R rows and 16 columns; left's element (r, s)
// is at r * row + s * term. The sums stay in registers.
template <int R>
[[gnu::always_inline]] inline void tile(const float* left, std::int64_t row, std::int64_t term,
                                        std::int64_t terms, const float* right,
                                        std::int64_t right_stride, float* out,
                                        std::int64_t out_stride) {
  Eight low[R] = {}, high[R] = {};
  for (std::int64_t s = 0; s < terms; ++s) {
    const Eight a = eight(right + s * right_stride), b = eight(right + s * right_stride + 8);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const float factor = left[r * row + s * term];
      low[r] += factor * a;
      high[r] += factor * b;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    eight(out + r * out_stride) = low[r];
    eight(out + r * out_stride + 8) = high[r];
  }
}

// The same for `rows` rows and `columns` columns.
[[gnu::always_inline]] inline void product(const float* left, std::int64_t row, std::int64_t term,
                                           std::int64_t rows, std::int64_t terms, Rows right,
                                           std::int64_t columns, float* out,
                                           std::int64_t out_stride) {
  std::int64_t j = 0;
  for (; j + 16 <= columns; j += 16) {
    std::int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
      tile<4>(left + r * row, row, term, terms, right.data + j, right.stride,
              out + r * out_stride + j, out_stride);
    for (; r < rows; ++r)
      tile<1>(left + r * row, row, term, terms, right.data + j, right.stride,
              out + r * out_stride + j, out_stride);
  }
  for (; j < columns; ++j) {
    for (std::int64_t r = 0; r < rows; ++r) {
      float sum = 0;
      for (std::int64_t s = 0; s < terms; ++s)
        sum += left[r * row + s * term] * right.data[s * right.stride + j];
      out[r * out_stride + j] = sum;
    }
  }
}

// left^T right: [d, d] from two of [n, d].
[[gnu::always_inline]] inline void outer(Rows left, Rows right, std::int64_t n, std::int64_t d,
                                         float* out) {
  product(left.data, 1, left.stride, d, n, right, d, out, d);
}
// left matrix: [n, d] from [n, d] and [d, d].
[[gnu::always_inline]] inline void apply(Rows left, const float* matrix, std::int64_t n,
                                         std::int64_t d, float* out, std::int64_t out_stride) {
  product(left.data, left.stride, 1, n, d, {matrix, d}, d, out, out_stride);
}

// relu(x) without gaps; the sum of rows, each times its factor (null: 1).
[[gnu::always_inline]] inline void rectify(const float* x, std::int64_t stride, std::int64_t n,
                                           std::int64_t d, float* out) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < d; ++j) out[i * d + j] = positive(x[i * stride + j]);
}
[[gnu::always_inline]] inline void sum_rows(const float* x, const float* factor, std::int64_t n,
                                            std::int64_t d, float* out) {
  for (std::int64_t j = 0; j < d; ++j) out[j] = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float f = factor == nullptr ? 1.0f : factor[i];
    for (std::int64_t j = 0; j < d; ++j) out[j] += f * x[i * d + j];
  }
}
// gradient = (gradient + factor * more) where the rectified number passed, 0 elsewhere.
[[gnu::always_inline]] inline void finish(float* __restrict gradient,
                                          const float* __restrict passed,
                                          const float* __restrict more, float factor,
                                          std::int64_t d) {
  // Left to the compiler this becomes a branch that is mispredicted half of the time.
  std::int64_t j = 0;
  for (; j + 8 <= d; j += 8) {
    const Eight whole = eight(gradient + j) + factor * eight(more + j);
    eight(gradient + j) = eight(passed + j) > 0.0f ? whole : Eight{};
  }
  for (; j < d; ++j) gradient[j] = passed[j] > 0.0f ? gradient[j] + factor * more[j] : 0.0f;
}
[[gnu::always_inline]] inline float dot(const float* a, const float* b, std::int64_t d) {
  float lanes[kLanes] = {};
  std::int64_t j = 0;
  for (; j + kLanes <= d; j += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] += a[j + l] * b[j + l];
  float total = sum_lanes(lanes);
  for (; j < d; ++j) total += a[j] * b[j];
  return total;
}

void rms_norm(const float* x, const float* weight, const float* bias, const float* residual,
              float* y, float* rstd, std::int64_t c, float eps, std::int64_t begin,
              std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* in = x + row * c;
    float* out = y + row * c;
    float lanes[kLanes] = {};
    std::int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes)
      for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] += in[i + l] * in[i + l];
    float total = sum_lanes(lanes);
    for (; i < c; ++i) total += in[i] * in[i];
    const float r = 1.0f / sqrtf(total / static_cast<float>(c) + eps);
    rstd[row] = r;
    for (i = 0; i < c; ++i) out[i] = in[i] * r;
    if (weight != nullptr)
      for (i = 0; i < c; ++i) out[i] *= weight[i];
    if (bias != nullptr)
      for (i = 0; i < c; ++i) out[i] += bias[i];
    if (residual != nullptr)
      for (i = 0; i < c; ++i) out[i] += residual[row * c + i];
  }
}

void rms_norm_backward(const float* x, const float* weight, const float* rstd, const float* gy,
                       float* gx, std::int64_t c, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* in = x + row * c;
    const float* g = gy + row * c;
    float* out = gx + row * c;
    if (weight != nullptr)
      for (std::int64_t i = 0; i < c; ++i) out[i] = g[i] * weight[i];
    else
      for (std::int64_t i = 0; i < c; ++i) out[i] = g[i];
    float lanes[kLanes] = {};
    std::int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes)
      for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] += out[i + l] * in[i + l];
    float total = sum_lanes(lanes);
    for (; i < c; ++i) total += out[i] * in[i];
    const float r = rstd[row], pull = total * r * r * r / static_cast<float>(c);
    for (i = 0; i < c; ++i) out[i] = out[i] * r - in[i] * pull;
  }
}

void gated_silu(const float* x, float* y, std::int64_t c, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* a = x + row * 2 * c;
    const float* g = a + c;
    float* out = y + row * c;
    for (std::int64_t i = 0; i < c; ++i) out[i] = a[i] * g[i] / (1.0f + exp_fast(-g[i]));
  }
}

void gated_silu_backward(const float* x, const float* gy, float* gx, std::int64_t c,
                         std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* a = x + row * 2 * c;
    const float* g = a + c;
    const float* go = gy + row * c;
    float* ga = gx + row * 2 * c;
    float* gg = ga + c;
    for (std::int64_t i = 0; i < c; ++i) {
      const float sigmoid = 1.0f / (1.0f + exp_fast(-g[i]));
      ga[i] = go[i] * g[i] * sigmoid;
      gg[i] = go[i] * a[i] * sigmoid * (1.0f + g[i] * (1.0f - sigmoid));
    }
  }
}

void linear_attention(const Head& h, float* y, std::int64_t y_stride, float* scratch) {
  const std::int64_t n = h.n, d = h.d;
  float *summary = scratch, *keys = summary + d * d, *q = keys + d, *k = q + n * d;
  rectify(h.q, h.q_stride, n, d, q);
  rectify(h.k, h.k_stride, n, d, k);
  sum_rows(k, nullptr, n, d, keys);
  outer({k, d}, {h.v, h.v_stride}, n, d, summary);
  apply({q, d}, summary, n, d, y, y_stride);
  for (std::int64_t i = 0; i < n; ++i) {
    const float weight = dot(q + i * d, keys, d) + h.eps;
    for (std::int64_t j = 0; j < d; ++j) y[i * y_stride + j] /= weight;
  }
}

// With S = relu(k)^T v, z = sum relu(k), a = relu(q) S, w = relu(q) z + eps, y = a / w:
//   da = dy / w, dw = -(dy . y) / w, dS = relu(q)^T da, dz = sum dw relu(q), and relu's mask on dq
//   = da S^T + dw z, dk = v dS^T + dz.
void linear_attention_backward(const Head& h, const float* gy, std::int64_t gy_stride,
                               const HeadGradients& g, float* scratch) {
  const std::int64_t n = h.n, d = h.d;
  // Gaps keep the matrices from lying a multiple of 4 KiB apart, where a load waits for an
  // unrelated store.
  float *summary = scratch, *transposed = summary + d * d + kGap,
        *g_summary = transposed + d * d + kGap, *g_transposed = g_summary + d * d + kGap;
  float *keys = g_transposed + d * d + kGap, *g_keys = keys + d, *g_weight = g_keys + d,
        *q = g_weight + n, *k = q + n * d + kGap, *ga = k + n * d + kGap;
  rectify(h.q, h.q_stride, n, d, q);
  rectify(h.k, h.k_stride, n, d, k);
  sum_rows(k, nullptr, n, d, keys);
  const Rows v{h.v, h.v_stride};
  outer({k, d}, v, n, d, summary);
  outer(v, {k, d}, n, d, transposed);
  apply({q, d}, summary, n, d, ga, d);
  for (std::int64_t i = 0; i < n; ++i) {
    const float weight = dot(q + i * d, keys, d) + h.eps;
    g_weight[i] = -dot(gy + i * gy_stride, ga + i * d, d) / weight / weight;
    for (std::int64_t j = 0; j < d; ++j) ga[i * d + j] = gy[i * gy_stride + j] / weight;
  }
  apply({ga, d}, transposed, n, d, g.q, g.stride);
  outer({q, d}, {ga, d}, n, d, g_summary);
  outer({ga, d}, {q, d}, n, d, g_transposed);
  sum_rows(q, g_weight, n, d, g_keys);
  apply({k, d}, g_summary, n, d, g.v, g.stride);
  apply(v, g_transposed, n, d, g.k, g.stride);
  for (std::int64_t i = 0; i < n; ++i) {
    finish(g.q + i * g.stride, q + i * d, keys, g_weight[i], d);
    finish(g.k + i * g.stride, k + i * d, g_keys, 1.0f, d);
  }
}

}  // namespace

const Kernels kKernels{&rms_norm,         &rms_norm_backward,
                       &gated_silu,       &gated_silu_backward,
                       &linear_attention, &linear_attention_backward};

}  // namespace hn::kernels::HN_KERNELS
