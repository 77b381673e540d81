/* hnhost.h: the engine as a library. List plugins, open a model with rewards, train by steps,
 * sample, score, keep adapters.
 *
 * C11, no LibTorch type. No process-global state: any number of hosts and sessions in one process.
 * Signals are the application's: a process with a limit on file sizes (RLIMIT_FSIZE) has to ignore
 * SIGXFSZ, as the command does, or the signal ends it before the failed write can be reported.
 * Texts are UTF-8. Every function that can fail returns an hn_status and writes into the caller's
 * hn_error (may be NULL). Structs start with struct_size = sizeof(the struct) and only grow at the
 * end; reserved fields are zero. Thread tags: [any-thread] from several threads at once;
 * [one-at-a-time] by any thread, never two at once on one object. */
#ifndef HNHOST_HNHOST_H
#define HNHOST_HNHOST_H

#include <hn/error.h>
#include <hn/host.h>
#include <hn/str.h>
#include <hn/tensor.h>

HN_EXTERN_C_BEGIN

typedef struct hnhost hnhost;
typedef struct hnhost_session hnhost_session;
typedef struct hnhost_text hnhost_text; /* a text that the library made */

/* "0.1.0"; static. [any-thread] */
HN_EXPORT const char* hnhost_version(void);

/* The text, zero-terminated, until hnhost_text_free. [any-thread] */
HN_EXPORT hn_str hnhost_text_view(const hnhost_text*);
HN_EXPORT void hnhost_text_free(hnhost_text*); /* NULL is allowed */

/* ---- The host: where plugins are looked for, and who hears the log */
typedef struct hnhost_options {
  uint32_t struct_size;
  uint32_t flags; /* zero */
  /* Folders of bundles, separated by ':', searched first. Then HN_PLUGIN_PATH, the user's folder,
   * the install's. */
  hn_str plugin_path;
  void* log_ctx;
  void(HN_CALL* log)(void* log_ctx, int32_t level,
                     hn_str text); /* NULL: warnings go to stderr. [any-thread] */
} hnhost_options;

HN_EXPORT hn_status hnhost_open(const hnhost_options*, hnhost** out,
                                hn_error*); /* options may be NULL */
HN_EXPORT void hnhost_close(hnhost*);       /* after its sessions; NULL is allowed */

/* JSON, from manifests alone: no plugin code runs and LibTorch is not loaded. kind: "plugins",
 * "rewards", "generators", "models" or "" for everything. A broken plugin is a row with path,
 * status and reason. [any-thread] */
HN_EXPORT hn_status hnhost_list(hnhost*, hn_str kind, hnhost_text** out, hn_error*);
/* JSON: one plugin or model by name, alias, id or path, in full. HN_NOT_FOUND names the nearest.
 * [any-thread] */
HN_EXPORT hn_status hnhost_inspect(hnhost*, hn_str name, hnhost_text** out, hn_error*);
/* JSON: the catalogue of rewards, a row for each set of weights that has a name, with what was
 * measured on this machine. [any-thread] */
HN_EXPORT hn_status hnhost_rewards(hnhost*, hnhost_text** out, hn_error*);
/* Measures rewards, each in a process of its own, and keeps the figures in the user's cache folder.
 * request: TOML of rewards, weights, threads, size, seconds, each of them optional (docs/cli.md).
 * out: the catalogue. [any-thread] */
struct hnhost_hooks;
HN_EXPORT hn_status hnhost_measure_rewards(hnhost*, hn_str request, const struct hnhost_hooks*,
                                           hnhost_text** out, hn_error*);
/* JSON: what a folder or file of weights is, and which plugins can read it, by a dry run of their
 * loading: every tensor that is missing, of another shape or not wanted, component by component.
 * Nothing of the tensors is read. name: a plugin or model to ask alone; "" for all.
 * (docs/weights.md) [one-at-a-time] */
HN_EXPORT hn_status hnhost_inspect_weights(hnhost*, hn_str path, hn_str name, hnhost_text** out,
                                           hn_error*);
/* JSON: the layers of a generator that can carry a LoRA, of the loaded plugin: name, kind, sizes.
 * weights: a folder; "" for the model's own. HN_UNSUPPORTED where the plugin has no adapters.
 * [one-at-a-time] */
HN_EXPORT hn_status hnhost_inspect_layers(hnhost*, hn_str name, hn_str weights, hnhost_text** out,
                                          hn_error*);
/* JSON: the sums of a folder's files, or of one file, compared with those that are known: by their
 * names in Hugging Face's cache, by the list of weights. Each file is "right", "wrong" or "unknown"
 * (docs/weights.md). What is wrong is no error. HN_CANCELLED through the hooks. [any-thread] */
HN_EXPORT hn_status hnhost_verify_weights(hnhost*, hn_str path, const struct hnhost_hooks*,
                                          hnhost_text** out, hn_error*);
/* The contract suite on one bundle, each check in a process of its own. request: TOML of bundle (a
 * path or name), options (a table), checks (names or patterns), seconds (the most for a check, 300),
 * side_by_side (checks at a time; 0: one a core), or list = true for what there is to check
 * (docs/cli.md). out: JSON with one row a check. The hooks get progress and are asked whether to
 * stop: HN_CANCELLED. [any-thread] */
HN_EXPORT hn_status hnhost_validate(hnhost*, hn_str request, const struct hnhost_hooks*,
                                    hnhost_text** out, hn_error*);

/* ---- Which plugin runs: for crash reports and exit guards of your own
 * Plugins run in your process. One that crashes or calls exit() takes it along, and the library,
 * which touches no signal handler, cannot prevent it; it can say which one it was. */
typedef struct hnhost_plugin_call {
  uint32_t struct_size;
  uint32_t flags;       /* HNHOST_CALL_* */
  const char* plugin;   /* as the configuration names it */
  const char* library;  /* the path of its library */
  const char* function; /* "load", "create", "score", "score backward", ... */
  uint64_t step; /* the optimiser step that the call belongs to, from 1; 0: not in training */
} hnhost_plugin_call;
#define HNHOST_CALL_OF_OTHER_THREAD 1u /* the asking thread is in no call; this is another's */
/* The innermost call into a plugin that the asking thread is in, else one of another thread.
 * Returns 1, or 0 when no plugin runs. Async-signal-safe. The texts are valid until that call
 * returns: for the asking thread's own call as long as a signal handler needs them. [any-thread] */
HN_EXPORT int32_t hnhost_running_plugin(hnhost_plugin_call* out);

/* ---- Configuration: TOML, as docs/configuration.md lists it */
/* The configuration with every default filled in, as TOML. An unknown key is refused with the
 * nearest name. [any-thread] */
HN_EXPORT hn_status hnhost_resolve(hnhost*, hn_str config, hnhost_text** out, hn_error*);

/* ---- Runs: what the command does */
typedef struct hnhost_step { /* one optimiser step, see docs/numerics.md */
  uint32_t struct_size;
  uint32_t flags; /* 1: the step was skipped (not finite) */
  uint64_t step;
  uint64_t steps;
  double reward; /* sum of weight * score over the rewards, mean over the batch */
  double kl;     /* 0.5 * sum(delta^2) of one sample, mean over the batch */
  double loss;
  double grad_norm;
  double lr;
  double samples_per_second;
  double seconds_left;
  const double* rewards; /* raw scores in the configuration's order; borrowed for the call */
  uint64_t n_rewards;
} hnhost_step;

typedef struct hnhost_hooks { /* any of them may be NULL */
  uint32_t struct_size;
  uint32_t flags; /* zero */
  void* ctx;
  /* After each optimiser step, in the calling thread. Not 0 asks to stop: HN_CANCELLED after a
   * checkpoint. */
  int32_t(HN_CALL* on_step)(void* ctx, const hnhost_step*);
  /* A longer stage began or moved: "loading", "sampling before", ... total = 0 when unknown. */
  void(HN_CALL* on_progress)(void* ctx, hn_str what, uint64_t done, uint64_t total);
  /* Polled between kernels of work; not 0 asks to stop. [any-thread] */
  int32_t(HN_CALL* is_cancelled)(void* ctx);
} hnhost_hooks;

/* The main job in one run directory: train (or resume), sample before and after, score, write the
 * report. The directory holds config.toml, adapter/, checkpoint.safetensors, metrics.jsonl,
 * TensorBoard events, samples/, report.html and summary.json. out: the summary as JSON. Cancelled:
 * HN_CANCELLED, the checkpoint is written. [any-thread] */
HN_EXPORT hn_status hnhost_run(hnhost*, hn_str config, const hnhost_hooks*, hnhost_text** out,
                               hn_error*);

/* ---- Sessions: the same by steps */
/* Opens plugins, the core and the training prompts. [any-thread] */
HN_EXPORT hn_status hnhost_session_open(hnhost*, hn_str config, hnhost_session** out, hn_error*);
HN_EXPORT void hnhost_session_close(hnhost_session*); /* NULL is allowed */
/* JSON: noise and image shapes, steps, rewards with ranges, trainable numbers, memory, resolved
 * configuration. */
HN_EXPORT hn_status hnhost_session_describe(hnhost_session*, hnhost_text** out, hn_error*);
/* Trains n more optimiser steps. Training prompts that a trained reward cannot answer are
 * HN_INVALID_ARGUMENT before the first one. Everything of a session is [one-at-a-time]. */
HN_EXPORT hn_status hnhost_train(hnhost_session*, uint64_t n, const hnhost_hooks*, hn_error*);

typedef struct hnhost_sample_args {
  uint32_t struct_size;
  uint32_t flags;
  const hn_str* prompts; /* one a sample */
  uint64_t n_prompts;
  uint64_t seed;              /* of the noise that is not given; 0 to 2^63 - 1 */
  const DLTensor* noise;      /* in, CPU float32 [B,C,h,w], or NULL */
  const DLTensor* step_noise; /* in, CPU float32 [n-1,B,C,h,w], or NULL */
  const DLTensor* images;     /* out, the caller's, CPU float32 [B,3,H,W] in [0,1], or NULL */
  const DLTensor* latents;    /* out, CPU float32 [B,C,h,w], or NULL */
  const DLTensor* delta;      /* out, CPU float32 [B,C,h,w], or NULL */
} hnhost_sample_args;
/* HN_INVALID_ARGUMENT for noise that is not finite, HN_DATA_LOSS where delta, latents or images
 * come out so; the text names sample and prompt, and nothing is written. */
#define HNHOST_SAMPLE_UNADAPTED 1u /* without the noise network or fine-tune */
HN_EXPORT hn_status hnhost_sample(hnhost_session*, const hnhost_sample_args*, hn_error*);

typedef struct hnhost_score_args {
  uint32_t struct_size;
  uint32_t flags;         /* zero */
  uint64_t reward;        /* index in the configuration's order */
  const DLTensor* images; /* CPU float32 [B,3,H,W] in [0,1], finite; not clamped */
  const hn_str* prompts;  /* one a sample, or none for rewards that read no text */
  uint64_t n_prompts;
  const DLTensor* scores; /* out, CPU float32 [B] */
  const DLTensor*
      image_grad; /* out, CPU float32 [B,3,H,W], or NULL; HN_UNSUPPORTED for a score-only reward */
} hnhost_score_args;
/* HN_DATA_LOSS where a score or a gradient is not finite: the text names sample and prompt, and
 * nothing is written. */
HN_EXPORT hn_status hnhost_score(hnhost_session*, const hnhost_score_args*, hn_error*);

/* PEFT folders (adapter_model.safetensors, adapter_config.json), and checkpoints for an exact
 * resume; written atomically. An adapter that is not finite is not saved: HN_DATA_LOSS. */
HN_EXPORT hn_status hnhost_adapter_save(hnhost_session*, hn_str folder, hn_error*);
HN_EXPORT hn_status hnhost_adapter_load(hnhost_session*, hn_str folder, hn_error*);
HN_EXPORT hn_status hnhost_checkpoint_save(hnhost_session*, hn_str file, hn_error*);
HN_EXPORT hn_status hnhost_checkpoint_load(hnhost_session*, hn_str file, hn_error*);

/* ---- Tools of the command that need no C++: images and tensors as files */
/* The verbs sample and score over files: arguments as TOML (see docs/cli.md), out: JSON. */
HN_EXPORT hn_status hnhost_sample_files(hnhost*, hn_str request, const hnhost_hooks*,
                                        hnhost_text** out, hn_error*);
HN_EXPORT hn_status hnhost_score_files(hnhost*, hn_str request, const hnhost_hooks*,
                                       hnhost_text** out, hn_error*);
/* Rewards over folders, tables and lists of pictures of any sizes, a row each, continued where a
 * former call stopped; and two such sets pair by pair. Requests as TOML (see docs/cli.md), out:
 * JSON. */
HN_EXPORT hn_status hnhost_score_set(hnhost*, hn_str request, const hnhost_hooks*,
                                     hnhost_text** out, hn_error*);
HN_EXPORT hn_status hnhost_compare_sets(hnhost*, hn_str request, const hnhost_hooks*,
                                        hnhost_text** out, hn_error*);
/* Opened rewards that answer requests in JSON, {"image": path, "prompt": text} or a list of such,
 * as `hnhost score --stdin` does. batch: pictures of one size at a time, 1 to 2^20. A request that
 * cannot be answered gives an object with "error". Closed before its host. [one-at-a-time] */
typedef struct hnhost_scorer hnhost_scorer;
HN_EXPORT hn_status hnhost_scorer_open(hnhost*, hn_str config, uint64_t batch, hnhost_scorer** out,
                                       hn_error*);
HN_EXPORT hn_status hnhost_scorer_answer(hnhost_scorer*, hn_str request, hnhost_text** out,
                                         hn_error*);
HN_EXPORT void hnhost_scorer_close(hnhost_scorer*); /* NULL is allowed */
/* Finished run directories side by side on one page: request as TOML (see docs/cli.md, compare),
 * out: the numbers as JSON. */
HN_EXPORT hn_status hnhost_compare(hnhost*, hn_str request, hnhost_text** out, hn_error*);
/* Weights of a listed model into Hugging Face's cache folder: request as TOML (see
 * docs/weights.md), out: JSON. Without a model: what can be pulled, and what is there. Cancelled:
 * HN_CANCELLED, what came is kept. [any-thread] */
HN_EXPORT hn_status hnhost_pull(hnhost*, hn_str request, const hnhost_hooks*, hnhost_text** out,
                                hn_error*);
/* Installed rewards looked at for what a bad install does, and compared with the scores that their
 * manifests know: request as TOML (see docs/cli.md, selftest), out: JSON. A reward that fails is a
 * row, not an error. [any-thread] */
HN_EXPORT hn_status hnhost_selftest(hnhost*, hn_str request, const hnhost_hooks*, hnhost_text** out,
                                    hn_error*);
/* Copies templates/KIND to folder with NAME put in ("reward", "generator", "minimal_c", "embed_c").
 */
HN_EXPORT hn_status hnhost_new(hn_str kind, hn_str name, hn_str folder, hn_error*);

HN_EXTERN_C_END

#endif
