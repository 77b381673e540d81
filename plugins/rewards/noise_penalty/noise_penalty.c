/* noise_penalty: are neighbouring details as alike as in a clean picture, or like noise, or like
 * blur? After the first step of BRISQUE.
 *
 *   Y = 0.299 R + 0.587 G + 0.114 B
 *   mu = K * Y,  sigma = sqrt(K * Y^2 - mu^2 + e)        K: 7 x 7 Gaussian, standard deviation 7/6
 *   m = (Y - mu) / (sigma + C)                           MSCN coefficients, C = 1/255
 *   rho = sum of m_i m_j / sum of m_i^2                  over all pairs of neighbours i, j = the
 *                                                        next to the right and the next below
 *   score(x) = - (rho - target)^2
 *
 * Source: A. Mittal, A. K. Moorthy, A. C. Bovik, No-reference image quality assessment in the
 * spatial domain, IEEE TIP 2012, equations 1 to 3 (MSCN) and 7 (products of neighbours).
 * Differences: one statistic in place of the 36 fitted ones and their trained regression; edges are
 * continued by their last pixel; e = 1e-6 under the root, so that it has a slope on even surfaces;
 * 1e-6 is added to the squares, for pictures without any detail. */
#define C_REWARD "noise_penalty"
#define C_REWARD_VERSION "0.1.0"
#define C_REWARD_PLANES 9
#define C_REWARD_READ_OPTIONS
#include <math.h>
#define HALF 3
#define TAPS 7
struct c_reward_options {
  double target;
  double kernel[TAPS];
};
#include <hn/c/reward.h>

static const double kContrast = 1.0 / 255, kUnderRoot = 1e-6, kNoDetail = 1e-6;

static hn_status c_reward_read_options(const hn_host_v1* host, const hn_config* config,
                                       c_reward_options* options, hn_error* error) {
  options->target = 0.5;
  if (host != NULL && host->config_f64(config, "target", &options->target) == HN_INVALID_ARGUMENT)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[noise_penalty] the option target must be a number");
  if (!(options->target >= -1 && options->target <= 1))
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[noise_penalty] expected target -1 to 1, got %g", options->target);
  double sum = 0;
  for (int i = 0; i < TAPS; ++i) {
    const double z = (i - HALF) * 6.0 / 7.0;
    options->kernel[i] = exp(-0.5 * z * z);
    sum += options->kernel[i];
  }
  for (int i = 0; i < TAPS; ++i) options->kernel[i] /= sum;
  return HN_OK;
}

static int64_t clamped(int64_t value, int64_t size) {
  return value < 0 ? 0 : value >= size ? size - 1 : value;
}

/* out = K * in along both axes; with transpose its adjoint. half: scratch. All h x w. */
static void blur(const c_reward_options* o, const double* in, double* half, double* out, int64_t h,
                 int64_t w, int transpose) {
  memset(half, 0, (size_t)(h * w) * sizeof *half);
  memset(out, 0, (size_t)(h * w) * sizeof *out);
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int t = 0; t < TAPS; ++t) {
        const int64_t near = y * w + clamped(x + t - HALF, w), at = y * w + x;
        half[transpose ? near : at] += o->kernel[t] * in[transpose ? at : near];
      }
  for (int64_t y = 0; y < h; ++y)
    for (int t = 0; t < TAPS; ++t) {
      const int64_t row = y * w, near_row = clamped(y + t - HALF, h) * w;
      double* to = out + (transpose ? near_row : row);
      const double* from = half + (transpose ? row : near_row);
      for (int64_t x = 0; x < w; ++x) to[x] += o->kernel[t] * from[x];
    }
}

/* d score / d m. slope: of the score over d rho, divided by the squares. */
static void slopes_of_m(const double* m, double rho, double slope, int64_t h, int64_t w,
                        double* dm) {
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x) {
      const int64_t i = y * w + x, next[2] = {i + 1, i + w};
      const int there[2] = {x + 1 < w, y + 1 < h};
      for (int k = 0; k < 2; ++k) {
        if (!there[k]) continue;
        dm[i] += slope * (m[next[k]] - 2 * rho * m[i]);
        dm[next[k]] += slope * m[i];
      }
    }
}

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  static const double kLuma[3] = {0.299, 0.587, 0.114};
  const int64_t h = picture->height, w = picture->width, n = h * w;
  double* luma = calloc((size_t)(9 * n), sizeof *luma);
  if (luma == NULL) return -1;
  double *mu = luma + n, *sigma = mu + n, *m = sigma + n, *half = m + n, *work = half + n;
  double *dm = work + n, *dmu = dm + n, *dsquare = dmu + n;
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < n; ++i) luma[i] += kLuma[c] * picture->rgb[c * n + i];
  for (int64_t i = 0; i < n; ++i) work[i] = luma[i] * luma[i];
  blur(options, luma, half, mu, h, w, 0);
  blur(options, work, half, sigma, h, w, 0);
  for (int64_t i = 0; i < n; ++i) {
    const double variance = sigma[i] - mu[i] * mu[i];
    sigma[i] = sqrt((variance > 0 ? variance : 0) + kUnderRoot);
    m[i] = (luma[i] - mu[i]) / (sigma[i] + kContrast);
  }
  double products = 0, squares = kNoDetail;
  for (int64_t i = 0; i < n; ++i) {
    const int right = i % w + 1 < w, below = i + w < n;
    if (right) products += m[i] * m[i + 1];
    if (below) products += m[i] * m[i + w];
    squares += (right + below) * m[i] * m[i];
  }
  const double rho = products / squares, off = rho - options->target;
  *score = -off * off;
  if (grad != NULL) {
    slopes_of_m(m, rho, -2 * off / squares, h, w, dm);
    for (int64_t i = 0; i < n; ++i) {
      const double below = sigma[i] + kContrast;
      const int cut = sigma[i] * sigma[i] <= kUnderRoot; /* the variance was cut at 0 */
      dsquare[i] = cut ? 0 : -dm[i] * m[i] / below / (2 * sigma[i]);
      dmu[i] = -dm[i] / below - 2 * mu[i] * dsquare[i];
      dm[i] /= below; /* the direct share of Y, from here on */
    }
    blur(options, dmu, half, work, h, w, 1);
    for (int64_t i = 0; i < n; ++i) dm[i] += work[i];
    blur(options, dsquare, half, work, h, w, 1);
    for (int64_t i = 0; i < n; ++i) dm[i] += 2 * luma[i] * work[i];
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t i = 0; i < n; ++i) grad[c * n + i] = (float)(kLuma[c] * dm[i]);
  }
  free(luma);
  return 0;
}
