/* Scores the same pictures with the first and the second reward of a configuration. Prints
 * "scores", the largest difference, the largest score of the first, how many numbers differ and of
 * how many; then "gradients" with the same. The log goes to standard error. usage: compare
 * CONFIG_TEXT */
#include <hnhost/hnhost.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBatch = 8, kSize = 64, kNumbers = kBatch * 3 * kSize * kSize };

static char message[2048];
static hn_error error = {sizeof(hn_error), 0, message, sizeof message, 0};

static int check(hn_status status, const char* what) {
  if (status == HN_OK) return 1;
  fprintf(stderr, "%s: code %d: %s\n", what, (int)status, message);
  return 0;
}

static void HN_CALL on_log(void* ctx, int32_t level, hn_str said) {
  (void)ctx, (void)level;
  fprintf(stderr, "%.*s\n", (int)said.len, said.data);
}

static void tell(const char* what, const float* a, const float* b, int n) {
  double apart = 0, largest = 0;
  int different = 0;
  for (int i = 0; i < n; ++i) {
    apart = fmax(apart, fabs((double)a[i] - b[i]));
    largest = fmax(largest, fabs((double)a[i]));
    different += memcmp(a + i, b + i, sizeof *a) != 0;
  }
  printf("%s %.9g %.9g %d %d\n", what, apart, largest, different, n);
}

int main(int argc, char** argv) {
  static float pixels[kNumbers], scores[2][kBatch], grads[2][kNumbers];
  if (argc != 2) return 2;
  for (int i = 0; i < kNumbers; ++i) {
    const int y = i / kSize % kSize, x = i % kSize, plane = i / (kSize * kSize);
    pixels[i] = (float)((x * (plane + 3) + y * (7 + plane * 5) + x * y) % 257) / 256.0f;
  }
  hnhost_options options = {0};
  options.struct_size = sizeof options;
  options.log = on_log;
  hnhost* host = NULL;
  hnhost_session* session = NULL;
  hnhost_session_args args = {0};
  args.struct_size = sizeof args;
  args.flags = HNHOST_SESSION_REWARDS;
  args.config.data = argv[1];
  args.config.len = strlen(argv[1]);
  int ok = check(hnhost_open(&options, &host, &error), "host") &&
           check(hnhost_session_open(host, &args, &session, &error), "session");
  int64_t shape[4] = {kBatch, 3, kSize, kSize}, one[1] = {kBatch};
  const DLDataType f32 = {kDLFloat, 32, 1};
  const DLTensor images = {pixels, {kDLCPU, 0}, 4, f32, shape, NULL, 0};
  for (int r = 0; ok && r < 2; ++r) {
    const DLTensor score = {scores[r], {kDLCPU, 0}, 1, f32, one, NULL, 0};
    const DLTensor grad = {grads[r], {kDLCPU, 0}, 4, f32, shape, NULL, 0};
    hnhost_score_args request = {0};
    request.struct_size = sizeof request;
    request.reward = (uint64_t)r;
    request.images = &images;
    request.scores = &score;
    request.image_grad = &grad;
    ok = check(hnhost_score(session, &request, &error), r == 0 ? "first" : "second");
  }
  if (ok) {
    tell("scores", scores[0], scores[1], kBatch);
    tell("gradients", grads[0], grads[1], kNumbers);
  }
  hnhost_session_close(session);
  hnhost_close(host);
  return ok ? 0 : 1;
}
