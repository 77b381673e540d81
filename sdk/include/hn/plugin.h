/* The one symbol that a plugin exports: a constant, read as data before any of its functions is
 * called. (Opening the library runs its static constructors; what a plugin says of itself stands in
 * its manifest too, which is read before.)
 *
 *   const hn_plugin_v1 hn_plugin_entry_v1 = {
 *       sizeof(hn_plugin_v1), HN_ABI_MAJOR, 0, 0, HN_STR("org.example.reward.x"), HN_STR("1.0.0"),
 *       &create, &destroy, &get_interface, HN_ABI_MINOR, 0, NULL};
 *
 * Rules. Errors are codes and text; no exception, exit, abort, signal handler, locale or
 * floating-point-mode change may leave the plugin. An instance is never entered by two threads at
 * once, but any thread may enter it. A library is never unloaded. Threads that an instance started
 * end before destroy returns. After fork a child may use no instance made before it. */
#ifndef HN_PLUGIN_H
#define HN_PLUGIN_H

#include <hn/error.h>
#include <hn/host.h>
#include <hn/str.h>

HN_EXTERN_C_BEGIN

#define HN_PLUGIN_ENTRY_V1 "hn_plugin_entry_v1"

typedef struct hn_instance hn_instance;

typedef struct hn_plugin_v1 {
  uint32_t struct_size;
  uint32_t abi_major; /* HN_ABI_MAJOR */
  uint32_t abi_minor; /* the least minor of the host that this plugin needs */
  uint32_t flags;     /* zero */
  hn_str id;          /* reverse-domain, equal to the manifest's: "org.example.reward.x" */
  hn_str version;     /* semantic version, equal to the manifest's */
  /* Loads what the options name (weights, device). On failure *out is NULL. [any-thread] */
  hn_status(HN_CALL* create)(const hn_host_v1*, const hn_config*, hn_instance** out, hn_error*);
  /* Every fn, saved and cond of the instance is released before; after HN_DEVICE_LOST they are not,
   * and destroy takes them along. NULL is allowed. [any-thread, one at a time] */
  void(HN_CALL* destroy)(hn_instance*);
  /* A function table by id and revision ("hn.fn/1"), valid until destroy; NULL = this instance has
   * no such thing. */
  const void*(HN_CALL* get_interface)(hn_instance*, const char* id);
  uint32_t header_minor; /* HN_ABI_MINOR of the headers that the plugin was compiled with */
  uint32_t reserved;     /* zero */
  /* A table that needs no instance ("hn.weights_audit/1"), valid for the life of the process; NULL
   * = the plugin has no such thing. The function itself may be NULL. [any-thread] */
  const void*(HN_CALL* get_plugin_interface)(const hn_host_v1*, const char* id);
} hn_plugin_v1;

/* What the plugin defines. */
extern HN_EXPORT const hn_plugin_v1 hn_plugin_entry_v1;

HN_SIZE_IS(hn_plugin_v1, 88);
HN_FIELD_AT(hn_plugin_v1, id, 16);
HN_FIELD_AT(hn_plugin_v1, create, 48);
HN_FIELD_AT(hn_plugin_v1, header_minor, 72);
HN_FIELD_AT(hn_plugin_v1, get_plugin_interface, 80);

HN_EXTERN_C_END

#endif
