/* hn.adapter/1: the layers of a function that can carry a LoRA, by their upstream module path.
 *
 * Which of them an opened function carries is said by the options lora.rank, lora.alpha and
 * lora.targets (docs/abi.md); the matrices then appear as PARAM slots "<path>.lora_A.weight" and
 * "<path>.lora_B.weight", float32, in PEFT's names and shapes:
 *
 *   linear   A [rank, in]           B [out, rank]
 *   conv2d   A [rank, in, kh, kw]   B [out, rank, 1, 1]
 *
 * A grouped convolution's B is [out, rank/groups, 1, 1], or with lora.dense_groups [out, rank, 1,
 * 1], as peft wrote it until June 2025. The layer gains lora.alpha / lora.rank * B(A(x)). A kind
 * that the host does not know is refused by it. */
#ifndef HN_ADAPTER_H
#define HN_ADAPTER_H

#include <hn/error.h>
#include <hn/plugin.h>

HN_EXTERN_C_BEGIN

#define HN_ADAPTER_V1 "hn.adapter/1"

#define HN_LAYER_LINEAR 0
#define HN_LAYER_CONV2D 1

typedef struct hn_layer { /* allocated by the caller, name lives until destroy */
  uint32_t struct_size;
  int32_t kind;
  hn_str name; /* e.g. transformer_blocks.0.attn1.to_q */
  int64_t in_features;
  int64_t out_features; /* channels for a convolution */
  int32_t kernel_h, kernel_w;
  int32_t groups;
  int32_t reserved; /* zero */
} hn_layer;

typedef struct hn_adapter_v1 { /* frozen; [one at a time per instance, any thread] */
  /* HN_NOT_FOUND for a function that carries no adapters. */
  hn_status(HN_CALL* layer_count)(hn_instance*, hn_str fn_name, uint64_t* out, hn_error*);
  hn_status(HN_CALL* layer)(hn_instance*, hn_str fn_name, uint64_t index, hn_layer* out, hn_error*);
} hn_adapter_v1;

HN_SIZE_IS(hn_layer, 56);
HN_FIELD_AT(hn_layer, in_features, 24);
HN_FIELD_AT(hn_layer, kernel_h, 40);
HN_SIZE_IS(hn_adapter_v1, 16);

HN_EXTERN_C_END

#endif
