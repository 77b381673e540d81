/* hn.weights_audit/1, a plugin's interface without an instance: whether a folder of weights fits,
 * before anything is loaded.
 *
 * Asked for by hn_plugin_v1.get_plugin_interface. `hnhost inspect --weights` uses it. */
#ifndef HN_WEIGHTS_AUDIT_H
#define HN_WEIGHTS_AUDIT_H

#include <hn/error.h>
#include <hn/plugin.h>

HN_EXTERN_C_BEGIN

#define HN_WEIGHTS_AUDIT_V1 "hn.weights_audit/1"

typedef struct hn_weights_audit_v1 { /* frozen; [any-thread] */
  /* Goes through the loading that create would do with these options, with names, shapes and types
   * alone: no number is read, nothing is kept. For each component `component` is called with one
   * JSON object, borrowed for that call: {"model", "path", "tensors", "parameters" (wanted),
   * "missing": [...], "wrong_shape": [...], "unexpected": [...]}. HN_OK also where a component does
   * not fit, since that was told; an error where the loading ends before (a configuration, a file
   * that cannot be read). */
  hn_status(HN_CALL* audit)(const hn_host_v1*, const hn_config*, void* ctx,
                            void(HN_CALL* component)(void* ctx, hn_str json), hn_error*);
} hn_weights_audit_v1;

HN_SIZE_IS(hn_weights_audit_v1, 8);

HN_EXTERN_C_END

#endif
