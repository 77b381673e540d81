/* jpeg_size: how many bits a JPEG of the picture would take, as a smooth proxy.
 *
 *   for each 8 x 8 block of Y, Cb, Cr (scaled to 0..255, shifted by 128 as JPEG does):
 *     c = DCT(block),  bits = sum over its 64 coefficients of log2(1 + (c / q)^2) / 2
 *   score(x) = bits / pixels        the chroma planes at full resolution; lower is smaller
 *
 * q: the quantisation tables of the JPEG standard (ITU-T T.81, Annex K.1), scaled to `quality` as
 * the Independent JPEG Group's library does. log2(1 + v^2)/2 is about the bits that an entropy
 * coder spends on a quantised value v: none for v << 1, log2 |v| for v >> 1. Edges are continued
 * to whole blocks by their last pixel. The DC coefficients of neighbours are not subtracted from
 * one another, as a JPEG would. */
#define C_REWARD "jpeg_size"
#define C_REWARD_VERSION "0.1.0"
#define C_REWARD_READ_OPTIONS
#include <math.h>
struct c_reward_options {
  double step[2][64]; /* of quantisation, luma and chroma, row by row */
  double basis[8][8]; /* orthonormal DCT-II: [frequency][position] */
};
#include <hn/c/reward.h>

static const unsigned char kTables[2][64] = {
    {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
     14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
     18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99},
    {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
     99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

/* Y, Cb, Cr of R, G, B (JFIF); the shift by 128 of the chroma planes and of the luma cancels all
 * constants but the luma's. */
static const double kYcc[3][3] = {
    {0.299, 0.587, 0.114}, {-0.168735892, -0.331264108, 0.5}, {0.5, -0.418687589, -0.081312411}};

static hn_status c_reward_read_options(const hn_host_v1* host, const hn_config* config,
                                       c_reward_options* options, hn_error* error) {
  int64_t quality = 75;
  if (host != NULL && host->config_i64(config, "quality", &quality) == HN_INVALID_ARGUMENT)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[jpeg_size] the option quality must be an integer");
  if (quality < 1 || quality > 100)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[jpeg_size] expected quality 1 to 100, got %lld", (long long)quality);
  const int64_t scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  for (int t = 0; t < 2; ++t)
    for (int i = 0; i < 64; ++i) {
      const int64_t step = (kTables[t][i] * scale + 50) / 100;
      options->step[t][i] = (double)(step < 1 ? 1 : step > 255 ? 255 : step);
    }
  const double pi = 3.14159265358979323846;
  for (int k = 0; k < 8; ++k)
    for (int x = 0; x < 8; ++x)
      options->basis[k][x] = (k == 0 ? sqrt(0.125) : 0.5) * cos((2 * x + 1) * k * pi / 16);
  return HN_OK;
}

/* out = basis * in * basis^T, or with inverse basis^T * in * basis. */
static void transform(const c_reward_options* o, const double in[64], double out[64], int inverse) {
  double half[64];
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) {
      double sum = 0;
      for (int k = 0; k < 8; ++k)
        sum += in[8 * i + k] * (inverse ? o->basis[k][j] : o->basis[j][k]);
      half[8 * i + j] = sum;
    }
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) {
      double sum = 0;
      for (int k = 0; k < 8; ++k)
        sum += half[8 * k + j] * (inverse ? o->basis[k][i] : o->basis[i][k]);
      out[8 * i + j] = sum;
    }
}

static int64_t at_most(int64_t value, int64_t limit) { return value < limit ? value : limit; }

/* One block of plane p (0 luma, 1 Cb, 2 Cr) at (top, left). Adds its slopes to grad, if wanted. */
static double block_bits(const c_reward_options* o, const c_reward_picture* picture, int p,
                         int64_t top, int64_t left, double per_bit, float* grad) {
  const int64_t h = picture->height, w = picture->width, pixels = h * w;
  double block[64], coefficients[64];
  for (int i = 0; i < 64; ++i) {
    const int64_t at = at_most(top + i / 8, h - 1) * w + at_most(left + i % 8, w - 1);
    block[i] = p == 0 ? -128 : 0;
    for (int c = 0; c < 3; ++c) block[i] += 255 * kYcc[p][c] * picture->rgb[c * pixels + at];
  }
  transform(o, block, coefficients, 0);
  const double* step = o->step[p > 0];
  double bits = 0;
  for (int i = 0; i < 64; ++i) {
    const double v = coefficients[i] / step[i];
    bits += 0.5 * log2(1 + v * v);
    coefficients[i] = v / (1 + v * v) / step[i] / log(2.0); /* its slope, from here on */
  }
  if (grad == NULL) return bits;
  transform(o, coefficients, block, 1);
  for (int i = 0; i < 64; ++i) {
    const int64_t at = at_most(top + i / 8, h - 1) * w + at_most(left + i % 8, w - 1);
    for (int c = 0; c < 3; ++c)
      grad[c * pixels + at] += (float)(255 * kYcc[p][c] * block[i] * per_bit);
  }
  return bits;
}

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  const int64_t h = picture->height, w = picture->width;
  const double per_bit = 1.0 / (double)(h * w);
  if (grad != NULL) memset(grad, 0, (size_t)(3 * h * w) * sizeof *grad);
  double bits = 0;
  for (int p = 0; p < 3; ++p)
    for (int64_t top = 0; top < h; top += 8)
      for (int64_t left = 0; left < w; left += 8)
        bits += block_bits(options, picture, p, top, left, per_bit, grad);
  *score = bits * per_bit;
  return 0;
}
