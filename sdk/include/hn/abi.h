/* What every header of the ABI stands on: version, linkage, calling convention, layout checks.
 *
 * The rules of the boundary (docs/abi.md): 64-bit machines; fixed-width integers only; no C enum,
 * bool, size_t, long, bitfield or union; structs start with struct_size and only grow at the end;
 * reserved fields are zero; unknown trailing fields are ignored; whoever hands over a struct to be
 * filled clears it first. Both sides check what comes: an unknown flag of the lower half
 * (HN_FLAGS_CRITICAL) is refused with HN_UNSUPPORTED, one of the upper half is a hint and ignored.
 */
#ifndef HN_ABI_H
#define HN_ABI_H

#include <stddef.h>
#include <stdint.h>

#define HN_ABI_MAJOR 1u
#define HN_ABI_MINOR 0u

/* Flags of every struct: a bit of this half changes meaning, so who does not know it must refuse
 * the struct. */
#define HN_FLAGS_CRITICAL 0x0000ffffu

#if defined(_WIN32)
#define HN_EXPORT __declspec(dllexport)
#define HN_CALL __cdecl
#else
#define HN_EXPORT __attribute__((visibility("default")))
#define HN_CALL
#endif

#ifdef __cplusplus
#define HN_EXTERN_C_BEGIN extern "C" {
#define HN_EXTERN_C_END }
#define HN_STATIC_ASSERT(condition, message) static_assert(condition, message)
#else
#define HN_EXTERN_C_BEGIN
#define HN_EXTERN_C_END
#define HN_STATIC_ASSERT(condition, message) _Static_assert(condition, message)
#endif

HN_STATIC_ASSERT(sizeof(void*) == 8, "the ABI is for 64-bit machines");

/* True when the peer's struct is long enough to hold the field. Sizes are never compared for
 * equality. */
#define HN_HAS(p, type, field) ((p)->struct_size >= offsetof(type, field) + sizeof((p)->field))

/* Pins one field of an ABI struct to its byte offset. The same numbers stand in
 * tests/abi/layout.txt. */
#define HN_FIELD_AT(type, field, offset) \
  HN_STATIC_ASSERT(offsetof(type, field) == (offset), #type "." #field " moved")
#define HN_SIZE_IS(type, size) HN_STATIC_ASSERT(sizeof(type) == (size), #type " changed its size")

#endif
