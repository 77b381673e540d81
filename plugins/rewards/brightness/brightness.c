/* brightness: how light a picture is.
 *
 *   score(x) = mean(Y)        Y = 0.299 R + 0.587 G + 0.114 B; range 0..1
 *
 * Source: Rec. ITU-R BT.601, luma of the sRGB values as they are (no linearisation). */
#define C_REWARD "brightness"
#define C_REWARD_VERSION "0.1.0"
#include <hn/c/reward.h>

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  static const double kLuma[3] = {0.299, 0.587, 0.114};
  (void)options;
  const int64_t pixels = picture->height * picture->width;
  double total = 0;
  for (int64_t c = 0; c < 3; ++c) {
    double channel = 0;
    for (int64_t i = 0; i < pixels; ++i) channel += picture->rgb[c * pixels + i];
    total += kLuma[c] * channel;
    if (grad == NULL) continue;
    for (int64_t i = 0; i < pixels; ++i) grad[c * pixels + i] = (float)(kLuma[c] / (double)pixels);
  }
  *score = total / (double)pixels;
  return 0;
}
