/* The one symbol that a plugin exports: a constant, read as data before any of its code runs.
 *
 *   const hn_plugin_v1 hn_plugin_entry_v1 = { sizeof(hn_plugin_v1), HN_ABI_MAJOR, 0, 0,
 * HN_STR("my.reward.x"), ... };
 *
 * Errors are codes and text; no exception, exit, abort, signal handler, locale or
 * floating-point-mode change may leave the plugin. An instance is never entered by two threads at
 * once, but any thread may enter it. */
#ifndef HN_PLUGIN_H
#define HN_PLUGIN_H

#include <hn/error.h>
#include <hn/host.h>
#include <hn/str.h>

#define HN_PLUGIN_ENTRY_V1 "hn_plugin_entry_v1"

typedef struct hn_instance hn_instance;

typedef struct hn_plugin_v1 {
  uint32_t struct_size;
  uint32_t abi_major; /* HN_ABI_MAJOR */
  uint32_t abi_minor; /* the least minor of the host that this plugin needs */
  uint32_t flags;     /* zero */
  hn_str id;          /* reverse-domain, equal to the manifest's: "hn.reward.redness" */
  hn_str version;     /* semantic version, equal to the manifest's */
  /* Loads what the options name (weights, device). On failure *out stays NULL. [any-thread] */
  hn_status(HN_CALL* create)(const hn_host_v1*, const hn_config*, hn_instance** out, hn_error*);
  /* Every fn, saved and cond of the instance is released before. NULL is allowed. [any-thread, one
   * at a time] */
  void(HN_CALL* destroy)(hn_instance*);
  /* A function table by id and revision ("hn.fn/1"), valid until destroy; NULL = this instance has
   * no such thing. */
  const void*(HN_CALL* get_interface)(hn_instance*, const char* id);
} hn_plugin_v1;

HN_SIZE_IS(hn_plugin_v1, 72);
HN_FIELD_AT(hn_plugin_v1, id, 16);
HN_FIELD_AT(hn_plugin_v1, create, 48);

#endif
