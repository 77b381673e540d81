/* redness: how red a picture is.
 *
 *   score(x) = mean(R) - mean(G + B) / 2        range -1..1, higher is redder
 *
 * Source: Noise Hypernetworks (arXiv 2508.09968), the toy experiment of figure 4. The paper's loss
 * is mean((G+B)/2 - R), that is 0 - score. What the ABI asks of a plugin beside this formula is in
 * hn/c/reward.h; templates/raw_c has all of it in one file. */
#define C_REWARD "redness"
#define C_REWARD_VERSION "0.1.0"
#include <hn/c/reward.h>

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  static const double kWeight[3] = {1.0, -0.5, -0.5}; /* R, G, B */
  (void)options;
  const int64_t pixels = picture->height * picture->width;
  double total = 0.0; /* a float sum of a million pixels would lose three digits */
  for (int64_t c = 0; c < 3; ++c) {
    double channel = 0.0;
    for (int64_t i = 0; i < pixels; ++i) channel += picture->rgb[c * pixels + i];
    total += kWeight[c] * channel;
    if (grad == NULL) continue;
    for (int64_t i = 0; i < pixels; ++i)
      grad[c * pixels + i] = (float)(kWeight[c] / (double)pixels);
  }
  *score = total / (double)pixels;
  return 0;
}
