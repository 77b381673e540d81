/* The queue that a call's work is ordered on: when the function returns, its work is enqueued
 * there.
 *
 * CPU: {kDLCPU, 0, 0}, work is finished on return. CUDA: handle is the cudaStream_t, 1 = legacy
 * default stream, 2 = per-thread default stream, 0 is forbidden. A plugin's side streams join
 * before it returns, it never synchronises the whole device and never keeps a handle. */
#ifndef HN_STREAM_H
#define HN_STREAM_H

#include <hn/abi.h>

typedef struct hn_stream {
  int32_t device_type; /* DLPack's number: 1 CPU, 2 CUDA */
  int32_t device_id;
  uint64_t handle;
} hn_stream;

HN_SIZE_IS(hn_stream, 16);

#endif
