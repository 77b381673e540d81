/* A borrowed UTF-8 text with its length in bytes; not terminated by zero. */
#ifndef HN_STR_H
#define HN_STR_H

#include <hn/abi.h>

HN_EXTERN_C_BEGIN

typedef struct hn_str {
  const char* data; /* may be NULL when len is 0 */
  uint64_t len;
} hn_str;

/* A literal as hn_str, usable in constant initialisers. Only a literal: a pointer, whose sizeof is
 * no length, does not compile. */
#define HN_STR(literal) \
  { "" literal, sizeof("" literal) - 1 }

HN_SIZE_IS(hn_str, 16);

HN_EXTERN_C_END

#endif
