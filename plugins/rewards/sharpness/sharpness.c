/* sharpness: the variance of the Laplacian of the luma.
 *
 *   L = Y(up) + Y(down) + Y(left) + Y(right) - 4 Y     over the pixels with four neighbours
 *   score(x) = mean(L^2) - mean(L)^2                   Y = 0.299 R + 0.587 G + 0.114 B
 *
 * Source: J. L. Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000
 * (LAPV). A picture below 3 pixels on a side has no such pixel and scores 0. */
#define C_REWARD "sharpness"
#define C_REWARD_VERSION "0.1.0"
#define C_REWARD_PLANES 3
#include <hn/c/reward.h>

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  static const double kLuma[3] = {0.299, 0.587, 0.114};
  (void)options;
  const int64_t h = picture->height, w = picture->width, pixels = h * w;
  *score = 0;
  if (grad != NULL) memset(grad, 0, (size_t)(3 * pixels) * sizeof *grad);
  if (h < 3 || w < 3) return 0;
  double* luma = calloc((size_t)(3 * pixels), sizeof *luma);
  if (luma == NULL) return -1;
  double *laplacian = luma + pixels, *slope = laplacian + pixels;
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < pixels; ++i) luma[i] += kLuma[c] * picture->rgb[c * pixels + i];
  const double n = (double)((h - 2) * (w - 2));
  double mean = 0;
  for (int64_t y = 1; y + 1 < h; ++y)
    for (int64_t i = y * w + 1; i < y * w + w - 1; ++i) {
      laplacian[i] = luma[i - w] + luma[i + w] + luma[i - 1] + luma[i + 1] - 4 * luma[i];
      mean += laplacian[i] / n;
    }
  for (int64_t y = 1; y + 1 < h; ++y)
    for (int64_t i = y * w + 1; i < y * w + w - 1; ++i) {
      const double off = laplacian[i] - mean;
      *score += off * off / n;
      /* d score / d L_i = 2 (L_i - mean) / n: the mean's own share cancels. */
      const double each = 2 * off / n;
      slope[i - w] += each;
      slope[i + w] += each;
      slope[i - 1] += each;
      slope[i + 1] += each;
      slope[i] -= 4 * each;
    }
  for (int64_t c = 0; c < 3 && grad != NULL; ++c)
    for (int64_t i = 0; i < pixels; ++i) grad[c * pixels + i] = (float)(kLuma[c] * slope[i]);
  free(luma);
  return 0;
}
