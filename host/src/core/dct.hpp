// The two-dimensional discrete cosine transform of pictures, cut to its lowest frequencies.
//
//   D[u,i] = s(u) cos(pi (2 i + 1) u / (2 n)),  s(0) = sqrt(1/n), s(u) = sqrt(2/n) else   (DCT-II)
//
// The rows of D are orthonormal, so that of a channel X [h,w] the coefficients are D_h X D_w^T, the
// inverse (DCT-III) is D_h^T c D_w, each is the other's adjoint, coefficients of a standard normal
// X are standard normals, and |X|^2 is the sum of the squares of all coefficients. Source: Ahmed,
// Natarajan, Rao, "Discrete cosine transform", IEEE Trans. Computers 1974, in the scaling of
// scipy.fft.dct(type=2, norm="ortho").
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace hn::core {

// D's first `count` rows for `size` points: [count, size], in float64 rounded once to the options'
// type. 1 <= count <= size.
at::Tensor dct_rows(std::int64_t count, std::int64_t size, const at::TensorOptions& options);

// The lowest k x l frequencies of pictures on h x w points; a pair of matrices.
class LowFrequencies {
 public:
  // count: k = l.
  LowFrequencies(std::int64_t count, std::int64_t height, std::int64_t width,
                 const at::TensorOptions& options);

  // [B,C,h,w] -> [B,C,k,k]; the adjoint, and on the coefficients' pictures the inverse, of
  // pictures().
  at::Tensor coefficients(const at::Tensor& pictures) const;
  // [B,C,k,k] -> [B,C,h,w], without any other frequency.
  at::Tensor pictures(const at::Tensor& coefficients) const;

 private:
  at::Tensor rows_, columns_;  // [k,h], [k,w]
};

}  // namespace hn::core
