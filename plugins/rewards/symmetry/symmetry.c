/* symmetry: how alike a picture and its mirror image are.
 *
 *   score(x) = 1 - mean((x - mirror(x))^2)     range 0..1 for values in [0,1]
 *
 * axis "vertical": left and right are exchanged (the axis stands upright), "horizontal": top and
 * bottom, "both": the mean of the two scores. */
#define C_REWARD "symmetry"
#define C_REWARD_VERSION "0.1.0"
#define C_REWARD_READ_OPTIONS
struct c_reward_options {
  int vertical, horizontal;
};
#include <hn/c/reward.h>

static int is_text(hn_str text, const char* wanted) {
  return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

static hn_status c_reward_read_options(const hn_host_v1* host, const hn_config* config,
                                       c_reward_options* options, hn_error* error) {
  hn_str axis = HN_STR("vertical");
  if (host != NULL && host->config_str(config, "axis", &axis) == HN_INVALID_ARGUMENT)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[symmetry] the option axis must be a text");
  options->vertical = is_text(axis, "vertical") || is_text(axis, "both");
  options->horizontal = is_text(axis, "horizontal") || is_text(axis, "both");
  if (!options->vertical && !options->horizontal)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[symmetry] expected axis vertical, horizontal or both, got %.*s",
                         (int)axis.len, axis.data);
  return HN_OK;
}

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  const int64_t h = picture->height, w = picture->width;
  const double share = 1.0 / (options->vertical + options->horizontal) / (double)(3 * h * w);
  if (grad != NULL) memset(grad, 0, (size_t)(3 * h * w) * sizeof *grad);
  double total = 0;
  for (int64_t row = 0; row < 3 * h; ++row) {
    const int64_t c = row / h, y = row % h;
    for (int64_t x = 0; x < w; ++x) {
      const int64_t at = row * w + x;
      const int64_t mirrors[2] = {row * w + (w - 1 - x), (c * h + (h - 1 - y)) * w + x};
      for (int k = 0; k < 2; ++k) {
        if (!(k == 0 ? options->vertical : options->horizontal)) continue;
        const double off = (double)picture->rgb[at] - picture->rgb[mirrors[k]];
        total += off * off;
        /* Each pair is met twice, from both sides. */
        if (grad != NULL) grad[at] += (float)(-4 * off * share);
      }
    }
  }
  *score = 1 - total * share;
  return 0;
}
