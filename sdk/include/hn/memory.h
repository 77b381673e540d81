/* hn.memory/1: what an instance holds, device by device, and how to get caches back.
 *
 * After HN_OUT_OF_MEMORY the host trims every plugin and tries the call once more; not a backward
 * that adds to gradients, which may have added to some. */
#ifndef HN_MEMORY_H
#define HN_MEMORY_H

#include <hn/error.h>
#include <hn/plugin.h>
#include <hn/stream.h>

HN_EXTERN_C_BEGIN

#define HN_MEMORY_V1 "hn.memory/1"

typedef struct hn_memory_use { /* allocated by the caller */
  uint32_t struct_size;
  int32_t device_type; /* DLPack's number: 1 CPU, 2 CUDA */
  int32_t device_id;
  uint32_t reserved; /* zero */
  uint64_t bytes;    /* weights included */
} hn_memory_use;

typedef struct hn_memory_v1 { /* frozen; [one at a time per instance, any thread] */
  /* One device the call: index 0, 1, ...; HN_NOT_FOUND past the last. */
  hn_status(HN_CALL* use)(hn_instance*, uint64_t index, hn_memory_use* out, hn_error*);
  /* Frees what can be made again. Open saved, fn and cond handles stay as they are. */
  void(HN_CALL* trim)(hn_instance*, hn_stream);
} hn_memory_v1;

HN_SIZE_IS(hn_memory_use, 24);
HN_FIELD_AT(hn_memory_use, bytes, 16);
HN_SIZE_IS(hn_memory_v1, 16);

HN_EXTERN_C_END

#endif
