/* What a plugin may ask of its host: logging, cancellation, progress and its options as typed
 * values (no parser needed).
 *
 * The table outlives every instance created with it. Threads: log is [any-thread] until destroy has
 * returned; is_cancelled and progress are [any-thread] while a call into the plugin runs, and mean
 * nothing between calls. config_* are valid until the create or open call that brought the
 * hn_config returns, on any thread; so are the strings that they hand out. */
#ifndef HN_HOST_H
#define HN_HOST_H

#include <hn/status.h>
#include <hn/str.h>

HN_EXTERN_C_BEGIN

#define HN_LOG_DEBUG 0
#define HN_LOG_INFO 1
#define HN_LOG_WARNING 2
#define HN_LOG_ERROR 3

typedef struct hn_config hn_config; /* opaque: the options of one create or open call */

typedef struct hn_host_v1 {
  uint32_t struct_size;
  uint32_t abi_minor; /* of the host: fields of later minors may be present, see HN_HAS */
  void* ctx;          /* first argument of the four functions below */
  /* An optional host interface by id ("hn.<name>/<rev>"), or NULL. */
  const void*(HN_CALL* get_interface)(void* ctx, const char* id);
  void(HN_CALL* log)(void* ctx, int32_t level, hn_str text);
  /* 1 when the user asked to stop; the plugin then returns HN_CANCELLED at the next convenient
   * point. */
  int32_t(HN_CALL* is_cancelled)(void* ctx);
  /* total = 0 when it is not known. */
  void(HN_CALL* progress)(void* ctx, hn_str what, uint64_t done, uint64_t total);
  /* Options; docs/abi.md lists the standard ones. A NULL hn_config has none. HN_NOT_FOUND: absent
   * (take the default). HN_INVALID_ARGUMENT: there, but of another type. An integer is readable as
   * f64; nothing else converts. */
  hn_status(HN_CALL* config_str)(const hn_config*, const char* key, hn_str* out);
  hn_status(HN_CALL* config_i64)(const hn_config*, const char* key, int64_t* out);
  hn_status(HN_CALL* config_f64)(const hn_config*, const char* key, double* out);
  hn_status(HN_CALL* config_bool)(const hn_config*, const char* key, int32_t* out);
  /* Element index of a list of strings; HN_NOT_FOUND past its end. */
  hn_status(HN_CALL* config_list)(const hn_config*, const char* key, uint64_t index, hn_str* out);
} hn_host_v1;

HN_SIZE_IS(hn_host_v1, 88);
HN_FIELD_AT(hn_host_v1, ctx, 8);
HN_FIELD_AT(hn_host_v1, config_str, 48);
HN_FIELD_AT(hn_host_v1, config_list, 80);

HN_EXTERN_C_END

#endif
