/* saturation: how pure the colours of a picture are.
 *
 *   m = (R + G + B) / 3,  v = ((R - m)^2 + (G - m)^2 + (B - m)^2) / 3
 *   score(x) = mean over pixels of (sqrt(v + a^2) - a) / (sqrt(2) (m + b))     a = 0.001, b = 0.01
 *
 * The spread of the channels over their mean: 0 for grey, about 1 for a pure primary colour. It
 * orders colours much as the S of HSV does, but is smooth, where max and min of HSV have a kink
 * wherever two channels are equal; a keeps the root's slope finite at grey, b the quotient's at
 * black. */
#define C_REWARD "saturation"
#define C_REWARD_VERSION "0.1.0"
#include <hn/c/reward.h>
#include <math.h>

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  static const double kGrey = 1e-3, kBlack = 0.01;
  (void)options;
  const int64_t pixels = picture->height * picture->width;
  double total = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    const float* x = picture->rgb + i;
    const double mean = ((double)x[0] + x[pixels] + x[2 * pixels]) / 3;
    double variance = 0;
    for (int c = 0; c < 3; ++c) {
      const double off = (double)x[c * pixels] - mean;
      variance += off * off / 3;
    }
    const double root = sqrt(variance + kGrey * kGrey);
    /* Means below 0 count as 0, so that the denominator stays above b. */
    const double below = sqrt(2.0) * ((mean > 0 ? mean : 0) + kBlack);
    total += (root - kGrey) / below;
    for (int c = 0; c < 3 && grad != NULL; ++c) {
      const double spread = ((double)x[c * pixels] - mean) / (3 * root) / below;
      const double of_mean = mean > 0 ? sqrt(2.0) / 3 * (root - kGrey) / (below * below) : 0;
      grad[c * pixels + i] = (float)((spread - of_mean) / (double)pixels);
    }
  }
  *score = total / (double)pixels;
  return 0;
}
