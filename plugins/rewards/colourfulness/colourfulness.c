/* colourfulness: Hasler and Suesstrunk's measure.
 *
 *   a = R - G,  b = (R + G) / 2 - B
 *   score(x) = root(var(a) + var(b)) + 0.3 root(mean(a)^2 + mean(b)^2),  root(v) = sqrt(v + e^2) -
 * e
 *
 * e = 1e-3. Source: D. Hasler, S. Suesstrunk, Measuring colourfulness in natural images, SPIE 2003,
 * section 4; variances over the pixels (divided by H W). Differences: values in [0,1] instead of
 * 0..255, so scores are theirs / 255; root instead of sqrt, whose slope at grey is infinite (the
 * score differs by less than e). */
#define C_REWARD "colourfulness"
#define C_REWARD_VERSION "0.1.0"
#include <hn/c/reward.h>
#include <math.h>

static const double kEpsilon = 1e-3;

/* The root and its derivative. */
static double soft_root(double v, double* slope) {
  const double root = sqrt(v + kEpsilon * kEpsilon);
  *slope = 0.5 / root;
  return root - kEpsilon;
}

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  (void)options;
  const int64_t pixels = picture->height * picture->width;
  const double n = (double)pixels;
  const float *r = picture->rgb, *g = r + pixels, *blue = g + pixels;
  double mean_a = 0, mean_b = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    mean_a += (double)r[i] - g[i];
    mean_b += 0.5 * ((double)r[i] + g[i]) - blue[i];
  }
  mean_a /= n;
  mean_b /= n;
  double variance = 0; /* of both, about their means: no cancellation */
  for (int64_t i = 0; i < pixels; ++i) {
    const double a = (double)r[i] - g[i] - mean_a;
    const double b = 0.5 * ((double)r[i] + g[i]) - blue[i] - mean_b;
    variance += (a * a + b * b) / n;
  }
  double spread_slope, mean_slope;
  *score = soft_root(variance, &spread_slope) +
           0.3 * soft_root(mean_a * mean_a + mean_b * mean_b, &mean_slope);
  if (grad == NULL) return 0;
  for (int64_t i = 0; i < pixels; ++i) {
    const double a = (double)r[i] - g[i] - mean_a;
    const double b = 0.5 * ((double)r[i] + g[i]) - blue[i] - mean_b;
    const double da = (2 * a * spread_slope + 0.6 * mean_a * mean_slope) / n;
    const double db = (2 * b * spread_slope + 0.6 * mean_b * mean_slope) / n;
    grad[i] = (float)(da + 0.5 * db);
    grad[pixels + i] = (float)(-da + 0.5 * db);
    grad[2 * pixels + i] = (float)-db;
  }
  return 0;
}
