/* The caller's buffer for an error text: the callee only writes into it, nothing is allocated or
 * freed across the boundary.
 *
 * Ownership: the struct and message are the caller's. capacity is the size of message in bytes; the
 * callee writes at most capacity bytes with a closing zero, and sets length to the full length
 * without the zero, so that a caller can see that a text was cut. The text is UTF-8, also where it
 * was cut: no part of a character is left. A NULL hn_error*, or a NULL message, is allowed
 * everywhere. A function that returns HN_OK leaves the struct untouched. */
#ifndef HN_ERROR_H
#define HN_ERROR_H

#include <hn/status.h>

HN_EXTERN_C_BEGIN

typedef struct hn_error {
  uint32_t struct_size;
  hn_status code;
  char* message;
  uint64_t capacity;
  uint64_t length;
} hn_error;

HN_SIZE_IS(hn_error, 32);
HN_FIELD_AT(hn_error, message, 8);
HN_FIELD_AT(hn_error, length, 24);

HN_EXTERN_C_END

#endif
