/* my_embed_c: hn inside a program of one's own, in C11. It lists the rewards, opens the embedded
 * model with one of them, trains three steps with a callback, samples before and after into its own
 * buffers, scores both, and saves the adapter.
 *
 * usage: my_embed_c [FOLDER] [REWARD]      FOLDER: where the adapter goes (default: adapter);
 * REWARD: default redness
 *
 * No function keeps a thread-local error or any other global state: each failing call fills the
 * caller's hn_error. */
#include <hnhost/hnhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kSamples = 4, kSteps = 3 };

/* The caller owns the text of an error: a buffer on the stack does. */
static char message[2048];
static hn_error error = {sizeof(hn_error), 0, message, sizeof message, 0};

static int check(hn_status status, const char* what) {
  if (status == HN_OK) return 1;
  fprintf(stderr, "%s: code %d: %s\n", what, (int)status, message);
  return 0;
}

/* Loading a large model takes a while; it says what it does. */
static void HN_CALL on_progress(void* ctx, hn_str what, uint64_t done, uint64_t total) {
  (void)ctx, (void)done, (void)total;
  printf("%.*s\n", (int)what.len, what.data);
}

static hn_str text(const char* zero_terminated) {
  hn_str view = {zero_terminated, strlen(zero_terminated)};
  return view;
}

/* Called after each optimiser step, in the thread that trains. Not 0 asks to stop. */
static int32_t HN_CALL on_step(void* ctx, const hnhost_step* step) {
  int* seen = ctx;
  ++*seen;
  printf("step %llu of %llu: reward %.4f, 1/2 |delta|^2 %.3f, %.1f samples/s\n",
         (unsigned long long)step->step, (unsigned long long)step->steps, step->reward, step->kl,
         step->samples_per_second);
  return 0;
}

/* The value of an integer list such as "image":[3,64,64] in the library's JSON. A real program uses
 * its own JSON reader. */
static int find_shape(const char* json, const char* key, int64_t* shape, int n) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\"", key);
  const char* p = strstr(json, quoted);
  p = p != NULL ? strchr(p, '[') : NULL;
  for (int i = 0; i < n && p != NULL; ++i) {
    char* end = NULL;
    shape[i] = strtoll(p + 1, &end, 10);
    p = end != p + 1 ? strpbrk(end, ",]") : NULL;
  }
  return p != NULL;
}

/* A view of the caller's own memory: contiguous float32 on the CPU. */
static DLTensor view_of(float* data, int32_t ndim, int64_t* shape, int64_t* strides) {
  int64_t stride = 1;
  for (int32_t d = ndim; d-- > 0; stride *= shape[d]) strides[d] = stride;
  DLTensor view = {data, {kDLCPU, 0}, ndim, {kDLFloat, 32, 1}, shape, strides, 0};
  return view;
}

static int run(hnhost* host, const char* folder, const char* reward) {
  /* What is there, as JSON, from manifests alone: no plugin code runs. */
  hnhost_text* rewards = NULL;
  if (!check(hnhost_list(host, text("rewards"), &rewards, &error), "list")) return 0;
  printf("rewards: %llu bytes of JSON\n", (unsigned long long)hnhost_text_view(rewards).len);
  hnhost_text_free(rewards);

  /* A session: one model, its rewards, and what is trained. Configurations are TOML, as the
   * command's. */
  char config[512];
  snprintf(config, sizeof config,
           "generator = \"emoji-sprint\"\nseed = 1\n[[reward]]\nname = \"%s\"\n[net]\nrank = "
           "4\n[train]\nsteps = %d\nbatch = 4\n",
           reward, kSteps);
  hnhost_hooks loading = {0};
  loading.struct_size = sizeof loading;
  loading.on_progress = on_progress;
  hnhost_session_args args = {0};
  args.struct_size = sizeof args;
  args.config = text(config);
  args.hooks = &loading;
  hnhost_session* session = NULL;
  if (!check(hnhost_session_open(host, &args, &session, &error), "open")) return 0;

  int ok = 0, seen = 0;
  float* images = NULL;
  hnhost_text* facts = NULL;
  int64_t shape[4] = {kSamples, 0, 0, 0}, strides[4];
  if (!check(hnhost_session_describe(session, &facts, &error), "describe")) goto done;
  if (!find_shape(hnhost_text_view(facts).data, "image", shape + 1, 3)) {
    fprintf(stderr, "describe: no image shape in %s\n", hnhost_text_view(facts).data);
    goto done;
  }
  const size_t pixels = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
  images = malloc(pixels * sizeof *images);
  if (images == NULL) goto done;

  static const char* const texts[kSamples] = {"a red apple", "a cat", "two blue cups", "a bicycle"};
  hnhost_prompt prompt[kSamples] = {{0}};
  const hnhost_prompt* prompts[kSamples];
  for (int i = 0; i < kSamples; ++i) {
    prompt[i].struct_size = sizeof prompt[i];
    prompt[i].text = text(texts[i]);
    prompts[i] = &prompt[i];
  }
  const DLTensor image_view = view_of(images, 4, shape, strides);
  float scores[kSamples];
  int64_t score_shape[1] = {kSamples}, score_strides[1];
  const DLTensor score_view = view_of(scores, 1, score_shape, score_strides);

  /* The same noise twice: before and after. */
  for (int after = 0; after < 2; ++after) {
    if (after) {
      hnhost_hooks hooks = {0};
      hooks.struct_size = sizeof hooks;
      hooks.ctx = &seen;
      hooks.on_step = on_step;
      if (!check(hnhost_train(session, kSteps, &hooks, &error), "train")) goto done;
    }
    hnhost_sample_args sample = {0};
    sample.struct_size = sizeof sample;
    sample.prompts = prompts;
    sample.n_prompts = kSamples;
    sample.seed = 7;
    sample.images = &image_view;
    if (!check(hnhost_sample(session, &sample, &error), "sample")) goto done;
    hnhost_score_args score = {0};
    score.struct_size = sizeof score;
    score.images = &image_view;
    score.prompts = prompts;
    score.n_prompts = kSamples;
    score.scores = &score_view;
    if (!check(hnhost_score(session, &score, &error), "score")) goto done;
    double mean = 0;
    for (int i = 0; i < kSamples; ++i) mean += scores[i] / kSamples;
    printf("%s: mean %s %.4f\n", after ? "after" : "before", reward, mean);
  }
  if (!check(hnhost_adapter_save(session, text(folder), &error), "save")) goto done;
  printf("adapter in %s\n", folder);
  ok = seen == kSteps;

done:
  free(images);
  hnhost_text_free(facts);
  hnhost_session_close(session);
  return ok;
}

int main(int argc, char** argv) {
  hnhost* host = NULL;
  printf("hn %s\n", hnhost_version());
  if (!check(hnhost_open(NULL, &host, &error), "open")) return 1;
  const int ok = run(host, argc > 1 ? argv[1] : "adapter", argc > 2 ? argv[2] : "redness");
  hnhost_close(host);
  return ok ? 0 : 1;
}
