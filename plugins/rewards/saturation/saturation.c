/* saturation: how pure the colours of a picture are.
 *
 *   score(x) = mean over pixels of (max - min) / (max + e)     max, min over R, G, B; e = 0.01
 *
 * Source: the S of HSV (A. R. Smith, Color Gamut Transform Pairs, SIGGRAPH 1978). Difference: e in
 * the denominator, since the original jumps at black; a pure colour at full brightness gives
 * 1 / 1.01. The gradient is that of the channels that are the largest and the smallest; where two
 * are equal it is one of the possible ones. */
#define C_REWARD "saturation"
#define C_REWARD_VERSION "0.1.0"
#include "c_reward.h"

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  static const double kEpsilon = 0.01;
  (void)options;
  const int64_t pixels = picture->height * picture->width;
  if (grad != NULL) memset(grad, 0, (size_t)(3 * pixels) * sizeof *grad);
  double total = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    int64_t high = i, low = i;
    for (int64_t c = 1; c < 3; ++c) {
      const int64_t at = c * pixels + i;
      if (picture->rgb[at] > picture->rgb[high]) high = at;
      if (picture->rgb[at] < picture->rgb[low]) low = at;
    }
    /* Values below 0 count as 0, so that the denominator stays above e. */
    const double most = picture->rgb[high] > 0 ? picture->rgb[high] : 0;
    const double least = picture->rgb[low] > 0 ? picture->rgb[low] : 0;
    const double below = most + kEpsilon;
    total += (most - least) / below;
    if (grad == NULL || high == low) continue;
    if (most > 0) grad[high] = (float)((least + kEpsilon) / (below * below) / (double)pixels);
    if (least > 0) grad[low] = (float)(-1.0 / below / (double)pixels);
  }
  *score = total / (double)pixels;
  return 0;
}
