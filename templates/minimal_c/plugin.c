/* my_minimal_c: how green a picture is, mean(G) - mean(R + B) / 2. A reward in C11 without LibTorch
 * and without C++: hn/c/reward.h does what the ABI asks of a plugin, the formula and its derivative
 * are here. (templates/raw_c does the same against the bare ABI.) */
#define C_REWARD "my_minimal_c"
#define C_REWARD_ID "org.example.reward.my_minimal_c" /* both texts stand in plugin.toml too */
#define C_REWARD_VERSION "0.1.0"

/* Options of one's own; without any, leave these lines and c_reward_read_options out. */
#define C_REWARD_READ_OPTIONS
struct c_reward_options {
  double gain;
};
#include <hn/c/reward.h>

static hn_status c_reward_read_options(const hn_host_v1* host, const hn_config* config,
                                       c_reward_options* options, hn_error* error) {
  options->gain = 1.0;
  if (host == NULL) return HN_OK; /* no options came along */
  const hn_status status = host->config_f64(config, "org.example.gain", &options->gain);
  if (status != HN_OK && status != HN_NOT_FOUND)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[my_minimal_c] the option org.example.gain must be a number");
  if (!(options->gain > 0))
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[my_minimal_c] expected org.example.gain above 0, got %g", options->gain);
  return HN_OK;
}

/* picture: float32 planes R, G, B in [0,1]. Called with grad for the derivative too: the same
 * layout, every number of it is to be written. */
static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  static const double kWeight[3] = {-0.5, 1.0, -0.5}; /* R, G, B */
  const int64_t pixels = picture->height * picture->width;
  double sum = 0.0; /* a float sum of a million pixels would lose three digits */
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < pixels; ++i) {
      sum += kWeight[c] * picture->rgb[c * pixels + i];
      if (grad != NULL) grad[c * pixels + i] = (float)(options->gain * kWeight[c] / (double)pixels);
    }
  *score = options->gain * sum / (double)pixels;
  return 0; /* -1: no memory */
}
