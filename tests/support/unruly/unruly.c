/* A reward (the mean of a picture) that does once what a plugin may not: the option `deed` says
 * what, `at` in which call (create, forward, backward), `after` how many calls of that kind go well
 * before. With LOAD_DEED defined it does that while its library is loaded. The process is the
 * test's own. */
#define _GNU_SOURCE
#define C_REWARD "unruly"
#define C_REWARD_VERSION "0.1.0"
#include <stdint.h>
struct c_reward_options {
  char deed[32], at[16];
  int64_t after;
};
#define C_REWARD_READ_OPTIONS
#include <fenv.h>
#include <hn/c/reward.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

void unruly_throw(void); /* throws a std::runtime_error; in unruly_throw.cpp */

static volatile int64_t zero;

static int64_t run_over(int64_t depth) {
  volatile char frame[4096];
  frame[0] = (char)depth;
  return depth < 0 ? 0 : run_over(depth + 1) + frame[0];
}

static void* exit_in_a_thread(void* unused) {
  (void)unused;
  exit(0);
}

static void* crash_in_a_thread(void* unused) {
  (void)unused;
  *(volatile int*)zero = 1;
  return NULL;
}

static void in_a_thread(void* (*body)(void*)) {
  pthread_t thread;
  pthread_create(&thread, NULL, body, NULL);
  pthread_join(thread, NULL);
}

static void leave_at_exit(void) { _exit(0); }
static void nothing(int number) { (void)number; }

static void do_it(const char* deed) {
  if (!strcmp(deed, "exit")) exit(0);
  if (!strcmp(deed, "exit3")) exit(3);
  if (!strcmp(deed, "_exit")) _exit(0);
  if (!strcmp(deed, "_Exit")) _Exit(0);
  if (!strcmp(deed, "quick_exit")) quick_exit(0);
  if (!strcmp(deed, "exit_in_a_thread")) in_a_thread(exit_in_a_thread);
  if (!strcmp(deed, "leave_at_exit")) atexit(leave_at_exit);
  if (!strcmp(deed, "pthread_exit")) pthread_exit(NULL);
  if (!strcmp(deed, "fork")) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
  if (!strcmp(deed, "segv")) *(volatile int*)zero = 1;
  if (!strcmp(deed, "raise_segv")) raise(SIGSEGV);
  if (!strcmp(deed, "bus")) raise(SIGBUS);
  if (!strcmp(deed, "fpe")) zero = 7 / zero; /* of 1 the compiler makes a comparison */
  if (!strcmp(deed, "ill")) __builtin_trap();
  if (!strcmp(deed, "abort")) abort();
  if (!strcmp(deed, "run_over")) run_over(zero);
  if (!strcmp(deed, "crash_in_a_thread")) in_a_thread(crash_in_a_thread);
  if (!strcmp(deed, "throw")) unruly_throw();
  if (!strcmp(deed, "rounding")) fesetround(FE_UPWARD);
  if (!strcmp(deed, "traps")) feenableexcept(FE_DIVBYZERO | FE_INVALID);
#if defined(__x86_64__)
  if (!strcmp(deed, "flush")) _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
  if (!strcmp(deed, "locale")) setlocale(LC_ALL, "C.UTF-8");
  if (!strcmp(deed, "thread_locale")) uselocale(newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0));
  if (!strcmp(deed, "folder") && chdir("/") != 0) abort();
  if (!strcmp(deed, "umask")) umask(0);
  if (!strcmp(deed, "handler")) signal(SIGINT, nothing);
  if (!strcmp(deed, "mask")) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
  }
}

#ifdef LOAD_DEED
__attribute__((constructor)) static void at_load(void) { do_it(LOAD_DEED); }
#endif

static int fails; /* the deed is an error code without a text */

static void maybe(const c_reward_options* options, const char* at) {
  static int64_t calls;
  if (strcmp(options->at, at) != 0 || calls++ < options->after) return;
  do_it(options->deed);
}

static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad) {
  maybe(options, grad == NULL ? "forward" : "backward");
  const int64_t numbers = 3 * picture->height * picture->width;
  double total = 0;
  for (int64_t i = 0; i < numbers; ++i) {
    total += picture->rgb[i];
    if (grad != NULL) grad[i] = (float)(1.0 / (double)numbers);
  }
  *score = total / (double)numbers;
  return fails;
}

static void read_text(const hn_host_v1* host, const hn_config* config, const char* key, char* out,
                      size_t size) {
  hn_str value = HN_STR("");
  if (host->config_str(config, key, &value) != HN_OK) return;
  snprintf(out, size, "%.*s", (int)value.len, value.data);
}

static hn_status c_reward_read_options(const hn_host_v1* host, const hn_config* config,
                                       c_reward_options* options, hn_error* error) {
  (void)error;
  snprintf(options->at, sizeof options->at, "forward");
  if (host == NULL) return HN_OK;
  read_text(host, config, "deed", options->deed, sizeof options->deed);
  read_text(host, config, "at", options->at, sizeof options->at);
  host->config_i64(config, "after", &options->after);
  fails = !strcmp(options->deed, "fail");
  maybe(options, "create");
  return HN_OK;
}
