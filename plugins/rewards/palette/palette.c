/* palette: how near the colours of a picture are to a given palette.
 *
 *   score(x) = - mean over pixels of min_k |x - p_k|^2     range -3..0, 0 = only palette colours
 *
 * Distances between sRGB values in [0,1]. The gradient is that of the nearest colour; between two
 * equally near ones it is that of the first. */
#define C_REWARD "palette"
#define C_REWARD_VERSION "0.1.0"
#define C_REWARD_READ_OPTIONS
#define PALETTE_MOST 256
struct c_reward_options {
  int count;
  float rgb[PALETTE_MOST][3];
};
#include <hn/c/reward.h>

/* -1 for what is no hex digit. */
static int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* "#d62828" */
static hn_status add_colour(c_reward_options* options, hn_str text, hn_error* error) {
  int good = text.len == 7 && text.data[0] == '#';
  for (int i = 1; good && i < 7; ++i) good = hex_digit(text.data[i]) >= 0;
  if (!good)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[palette] expected colours such as \"#d62828\", got '%.*s'",
                         (int)text.len, text.data);
  if (options->count == PALETTE_MOST)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[palette] expected at most %d colours",
                         PALETTE_MOST);
  for (int c = 0; c < 3; ++c)
    options->rgb[options->count][c] =
        (float)(16 * hex_digit(text.data[1 + 2 * c]) + hex_digit(text.data[2 + 2 * c])) / 255.0f;
  ++options->count;
  return HN_OK;
}

static hn_status c_reward_read_options(const hn_host_v1* host, const hn_config* config,
                                       c_reward_options* options, hn_error* error) {
  static const hn_str kDefault[] = {HN_STR("#264653"), HN_STR("#2a9d8f"), HN_STR("#e9c46a"),
                                    HN_STR("#f4a261"), HN_STR("#e76f51")};
  for (uint64_t i = 0; host != NULL; ++i) {
    hn_str colour = HN_STR("");
    hn_status status = host->config_list(config, "colours", i, &colour);
    if (status == HN_NOT_FOUND) break;
    if (status != HN_OK)
      return c_reward_fail(error, HN_INVALID_ARGUMENT,
                           "[palette] the option colours must be a list");
    if ((status = add_colour(options, colour, error)) != HN_OK) return status;
  }
  if (options->count > 0) return HN_OK;
  for (size_t i = 0; i < sizeof kDefault / sizeof *kDefault; ++i) {
    const hn_status status = add_colour(options, kDefault[i], error);
    if (status != HN_OK) return status;
  }
  return HN_OK;
}

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  const int64_t pixels = picture->height * picture->width;
  double total = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    const float* x = picture->rgb + i;
    double least = 0;
    int nearest = 0;
    for (int k = 0; k < options->count; ++k) {
      double distance = 0;
      for (int c = 0; c < 3; ++c) {
        const double off = (double)x[c * pixels] - options->rgb[k][c];
        distance += off * off;
      }
      if (k > 0 && distance >= least) continue;
      least = distance;
      nearest = k;
    }
    total += least;
    for (int c = 0; c < 3 && grad != NULL; ++c)
      grad[c * pixels + i] =
          (float)(-2 * ((double)x[c * pixels] - options->rgb[nearest][c]) / (double)pixels);
  }
  *score = -total / (double)pixels;
  return 0;
}
