/* hn.fn/1: one differentiable function, with an explicit reverse derivative, for generators and
 * rewards alike.
 *
 *   open -> info, slot -> [plan] -> forward -> backward (any number of times) -> saved_release
 *        -> close
 *
 *   generator, noise_net: noise [B,C,h,w], PARAM: LoRA matrices -> offset [B,C,h,w]
 *   generator, generate:  noise [B,C,h,w], step_noise (optional), PARAM (optional)
 *                         -> image_rgb01 [B,3,H,W], latents (optional)
 *   reward, score:        image_rgb01 [B,3,H,W] -> score [B], more [B] columns (optional)
 *
 *   reward, score, in a latent space: latents [B,C,h,w] -> score [B], more [B] columns (optional)
 *   decode: latents -> image_rgb01; encode: image_rgb01 -> latents (optional functions)
 *
 * What a slot is for is said by its semantic, not by its name: the host binds slots by semantic.
 * Names tell the user which is which, and tell several slots of one semantic apart (the adapter's
 * matrices, columns). Semantics, functions and options without a dot are hn's (docs/abi.md lists
 * them); those of others are reverse-domain ("org.example.depth"). A required input of a semantic
 * that the host cannot feed is refused when the function is opened.
 *
 * Everything that matters is an argument: adapters are PARAM slots, randomness is rng_seed and
 * rng_offset, there is no train or eval mode. So running forward again with the same call gives the
 * same result. A fn is used by one thread at a time, as its instance is; any thread may be that
 * one.
 *
 * Lifetimes. What hn_call points to (arrays, DLTensors, their data, cond handles, need_grad) is
 * unchanged and alive until saved_release, where forward gives a saved; without one until the work
 * that forward enqueued has run. Of the outputs only the memory is: backward never reads what is in
 * `out`. hn_vjp's arrays and tensors are borrowed until the work that backward enqueued has run. */
#ifndef HN_FN_H
#define HN_FN_H

#include <hn/cond.h>
#include <hn/error.h>
#include <hn/plugin.h>
#include <hn/stream.h>
#include <hn/tensor.h>

HN_EXTERN_C_BEGIN

#define HN_FN_V1 "hn.fn/1"

typedef struct hn_fn hn_fn;       /* an opened function, the plugin's */
typedef struct hn_saved hn_saved; /* what one forward kept for its backward, the plugin's */

#define HN_FN_NEEDS_COND 1u /* forward wants prompts: n_cond is B or 1 */
#define HN_FN_RANDOM 2u     /* rng_seed and rng_offset matter when optional noise is absent */
#define HN_FN_MIXES_SAMPLES \
  4u /* a sample's result depends on the others: the host never splits the batch */

typedef struct hn_fn_info { /* allocated by the caller */
  uint32_t struct_size;
  uint32_t flags;
  uint64_t n_in;
  uint64_t n_out;
} hn_fn_info;

#define HN_SLOT_PARAM 1u /* owned and trained by the host: an adapter's matrix */
#define HN_SLOT_DIFF 2u  /* input: a gradient can be asked for; output: a cotangent can be given */
#define HN_SLOT_OPTIONAL 4u /* a NULL entry means absent (input) or not wanted (output) */

#define HN_DIM_BATCH (-1) /* the number of samples, the same everywhere in a call */
#define HN_DIM_ANY (-2)   /* any size */

#define HN_SLOT_INPUT 0
#define HN_SLOT_OUTPUT 1

typedef struct hn_slot { /* one input, parameter or output; allocated by the caller, its texts and
                            shape live until close */
  uint32_t struct_size;
  uint32_t flags;
  hn_str name;     /* unique among the inputs, or among the outputs */
  hn_str semantic; /* "noise", "step_noise", "image_rgb01", "latents", "offset", "score", "lora_a",
                      "lora_b", "column": docs/abi.md says what each is */
  DLDataType dtype;
  DLDataType grad_dtype; /* input: of the gradient (float32 for parameters); output: of the
                            cotangent. Ignored without HN_SLOT_DIFF */
  int32_t ndim;          /* at most HN_MAX_DIMS */
  int32_t reserved;      /* zero */
  const int64_t* shape;  /* ndim entries: a size, HN_DIM_BATCH or HN_DIM_ANY */
} hn_slot;

#define HN_CALL_WANT_GRAD 1u /* keep what backward needs */
#define HN_CALL_DETERMINISTIC \
  2u /* the same bits for the same call on the same machine, or HN_UNSUPPORTED */

#define HN_CALL_CAPTURING \
  4u /* a stream capture is under way: no allocation and no waiting, or HN_UNSUPPORTED */

/* A further argument of a call, for interfaces to come and for third parties: the first member of a
 * struct of its own, known by its id ("org.example.name/1"). Who does not know the id ignores it,
 * or refuses the call with HN_UNSUPPORTED where flags & HN_FLAGS_CRITICAL. */
typedef struct hn_next {
  uint32_t struct_size; /* of the whole struct */
  uint32_t flags;
  hn_str id;
  const struct hn_next* next;
} hn_next;

typedef struct hn_call {
  uint32_t struct_size;
  uint32_t flags;
  hn_stream stream;
  const hn_cond* const* cond; /* one a sample, or one shared by all, or none (n_cond = 0) */
  uint64_t n_cond;
  const DLTensor* const* in; /* in slot order; trailing optional ones may be left out */
  uint64_t n_in;
  const DLTensor* const* out; /* in slot order, allocated by the host, overwritten whole; trailing
                                 optional ones may be left out */
  uint64_t n_out;
  const uint8_t* need_grad; /* n_in bytes (1 = a gradient may be asked for), or NULL for none */
  uint64_t rng_seed; /* the only randomness, with rng_offset; the same pair gives the same draws */
  uint64_t rng_offset;
  uint64_t
      saved_budget_bytes; /* 0 = no limit; a plugin may keep less and compute again to stay below */
  const hn_next* next;    /* NULL = nothing more */
} hn_call;

typedef struct hn_shape { /* of one output of one call; allocated by the caller */
  int32_t ndim;
  int32_t reserved; /* zero */
  int64_t dim[HN_MAX_DIMS];
} hn_shape;

typedef struct hn_plan { /* an estimate in bytes; allocated by the caller */
  uint32_t struct_size;
  uint32_t flags;       /* zero */
  uint64_t saved_bytes; /* held between forward and saved_release */
  uint64_t peak_bytes;  /* the most that forward or backward holds at once, saved_bytes included */
} hn_plan;

typedef struct hn_vjp {
  uint32_t struct_size;
  uint32_t flags; /* zero */
  hn_stream stream;
  const DLTensor* const* cotangent; /* dL/d out, the output's shape, its grad_dtype; NULL = zero */
  uint64_t n_out;
  const DLTensor* const*
      grad; /* dL/d in, the input's shape, the slot's grad_dtype; NULL entry = not wanted */
  uint64_t n_in;
  const uint8_t* accumulate; /* n_in bytes: 0 overwrite, 1 add; NULL = overwrite all */
  const hn_next* next;       /* NULL = nothing more */
} hn_vjp;

typedef struct hn_fn_v1 { /* frozen; every call [one at a time per instance, any thread] */
  /* name: "noise_net", "generate", "score", ...; HN_NOT_FOUND for one that it does not have. The
   * options are those of create plus the function's. */
  hn_status(HN_CALL* open)(hn_instance*, hn_str name, const hn_config*, hn_fn** out, hn_error*);
  void(HN_CALL* close)(hn_fn*); /* NULL is allowed */
  hn_status(HN_CALL* info)(hn_fn*, hn_fn_info* out, hn_error*);
  /* direction: HN_SLOT_INPUT or HN_SLOT_OUTPUT. */
  hn_status(HN_CALL* slot)(hn_fn*, int32_t direction, uint64_t index, hn_slot* out, hn_error*);
  /* Only the shapes of the call's tensors are read; data may be NULL. HN_UNSUPPORTED = no estimate.
   */
  hn_status(HN_CALL* plan)(hn_fn*, const hn_call*, hn_plan* out, hn_error*);
  /* *saved is NULL without HN_CALL_WANT_GRAD. After an error *saved is NULL and the outputs'
   * contents are undefined. */
  hn_status(HN_CALL* forward)(hn_fn*, const hn_call*, hn_saved** saved, hn_error*);
  /* May be called any number of times, from any thread. Linear in the cotangents. Where no output
   * depends on any input whose gradient need_grad asked for, forward fails (HN_INTERNAL) instead of
   * a backward that gives zeros: they would train nothing, in silence. No double backward in
   * version 1. */
  hn_status(HN_CALL* backward)(hn_fn*, hn_saved*, const hn_vjp*, hn_error*);
  /* Exactly once for each saved that is not NULL, also after errors. last_use: the stream of the
   * last backward. */
  void(HN_CALL* saved_release)(hn_fn*, hn_saved*, hn_stream last_use);
  /* The shapes of a call's outputs, n_out of them, before they are allocated: asked where an output
   * has HN_DIM_ANY. Of the call's inputs the shapes are read, out is not. So one opened function
   * takes every size that its slots allow. May be NULL in a plugin without such outputs. */
  hn_status(HN_CALL* shapes)(hn_fn*, const hn_call*, hn_shape* out, uint64_t n_out, hn_error*);
} hn_fn_v1;

HN_SIZE_IS(hn_fn_info, 24);
HN_SIZE_IS(hn_slot, 64);
HN_FIELD_AT(hn_slot, dtype, 40);
HN_FIELD_AT(hn_slot, ndim, 48);
HN_FIELD_AT(hn_slot, shape, 56);
HN_SIZE_IS(hn_next, 32);
HN_SIZE_IS(hn_shape, 72);
HN_SIZE_IS(hn_call, 112);
HN_FIELD_AT(hn_call, cond, 24);
HN_FIELD_AT(hn_call, in, 40);
HN_FIELD_AT(hn_call, out, 56);
HN_FIELD_AT(hn_call, need_grad, 72);
HN_FIELD_AT(hn_call, saved_budget_bytes, 96);
HN_SIZE_IS(hn_plan, 24);
HN_SIZE_IS(hn_vjp, 72);
HN_FIELD_AT(hn_vjp, cotangent, 24);
HN_FIELD_AT(hn_vjp, accumulate, 56);
HN_SIZE_IS(hn_fn_v1, 72);
HN_FIELD_AT(hn_fn_v1, shapes, 64);

HN_EXTERN_C_END

#endif
