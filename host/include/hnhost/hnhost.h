/* hnhost.h: the engine as a library. List plugins, open a model with rewards, or rewards alone,
 * train by steps, sample, score, keep adapters.
 *
 * C11, no LibTorch type. Any number of hosts and sessions in one process; the library keeps no
 * state between them. What is the process's own stays so: LibTorch's number of threads is set while
 * a call of a session runs and is put back when it returns, so sessions with different `threads`
 * take turns but may see one another's while they run at once. Signals are the application's: a
 * process with a limit on file sizes (RLIMIT_FSIZE) has to ignore SIGXFSZ, as the command does, or
 * the signal ends it before the failed write can be reported.
 *
 * Texts are UTF-8; a NULL text has length 0. Every function that can fail returns an hn_status and
 * writes into the caller's hn_error (may be NULL); where it has an `out`, that is NULL after a
 * failure. Structs start with struct_size = sizeof(the struct) and only grow at the end: one that
 * cannot hold the fields of its first version, or that has an unknown flag of the lower half
 * (HN_FLAGS_CRITICAL), is refused by its name (HN_INVALID_ARGUMENT, HN_UNSUPPORTED) before any
 * work; what a longer one holds behind the known fields is not read. An hn_error that is too short
 * makes every call HN_INVALID_ARGUMENT: there is no place to say so. Thread tags: [any-thread] from
 * several threads at once; [one-at-a-time] by any thread, never two at once on one object. */
#ifndef HNHOST_HNHOST_H
#define HNHOST_HNHOST_H

#include <hn/cond.h>
#include <hn/error.h>
#include <hn/host.h>
#include <hn/str.h>
#include <hn/stream.h>
#include <hn/tensor.h>

/* The library's functions: imported by who uses it, exported by its own build
 * (HNHOST_BUILDING). */
#if !defined(_WIN32)
#define HNHOST_API __attribute__((visibility("default")))
#elif defined(HNHOST_BUILDING)
#define HNHOST_API __declspec(dllexport)
#else
#define HNHOST_API __declspec(dllimport)
#endif

HN_EXTERN_C_BEGIN

typedef struct hnhost hnhost;
typedef struct hnhost_session hnhost_session;
typedef struct hnhost_text hnhost_text; /* a text that the library made */

/* The version of this header: major << 16 | minor. A minor adds functions, fields at the end of
 * structs and flags; a major may change anything. */
#define HNHOST_API_VERSION 0x00010000u
/* The library's. It serves programs of its own major and of its own minor or an older one.
 * [any-thread] */
HNHOST_API uint32_t hnhost_api_version(void);
/* "0.1.0"; static. [any-thread] */
HNHOST_API const char* hnhost_version(void);

/* The text, zero-terminated, until hnhost_text_free. [any-thread] */
HNHOST_API hn_str hnhost_text_view(const hnhost_text*);
HNHOST_API void hnhost_text_free(hnhost_text*); /* NULL is allowed */

/* ---- The host: where plugins are looked for, and who hears the log */
typedef struct hnhost_options {
  uint32_t struct_size;
  uint32_t flags; /* zero */
  /* Folders of bundles, or bundles (NAME.hnp), searched first and in this order. Then
   * HN_PLUGIN_PATH, the user's folder, the install's. Copied. */
  const hn_str* plugin_paths;
  uint64_t n_plugin_paths;
  void* log_ctx;
  /* NULL: warnings go to stderr. [any-thread], until the host and its last session are closed. */
  void(HN_CALL* log)(void* log_ctx, int32_t level, hn_str text);
  /* Which plugins run in processes of their own: "never", "needed", "untrusted", "always"
   * (docs/isolation.md); empty: HN_ISOLATION, else "needed". */
  hn_str isolation;
} hnhost_options;

HNHOST_API hn_status hnhost_open(const hnhost_options*, hnhost** out,
                                 hn_error*); /* options may be NULL */
HNHOST_API void hnhost_close(hnhost*);       /* after its sessions; NULL is allowed */

/* ---- Hooks: what a longer call tells, and how it is stopped
 * They are heard while the call runs that got them, and never after it returned: it waits for those
 * that a plugin's thread is in. So a hook must not wait for the thread of the call. Not one of them
 * may throw or jump out. */
#define HNHOST_STEP_SKIPPED 1u /* something was not finite: the adapter stayed as it was */

typedef struct hnhost_step { /* one optimiser step, see docs/numerics.md */
  uint32_t struct_size;
  uint32_t flags; /* HNHOST_STEP_* */
  uint64_t step;  /* 1 is the first */
  uint64_t steps; /* the number of the last one of this call */
  /* Sum of weight * scale * score over the rewards that are trained on, mean over the batch; with
   * its last score for a reward that did not run in this step. */
  double reward;
  double kl; /* 0.5 * sum(delta^2) of one sample, mean over the batch, whatever the regulariser */
  double loss;
  double grad_norm; /* of the adapter's gradient, before clipping */
  double lr;
  double samples_per_second;
  double seconds_left;
  /* Raw scores in the configuration's order, means over the samples that the reward saw; borrowed
   * for the call. NaN: the reward did not run in this step, or the step was skipped; reward, kl,
   * loss and grad_norm of a skipped step are 0. */
  const double* rewards;
  uint64_t n_rewards;
} hnhost_step;

typedef struct hnhost_hooks { /* any of them may be NULL */
  uint32_t struct_size;
  uint32_t flags; /* zero */
  void* ctx;
  /* After each optimiser step, in the thread of the call. Not 0 asks to stop: HN_CANCELLED after
   * this whole step; hnhost_run writes a checkpoint first, hnhost_train none. Of the session that
   * trains, hnhost_sample, hnhost_score, hnhost_session_describe, hnhost_adapter_save and
   * hnhost_checkpoint_save may be called from here; nothing of it from the two below. */
  int32_t(HN_CALL* on_step)(void* ctx, const hnhost_step*);
  /* A longer stage began or moved: "loading clip", "sampling", ... total = 0 when unknown.
   * [any-thread]: plugins may tell of theirs from threads of their own. */
  void(HN_CALL* on_progress)(void* ctx, hn_str what, uint64_t done, uint64_t total);
  /* Polled between kernels of work; not 0 asks to stop. [any-thread] */
  int32_t(HN_CALL* is_cancelled)(void* ctx);
} hnhost_hooks;

/* ---- What is there
 * JSON, from manifests alone: no plugin code runs and LibTorch is not loaded. kind: "plugins",
 * "rewards", "generators", "models" or "" for everything. A broken plugin is a row with path,
 * status and reason. [any-thread] */
HNHOST_API hn_status hnhost_list(hnhost*, hn_str kind, hnhost_text** out, hn_error*);
/* JSON: one plugin or model by name, alias, id or path, in full. HN_NOT_FOUND names the nearest.
 * [any-thread] */
HNHOST_API hn_status hnhost_inspect(hnhost*, hn_str name, hnhost_text** out, hn_error*);
/* JSON: the catalogue of rewards, a row for each set of weights that has a name, with what was
 * measured on this machine. [any-thread] */
HNHOST_API hn_status hnhost_rewards(hnhost*, hnhost_text** out, hn_error*);
/* Measures rewards, each in a process of its own, and keeps the figures in the user's cache folder.
 * request: TOML of rewards, weights, threads, size, seconds, each of them optional (docs/cli.md).
 * out: the catalogue. [any-thread] */
HNHOST_API hn_status hnhost_measure_rewards(hnhost*, hn_str request, const hnhost_hooks*,
                                            hnhost_text** out, hn_error*);
/* JSON: what a folder or file of weights is, and which plugins can read it, by a dry run of their
 * loading: every tensor that is missing, of another shape or not wanted, component by component.
 * Nothing of the tensors is read. name: a plugin or model to ask alone; "" for all.
 * (docs/weights.md) [one-at-a-time] */
HNHOST_API hn_status hnhost_inspect_weights(hnhost*, hn_str path, hn_str name, hnhost_text** out,
                                            hn_error*);
/* JSON: the layers of a generator that can carry a LoRA, of the loaded plugin: name, kind, sizes.
 * weights: a folder; "" for the model's own. HN_UNSUPPORTED where the plugin has no adapters.
 * [one-at-a-time] */
HNHOST_API hn_status hnhost_inspect_layers(hnhost*, hn_str name, hn_str weights, hnhost_text** out,
                                           hn_error*);
/* JSON: the sums of a folder's files, or of one file, compared with those that are known: by their
 * names in Hugging Face's cache, by the list of weights. Each file is "right", "wrong" or "unknown"
 * (docs/weights.md). What is wrong is no error. HN_CANCELLED through the hooks. [any-thread] */
HNHOST_API hn_status hnhost_verify_weights(hnhost*, hn_str path, const hnhost_hooks*,
                                           hnhost_text** out, hn_error*);
/* The contract suite on one bundle, each check in a process of its own. request: TOML of bundle (a
 * path or name), options (a table), checks (names or patterns), seconds (the most for a check,
 * 300), side_by_side (checks at a time; 0: one a core), or list = true for what there is to check
 * (docs/cli.md). out: JSON with one row a check. The hooks get progress and are asked whether to
 * stop: HN_CANCELLED. [any-thread] */
HNHOST_API hn_status hnhost_validate(hnhost*, hn_str request, const hnhost_hooks*,
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
 * Returns 1, or 0 when no plugin runs or out cannot hold the fields above. Async-signal-safe. The
 * texts are valid until that call returns: for the asking thread's own call as long as a signal
 * handler needs them. [any-thread] */
HNHOST_API int32_t hnhost_running_plugin(hnhost_plugin_call* out);

/* ---- Configuration: TOML, as docs/configuration.md lists it */
/* The configuration with every default filled in, as TOML. An unknown key is refused with the
 * nearest name. [any-thread] */
HNHOST_API hn_status hnhost_resolve(hnhost*, hn_str config, hnhost_text** out, hn_error*);

/* ---- Runs: what the command does */
/* The main job in one run directory: train (or resume), sample before and after, score, write the
 * report. The directory holds config.toml, adapter/, checkpoint.safetensors, metrics.jsonl,
 * TensorBoard events, samples/, report.html and summary.json. out: the summary as JSON. Cancelled:
 * HN_CANCELLED, the checkpoint is written. [any-thread] */
HNHOST_API hn_status hnhost_run(hnhost*, hn_str config, const hnhost_hooks*, hnhost_text** out,
                                hn_error*);

/* What a trained adapter does: the parts of Delta that are constant, the prompt's, the noise's or
 * both together's, the drift of the noise, the Lipschitz constant, how far apart the pictures of
 * different seeds are, every reward before and after, and whether rewards pull in different
 * directions. request: TOML (docs/cli.md, diagnose); out: JSON. [any-thread] */
HNHOST_API hn_status hnhost_diagnose(hnhost*, hn_str request, const hnhost_hooks*,
                                     hnhost_text** out, hn_error*);
/* Prompts before and after, on one page: for each prompt and seed the picture without the adapter
 * and one a strength with it, under each what the rewards say. request: TOML (docs/cli.md, try);
 * out: JSON. [any-thread] */
HNHOST_API hn_status hnhost_try(hnhost*, hn_str request, const hnhost_hooks*, hnhost_text** out,
                                hn_error*);
/* Searches at test time, without training: for each prompt a noise whose picture pleases the
 * rewards better, by best-of-N, ReNO and others (docs/cli.md, search), also on top of a trained
 * adapter. request: TOML; out: JSON, which the folder out_dir keeps as search.json beside pictures
 * and noises. A stopped search goes on with the same call, and gives the same result.
 * HN_UNSUPPORTED names what has no gradient where the method follows one. [any-thread] */
HNHOST_API hn_status hnhost_search(hnhost*, hn_str request, const hnhost_hooks*, hnhost_text** out,
                                   hn_error*);
/* How much the noise can do for rewards, measured before anybody trains: gains of best-of-N with
 * standard errors, the seed's share of the variance, the gradient, and a verdict with its reason.
 * request: TOML (docs/cli.md, headroom); out: JSON. [any-thread] */
HNHOST_API hn_status hnhost_headroom(hnhost*, hn_str request, const hnhost_hooks*,
                                     hnhost_text** out, hn_error*);

/* ---- Sessions: the same by steps
 * Everything of a session but hnhost_session_cancel is [one-at-a-time]: a second call at the same
 * time is HN_INVALID_ARGUMENT and names the one that runs. */
#define HNHOST_SESSION_REWARDS \
  1u /* the configuration's rewards alone: no generator is looked for, and the session scores */

typedef struct hnhost_session_args {
  uint32_t struct_size;
  uint32_t flags;            /* HNHOST_SESSION_* */
  hn_str config;             /* TOML, as docs/configuration.md lists it */
  const hnhost_hooks* hooks; /* of the loading (on_progress, is_cancelled), or NULL */
  /* The queue of the session's device: what the caller gives is ordered on it, and what comes back
   * is. All zero: the device's default (CUDA: the legacy default stream). It outlives the
   * session. */
  hn_stream stream;
} hnhost_session_args;

/* Opens plugins, the core and, unless only rewards are wanted, the training prompts. HN_CANCELLED
 * through the hooks: everything is closed again. [any-thread] */
HNHOST_API hn_status hnhost_session_open(hnhost*, const hnhost_session_args*, hnhost_session** out,
                                         hn_error*);
/* NULL is allowed. From inside of a hook: asks the call to stop, and the session is gone when that
 * call returns. */
HNHOST_API void hnhost_session_close(hnhost_session*);
/* Ends the call that runs on the session, or the next one when none does, with HN_CANCELLED, as
 * is_cancelled would. That call takes the request with it. NULL is allowed. [any-thread] */
HNHOST_API void hnhost_session_cancel(hnhost_session*);
/* JSON: device, rewards (name, range, direction, weight, columns, reads_prompts, differentiable),
 * memory, resolved configuration; unless it is of rewards alone also noise and image shapes,
 * generator steps, trainable numbers and steps. */
HNHOST_API hn_status hnhost_session_describe(hnhost_session*, hnhost_text** out, hn_error*);
/* Trains n more optimiser steps. Training prompts that a trained reward cannot answer are
 * HN_INVALID_ARGUMENT before the first one. */
HNHOST_API hn_status hnhost_train(hnhost_session*, uint64_t n, const hnhost_hooks*, hn_error*);

/* What a picture is made from or judged by: the plugins' own struct (hn/cond.h), handed on to them.
 * struct_size is set, flags are zero; text may be empty; json is an object; tensors are float32 on
 * the CPU and finite, "image" [3,H,W], "mask" [1,H,W]. Everything is read during the call alone. A
 * negative or a tensor that no plugin of the session reads is HN_UNSUPPORTED, and named. */
typedef hn_prompt hnhost_prompt;

/* Tensors are the caller's: float32, on the CPU or on the device that the session runs on (CUDA).
 * Strides (of 0 or more, in elements; unlike at the plugins' boundary NULL means compact, as DLPack
 * before 1.2 has it) and byte_offset are honoured, the first element is aligned for a float, and
 * elements of an output do not overlap. A wrong one is refused before any work, with what was
 * wanted and what came. Work on the device's tensors is ordered on the session's stream. */
typedef struct hnhost_sample_args {
  uint32_t struct_size;
  uint32_t flags;                      /* HNHOST_SAMPLE_* */
  const hnhost_prompt* const* prompts; /* one a sample */
  uint64_t n_prompts;
  uint64_t seed;              /* of the noise that is not given; 0 to 2^63 - 1 */
  const DLTensor* noise;      /* in, [B,C,h,w], or NULL */
  const DLTensor* step_noise; /* in, [n-1,B,C,h,w], or NULL */
  const DLTensor* images;     /* out, [B,3,H,W] in [0,1], or NULL */
  const DLTensor* latents;    /* out, [B,C,h,w], or NULL */
  const DLTensor* delta;      /* out, [B,C,h,w], or NULL */
  const hnhost_hooks* hooks;  /* or NULL */
  double strength; /* with HNHOST_SAMPLE_STRENGTH: x0 + strength * f(x0), finite; else not read */
} hnhost_sample_args;
#define HNHOST_SAMPLE_UNADAPTED 1u /* without the noise network or fine-tune */
/* The noise network's offset is scaled; delta is what was added to the noise. HN_UNSUPPORTED
 * without a noise network, unless strength is 1. */
#define HNHOST_SAMPLE_STRENGTH 2u
/* HN_INVALID_ARGUMENT for noise that is not finite, HN_DATA_LOSS where delta, latents or images
 * come out so; the text names sample and prompt. After any failure nothing is written. */
HNHOST_API hn_status hnhost_sample(hnhost_session*, const hnhost_sample_args*, hn_error*);

typedef struct hnhost_score_args {
  uint32_t struct_size;
  uint32_t flags;                      /* zero */
  uint64_t reward;                     /* index in the configuration's order */
  const DLTensor* images;              /* in, [B,3,H,W] in [0,1], finite; not clamped */
  const hnhost_prompt* const* prompts; /* one a sample, or none for rewards that read no text */
  uint64_t n_prompts;
  const DLTensor* scores; /* out, [B] */
  /* out, [K,B], or NULL: the reward's further numbers, K and their names as describe's `columns`
   * has them. NaN where the reward has none for the picture. */
  const DLTensor* columns;
  /* out, [B,3,H,W], or NULL: d score_b / d image_b; HN_UNSUPPORTED for a score-only reward. */
  const DLTensor* image_grad;
  const hnhost_hooks* hooks; /* or NULL */
} hnhost_score_args;
/* HN_DATA_LOSS where a score or a gradient is not finite: the text names sample and prompt. After
 * any failure nothing is written. */
HNHOST_API hn_status hnhost_score(hnhost_session*, const hnhost_score_args*, hn_error*);

/* PEFT folders (adapter_model.safetensors, adapter_config.json) of a LoRA, those of another noise
 * network (noise_net.safetensors, noise_net.json), and checkpoints for an exact resume; written
 * atomically. An adapter that is not finite is not saved: HN_DATA_LOSS. */
HNHOST_API hn_status hnhost_adapter_save(hnhost_session*, hn_str folder, hn_error*);
HNHOST_API hn_status hnhost_adapter_load(hnhost_session*, hn_str folder, hn_error*);
HNHOST_API hn_status hnhost_checkpoint_save(hnhost_session*, hn_str file, hn_error*);
HNHOST_API hn_status hnhost_checkpoint_load(hnhost_session*, hn_str file, hn_error*);

/* ---- Tools of the command that need no C++: images and tensors as files */
/* The verbs sample and score over files: arguments as TOML (see docs/cli.md), out: JSON. */
HNHOST_API hn_status hnhost_sample_files(hnhost*, hn_str request, const hnhost_hooks*,
                                         hnhost_text** out, hn_error*);
HNHOST_API hn_status hnhost_score_files(hnhost*, hn_str request, const hnhost_hooks*,
                                        hnhost_text** out, hn_error*);
/* Rewards over folders, tables and lists of pictures of any sizes, a row each, continued where a
 * former call stopped; and two such sets pair by pair. Requests as TOML (see docs/cli.md), out:
 * JSON. */
HNHOST_API hn_status hnhost_score_set(hnhost*, hn_str request, const hnhost_hooks*,
                                      hnhost_text** out, hn_error*);
HNHOST_API hn_status hnhost_compare_sets(hnhost*, hn_str request, const hnhost_hooks*,
                                         hnhost_text** out, hn_error*);
/* Opened rewards that answer requests in JSON, {"image": path, "prompt": text} or a list of such,
 * as `hnhost score --stdin` does. args: as of a session of rewards alone, with that flag or
 * without. batch: pictures of one size at a time, 1 to 2^20. A request that cannot be answered
 * gives an object with "error". Closed before its host. [one-at-a-time] */
typedef struct hnhost_scorer hnhost_scorer;
HNHOST_API hn_status hnhost_scorer_open(hnhost*, const hnhost_session_args*, uint64_t batch,
                                        hnhost_scorer** out, hn_error*);
HNHOST_API hn_status hnhost_scorer_answer(hnhost_scorer*, hn_str request, const hnhost_hooks*,
                                          hnhost_text** out, hn_error*);
HNHOST_API void hnhost_scorer_close(hnhost_scorer*); /* NULL is allowed */
/* Finished run directories side by side on one page: request as TOML (see docs/cli.md, compare),
 * out: the numbers as JSON. */
HNHOST_API hn_status hnhost_compare(hnhost*, hn_str request, hnhost_text** out, hn_error*);
/* Weights of a listed model into Hugging Face's cache folder: request as TOML (see
 * docs/weights.md), out: JSON. Without a model: what can be pulled, and what is there. Cancelled:
 * HN_CANCELLED, what came is kept. [any-thread] */
HNHOST_API hn_status hnhost_pull(hnhost*, hn_str request, const hnhost_hooks*, hnhost_text** out,
                                 hn_error*);
/* Installed rewards looked at for what a bad install does, and compared with the scores that their
 * manifests know: request as TOML (see docs/cli.md, selftest), out: JSON. A reward that fails is a
 * row, not an error. [any-thread] */
HNHOST_API hn_status hnhost_selftest(hnhost*, hn_str request, const hnhost_hooks*,
                                     hnhost_text** out, hn_error*);
/* Copies templates/KIND to folder with NAME put in; an unknown kind is HN_NOT_FOUND and names those
 * that there are (an install's: "reward", "reward_with_weights", "reward_score_only",
 * "reward_cuda", "minimal_c", "raw_c", "generator", "embed_c"). */
HNHOST_API hn_status hnhost_new(hn_str kind, hn_str name, hn_str folder, hn_error*);

HN_EXTERN_C_END

HN_SIZE_IS(hnhost_options, 56);
HN_SIZE_IS(hnhost_step, 96);
HN_SIZE_IS(hnhost_hooks, 40);
HN_SIZE_IS(hnhost_plugin_call, 40);
HN_SIZE_IS(hnhost_session_args, 48);
HN_SIZE_IS(hnhost_sample_args, 88);
HN_SIZE_IS(hnhost_score_args, 72);
HN_FIELD_AT(hnhost_session_args, stream, 32);
HN_FIELD_AT(hnhost_sample_args, hooks, 72);
HN_FIELD_AT(hnhost_sample_args, strength, 80);
HN_FIELD_AT(hnhost_score_args, hooks, 64);

#endif
