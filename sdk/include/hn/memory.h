/* hn.memory/1: what an instance holds and how to get caches back.
 *
 * After HN_OUT_OF_MEMORY the host trims every plugin and retries the call once. */
#ifndef HN_MEMORY_H
#define HN_MEMORY_H

#include <hn/plugin.h>
#include <hn/stream.h>

#define HN_MEMORY_V1 "hn.memory/1"

typedef struct hn_memory_v1 { /* frozen; [one at a time per instance, any thread] */
  uint64_t(HN_CALL* used_bytes)(hn_instance*); /* weights included */
  void(HN_CALL* trim)(hn_instance*, hn_stream);
} hn_memory_v1;

HN_SIZE_IS(hn_memory_v1, 16);

#endif
