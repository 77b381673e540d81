/* Result codes. Every function that can fail returns one and writes a text into the caller's
 * hn_error. */
#ifndef HN_STATUS_H
#define HN_STATUS_H

#include <hn/abi.h>

typedef int32_t hn_status; /* never a C enum: its width is the compiler's choice */

#define HN_OK 0
#define HN_INVALID_ARGUMENT 1 /* the caller's mistake: shape, dtype, option, prompt */
#define HN_UNSUPPORTED 2      /* a flag, dtype, device or function that this plugin does not have */
#define HN_NOT_FOUND 3        /* a file, key, layer or interface that does not exist */
#define HN_OUT_OF_MEMORY 4    /* the host trims every plugin (hn.memory/1) and retries once */
#define HN_CANCELLED 5        /* the host's is_cancelled answered yes */
#define HN_DATA_LOSS 6        /* corrupt weights, hash mismatch, truncated file */
#define HN_DEVICE_LOST 7      /* the instance is dead from here on; only destroy may follow */
#define HN_INTERNAL 8         /* anything else */

#endif
