/* hn.cond/1: each prompt becomes one handle, which the host caches under a byte budget and passes
 * to calls.
 *
 * A handle belongs to the instance that made it and holds whatever the plugin computed from the
 * prompt once; the prompt itself is borrowed for the call. */
#ifndef HN_COND_H
#define HN_COND_H

#include <hn/error.h>
#include <hn/plugin.h>
#include <hn/stream.h>
#include <hn/tensor.h>

HN_EXTERN_C_BEGIN

#define HN_COND_V1 "hn.cond/1"

typedef struct hn_cond hn_cond;

typedef struct hn_named_tensor {
  hn_str name; /* "image": float32 [3,H,W] in [0,1]; "mask": float32 [1,H,W]; others are
                  reverse-domain */
  const DLTensor* tensor;
} hn_named_tensor;

/* What a sample is made or judged by. UTF-8; an empty field is absent. */
typedef struct hn_prompt {
  uint32_t struct_size;
  uint32_t flags;  /* zero */
  hn_str text;     /* text past the plugin's limit is cut as upstream cuts it */
  hn_str negative; /* what is not wanted */
  hn_str json; /* an object with facts about the prompt, such as what should be in the picture */
  const hn_named_tensor* tensors;
  uint64_t n_tensors;
} hn_prompt;

/* Which fields beside text a plugin reads. */
#define HN_PROMPT_NEGATIVE 1u
#define HN_PROMPT_JSON 2u
#define HN_PROMPT_TENSORS 4u

typedef struct hn_cond_v1 { /* frozen; every call [one at a time per instance, any thread] */
  /* Writes n handles, or none (every *out NULL) and an error. A field that is there although
   * prompt_fields does not name it, and a tensor of an unknown name, is HN_UNSUPPORTED. */
  hn_status(HN_CALL* encode)(hn_instance*, const hn_prompt* const* prompts, uint64_t n, hn_stream,
                             hn_cond** out, hn_error*);
  /* last_use: the stream of the last call that used the handle. NULL is allowed. */
  void(HN_CALL* release)(hn_instance*, hn_cond*, hn_stream last_use);
  uint64_t(HN_CALL* size_bytes)(hn_instance*, const hn_cond*);
  /* D of embedding, 0 when there is none. */
  uint64_t(HN_CALL* embedding_size)(hn_instance*);
  /* The pooled embedding of one prompt into out, float32 [D], for the host's own networks.
   * HN_UNSUPPORTED without one. */
  hn_status(HN_CALL* embedding)(hn_instance*, const hn_cond*, hn_stream, const DLTensor* out,
                                hn_error*);
  /* HN_PROMPT_* of the fields that encode reads. The host hands over no other, keeps handles apart
   * by these and text, and refuses a negative or a tensor that no plugin of a run reads. */
  uint32_t(HN_CALL* prompt_fields)(hn_instance*);
} hn_cond_v1;

HN_SIZE_IS(hn_named_tensor, 24);
HN_SIZE_IS(hn_prompt, 72);
HN_FIELD_AT(hn_prompt, text, 8);
HN_FIELD_AT(hn_prompt, json, 40);
HN_FIELD_AT(hn_prompt, n_tensors, 64);
HN_SIZE_IS(hn_cond_v1, 48);

HN_EXTERN_C_END

#endif
