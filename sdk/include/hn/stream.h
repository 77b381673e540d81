/* The queue that a call's work is ordered on: when the function returns, its work is enqueued
 * there.
 *
 * CPU: {kDLCPU, 0, 0}, work is finished on return. CUDA: handle is the cudaStream_t, 1 = legacy
 * default stream, 2 = per-thread default stream, 0 is forbidden. A plugin's side streams join
 * before it returns. It may wait for the call's own stream, never for the whole device. An error
 * that the device reports later surfaces in a later call.
 *
 * Lifetimes: the host keeps a stream alive as long as any handle (saved, cond, fn, instance) that
 * was used on it. close, saved_release, release and destroy are called when no other work on the
 * handle is still to be enqueued; `last_use` names the stream on which it was used last, and memory
 * that the handle holds may be given to other work only behind that stream's queue. */
#ifndef HN_STREAM_H
#define HN_STREAM_H

#include <hn/abi.h>

HN_EXTERN_C_BEGIN

typedef struct hn_stream {
  int32_t device_type; /* DLPack's number: 1 CPU, 2 CUDA */
  int32_t device_id;
  uint64_t handle;
} hn_stream;

HN_SIZE_IS(hn_stream, 16);

HN_EXTERN_C_END

#endif
