/* Result codes. Every function that can fail returns one and writes a text into the caller's
 * hn_error. */
#ifndef HN_STATUS_H
#define HN_STATUS_H

#include <hn/abi.h>

typedef int32_t hn_status; /* never a C enum: its width is the compiler's choice */

#define HN_OK 0
#define HN_INVALID_ARGUMENT 1 /* the caller's mistake: shape, dtype, option, prompt */
#define HN_UNSUPPORTED 2      /* a flag, dtype, device or function that this side does not have */
#define HN_NOT_FOUND 3        /* a file, key, layer or interface that does not exist */
#define HN_OUT_OF_MEMORY 4    /* the host trims every plugin and may try again, see memory.h */
#define HN_CANCELLED 5        /* the host's is_cancelled answered yes */
#define HN_DATA_LOSS 6        /* corrupt weights, hash mismatch, truncated file */
#define HN_DEVICE_LOST 7      /* the instance is dead; only destroy may follow, see plugin.h */
#define HN_INTERNAL 8         /* anything else, also how an unknown or negative code is read */
#define HN_UNAVAILABLE 9      /* a service that cannot be reached now; trying later may help */
#define HN_DEADLINE 10        /* it took longer than was allowed */
#define HN_PERMISSION 11      /* not allowed: a key, a licence, a sandbox */

/* The code as this version knows it: what a later version added, or no version has, is
 * HN_INTERNAL. */
#define HN_KNOWN_STATUS(status) \
  ((status) >= HN_OK && (status) <= HN_PERMISSION ? (status) : HN_INTERNAL)

#endif
