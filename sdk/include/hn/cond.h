/* hn.cond/1: each prompt becomes one handle, which the host caches under a byte budget and passes
 * to calls.
 *
 * A handle belongs to the instance that made it and holds the text and whatever the plugin computed
 * from it once. */
#ifndef HN_COND_H
#define HN_COND_H

#include <hn/error.h>
#include <hn/plugin.h>
#include <hn/stream.h>
#include <hn/tensor.h>

#define HN_COND_V1 "hn.cond/1"

typedef struct hn_cond hn_cond;

typedef struct hn_cond_v1 { /* frozen; every call [one at a time per instance, any thread] */
  /* Writes n handles, or none and an error. Prompts are UTF-8; text past the plugin's limit is cut
   * as upstream cuts it. */
  hn_status(HN_CALL* encode)(hn_instance*, const hn_str* prompts, uint64_t n, hn_stream,
                             hn_cond** out, hn_error*);
  void(HN_CALL* release)(hn_instance*, hn_cond*); /* NULL is allowed */
  uint64_t(HN_CALL* size_bytes)(hn_instance*, const hn_cond*);
  /* D of embedding, 0 when there is none. */
  uint64_t(HN_CALL* embedding_size)(hn_instance*);
  /* The pooled embedding of one prompt into out, float32 [D], for the host's own networks.
   * HN_UNSUPPORTED without one. */
  hn_status(HN_CALL* embedding)(hn_instance*, const hn_cond*, hn_stream, const DLTensor* out,
                                hn_error*);
} hn_cond_v1;

HN_SIZE_IS(hn_cond_v1, 40);

#endif
