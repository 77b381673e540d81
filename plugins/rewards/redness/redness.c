/* redness: how red a picture is, as a complete plugin in plain C.
 *
 *   score(x) = mean(R) - mean(G + B) / 2        per sample, x [B,3,H,W] float32 in [0,1]; range
 * -1..1, higher is redder
 *
 * Source: Noise Hypernetworks (arXiv 2508.09968), the toy experiment of figure 4. The paper's loss
 * is mean((G+B)/2 - R), that is 0 - score.
 *
 * The file is also the worked example for authors who write against the C ABI by hand. Read it from
 * the bottom up: the one exported constant, then the function table, then forward and backward.
 * Everything the contract asks of a plugin is here: errors as code and text, any strides and
 * byte_offset, absent cotangents, accumulation, batch 0. */
#include <hn/hn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors
 * --------------------------------------------------------------------------------------------------------
 */

/* Writes code and text into the caller's buffer and returns the code, so that a check is one line:
 * return fail(...). Both the struct and its message may be NULL; length tells the caller how long
 * the whole text would have been. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static hn_status
fail(hn_error* error, hn_status code, const char* format, ...) {
  if (error == NULL || !HN_HAS(error, hn_error, length)) return code;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  const int written =
      vsnprintf(error->message, error->message ? (size_t)error->capacity : 0, format, arguments);
  va_end(arguments);
  error->length = written < 0 ? 0 : (uint64_t)written;
  return code;
}

/* Copies an answer into a struct that the caller allocated. An older caller has a shorter struct
 * and gets the fields that it knows, a newer one keeps its own trailing fields; its struct_size
 * stays as it was. */
static void answer(void* out, const void* full, uint32_t full_size) {
  uint32_t size;
  memcpy(&size, out, sizeof size);
  const uint32_t common = size < full_size ? size : full_size;
  if (common > sizeof size)
    memcpy((char*)out + sizeof size, (const char*)full + sizeof size, common - sizeof size);
}

/* ---- tensors
 * -------------------------------------------------------------------------------------------------------
 */

static int is_float32(DLDataType t) { return t.code == kDLFloat && t.bits == 32 && t.lanes == 1; }

/* Address of element 0: byte_offset belongs to every DLPack tensor. */
static char* origin(const DLTensor* t) { return (char*)t->data + t->byte_offset; }

/* A view may start at any byte, so elements are read and written through memcpy; compilers make it
 * one plain move. */
static float load(const char* p) {
  float value;
  memcpy(&value, p, sizeof value);
  return value;
}
static void store(char* p, float value) { memcpy(p, &value, sizeof value); }

/* What every tensor must be here: there, float32, in host memory, with strides. what: its name in
 * the error text. */
static hn_status check_tensor(const DLTensor* t, const char* what, int32_t ndim, hn_error* error) {
  if (t == NULL) return fail(error, HN_INVALID_ARGUMENT, "[redness] %s is missing (NULL)", what);
  if (t->ndim != ndim)
    return fail(error, HN_INVALID_ARGUMENT, "[redness] expected %s with %d dimensions, got %d",
                what, ndim, t->ndim);
  if (!is_float32(t->dtype))
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] expected %s as float32 (DLPack code 2, 32 bits, 1 lane), got code %d, "
                "%d bits, %d lanes",
                what, t->dtype.code, t->dtype.bits, t->dtype.lanes);
  if (t->device.device_type != kDLCPU && t->device.device_type != kDLCUDAHost)
    return fail(error, HN_UNSUPPORTED,
                "[redness] expected %s in host memory, got DLPack device type %d", what,
                (int)t->device.device_type);
  if (t->shape == NULL || t->strides == NULL)
    return fail(error, HN_INVALID_ARGUMENT, "[redness] %s has no shape or no strides", what);
  int empty = 0;
  for (int32_t i = 0; i < ndim; ++i) {
    if (t->shape[i] < 0)
      return fail(error, HN_INVALID_ARGUMENT,
                  "[redness] %s has a negative size %lld in dimension %d", what,
                  (long long)t->shape[i], i);
    if (t->shape[i] == 0) empty = 1;
  }
  if (t->data == NULL && !empty)
    return fail(error, HN_INVALID_ARGUMENT, "[redness] %s has no data", what);
  return HN_OK;
}

/* image or its gradient: [B,3,H,W] with at least one pixel; B may be 0. */
static hn_status check_image(const DLTensor* t, const char* what, hn_error* error) {
  const hn_status status = check_tensor(t, what, 4, error);
  if (status != HN_OK) return status;
  if (t->shape[1] != 3 || t->shape[2] == 0 || t->shape[3] == 0)
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] expected %s (B,3,H,W) with H and W above 0, got (%lld,%lld,%lld,%lld)",
                what, (long long)t->shape[0], (long long)t->shape[1], (long long)t->shape[2],
                (long long)t->shape[3]);
  return HN_OK;
}

/* score or its cotangent: [B]. */
static hn_status check_score(const DLTensor* t, const char* what, int64_t batch, hn_error* error) {
  const hn_status status = check_tensor(t, what, 1, error);
  if (status != HN_OK) return status;
  if (t->shape[0] != batch)
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] expected %s (%lld), one number a sample, got (%lld)", what,
                (long long)batch, (long long)t->shape[0]);
  return HN_OK;
}

static hn_status check_stream(hn_stream stream, hn_error* error) {
  if (stream.device_type == kDLCPU) return HN_OK;
  return fail(error, HN_UNSUPPORTED,
              "[redness] runs on the CPU only, got a stream of DLPack device type %d",
              (int)stream.device_type);
}

/* ---- the function "score"
 * ------------------------------------------------------------------------------------------ */

struct hn_instance { /* the plugin's own, opaque to the host; C does not allow an empty struct */
  const hn_host_v1* host;
};

struct hn_fn {
  hn_instance* instance;
};

/* The score is linear in the image, so its derivative needs nothing of the image but its shape. A
 * function that needs the input's values may keep the borrowed pointer: inputs stay valid and
 * unchanged until saved_release. */
struct hn_saved {
  int64_t batch, height, width;
};

static const float kChannelWeight[3] = {1.0f, -0.5f, -0.5f}; /* R, G, B */
static const int64_t kImageShape[4] = {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY};
static const int64_t kScoreShape[1] = {HN_DIM_BATCH};

static hn_status HN_CALL redness_open(hn_instance* instance, hn_str name, const hn_config* options,
                                      hn_fn** out, hn_error* error) {
  (void)options; /* the function has no options of its own */
  if (instance == NULL || out == NULL)
    return fail(error, HN_INVALID_ARGUMENT, "[redness] open without instance or out");
  *out = NULL;
  if (name.len != 5 || memcmp(name.data, "score", 5) != 0)
    return fail(error, HN_NOT_FOUND, "[redness] expected the function score, got %.*s",
                (int)name.len, name.data);
  hn_fn* fn = malloc(sizeof *fn);
  if (fn == NULL) return fail(error, HN_OUT_OF_MEMORY, "[redness] no memory for a function");
  fn->instance = instance;
  *out = fn;
  return HN_OK;
}

static void HN_CALL redness_close(hn_fn* fn) { free(fn); }

static hn_status HN_CALL redness_info(hn_fn* fn, hn_fn_info* out, hn_error* error) {
  if (fn == NULL || out == NULL)
    return fail(error, HN_INVALID_ARGUMENT, "[redness] info without fn or out");
  const hn_fn_info full = {sizeof full, 0, 1, 1}; /* no flags: neither prompts nor randomness */
  answer(out, &full, sizeof full);
  return HN_OK;
}

static hn_status HN_CALL redness_slot(hn_fn* fn, int32_t direction, uint64_t index, hn_slot* out,
                                      hn_error* error) {
  if (fn == NULL || out == NULL)
    return fail(error, HN_INVALID_ARGUMENT, "[redness] slot without fn or out");
  if (index != 0 || (direction != HN_SLOT_INPUT && direction != HN_SLOT_OUTPUT))
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] expected slot 0 of direction 0 or 1, got slot %llu of direction %d",
                (unsigned long long)index, direction);
  const DLDataType float32 = {kDLFloat, 32, 1};
  const hn_slot image = {sizeof image,
                         HN_SLOT_DIFF,
                         HN_STR("image_rgb01"),
                         HN_STR("image_rgb01"),
                         float32,
                         float32,
                         4,
                         0,
                         kImageShape};
  const hn_slot score = {
      sizeof score, HN_SLOT_DIFF, HN_STR("score"), HN_STR("score"), float32, float32, 1, 0,
      kScoreShape};
  answer(out, direction == HN_SLOT_INPUT ? &image : &score, sizeof image);
  return HN_OK;
}

/* The flags that this plugin knows. An unknown one may change the meaning of the call, so it is
 * refused. */
static hn_status check_call(const hn_fn* fn, const hn_call* call, hn_error* error) {
  if (fn == NULL || call == NULL || !HN_HAS(call, hn_call, need_grad))
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] call without fn, or a call struct that is too short");
  if (call->flags & ~(HN_CALL_WANT_GRAD | HN_CALL_DETERMINISTIC))
    return fail(error, HN_UNSUPPORTED, "[redness] unknown call flags 0x%x", (unsigned)call->flags);
  if (call->n_in != 1 || call->in == NULL || call->n_out != 1 || call->out == NULL)
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] expected 1 input and 1 output, got %llu and %llu",
                (unsigned long long)call->n_in, (unsigned long long)call->n_out);
  return HN_OK;
}

static hn_status HN_CALL redness_plan(hn_fn* fn, const hn_call* call, hn_plan* out,
                                      hn_error* error) {
  const hn_status status = check_call(fn, call, error);
  if (status != HN_OK) return status;
  if (out == NULL) return fail(error, HN_INVALID_ARGUMENT, "[redness] plan without out");
  const hn_plan full = {sizeof full, 0, sizeof(hn_saved), sizeof(hn_saved)};
  answer(out, &full, sizeof full);
  return HN_OK;
}

static hn_status HN_CALL redness_forward(hn_fn* fn, const hn_call* call, hn_saved** saved,
                                         hn_error* error) {
  if (saved != NULL) *saved = NULL; /* first of all, so that every error path leaves it so */
  hn_status status = check_call(fn, call, error);
  if (status != HN_OK) return status;
  if ((status = check_stream(call->stream, error)) != HN_OK) return status;
  const DLTensor* image = call->in[0];
  if ((status = check_image(image, "image_rgb01", error)) != HN_OK) return status;
  const int64_t batch = image->shape[0], height = image->shape[2], width = image->shape[3];
  const DLTensor* score = call->out[0];
  if ((status = check_score(score, "score", batch, error)) != HN_OK) return status;
  const int want_grad = (call->flags & HN_CALL_WANT_GRAD) != 0;
  if (want_grad && saved == NULL)
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] HN_CALL_WANT_GRAD without a place for saved");

  /* Strides count elements; negative and zero ones are legal, so addresses are computed in signed
   * 64 bit. */
  const int64_t step = (int64_t)sizeof(float);
  const int64_t* stride = image->strides;
  for (int64_t b = 0; b < batch; ++b) {
    double total = 0.0; /* a float sum of a million pixels would lose three digits */
    for (int64_t c = 0; c < 3; ++c) {
      double channel = 0.0;
      for (int64_t y = 0; y < height; ++y) {
        const char* row = origin(image) + (b * stride[0] + c * stride[1] + y * stride[2]) * step;
        for (int64_t x = 0; x < width; ++x) channel += load(row + x * stride[3] * step);
      }
      total += (double)kChannelWeight[c] * channel;
    }
    store(origin(score) + b * score->strides[0] * step,
          (float)(total / ((double)height * (double)width)));
  }

  if (want_grad) {
    hn_saved* kept = malloc(sizeof *kept);
    if (kept == NULL)
      return fail(error, HN_OUT_OF_MEMORY, "[redness] no memory for the saved state");
    kept->batch = batch;
    kept->height = height;
    kept->width = width;
    *saved = kept;
  }
  return HN_OK;
}

/* The vector-Jacobian product by hand: dL/dx[b,c,y,x] = dL/dscore[b] * weight[c] / (H W). */
static hn_status HN_CALL redness_backward(hn_fn* fn, hn_saved* saved, const hn_vjp* vjp,
                                          hn_error* error) {
  if (fn == NULL || saved == NULL || vjp == NULL || !HN_HAS(vjp, hn_vjp, accumulate))
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] backward without fn or saved, or a vjp struct that is too short");
  if (vjp->flags != 0)
    return fail(error, HN_UNSUPPORTED, "[redness] unknown vjp flags 0x%x", (unsigned)vjp->flags);
  hn_status status = check_stream(vjp->stream, error);
  if (status != HN_OK) return status;
  if (vjp->n_in > 1 || vjp->n_out > 1)
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] expected at most 1 cotangent and 1 gradient, got %llu and %llu",
                (unsigned long long)vjp->n_out, (unsigned long long)vjp->n_in);
  const DLTensor* grad = vjp->n_in == 1 && vjp->grad != NULL ? vjp->grad[0] : NULL;
  if (grad == NULL) return HN_OK; /* not wanted */
  if ((status = check_image(grad, "the gradient of image_rgb01", error)) != HN_OK) return status;
  if (grad->shape[0] != saved->batch || grad->shape[2] != saved->height ||
      grad->shape[3] != saved->width)
    return fail(error, HN_INVALID_ARGUMENT,
                "[redness] expected the gradient of image_rgb01 in the image's shape "
                "(%lld,3,%lld,%lld), got (%lld,3,%lld,%lld)",
                (long long)saved->batch, (long long)saved->height, (long long)saved->width,
                (long long)grad->shape[0], (long long)grad->shape[2], (long long)grad->shape[3]);
  const DLTensor* cotangent =
      vjp->n_out == 1 && vjp->cotangent != NULL ? vjp->cotangent[0] : NULL; /* NULL = zero */
  if (cotangent != NULL &&
      (status = check_score(cotangent, "the cotangent of score", saved->batch, error)) != HN_OK)
    return status;
  const int accumulate = vjp->accumulate != NULL && vjp->accumulate[0] != 0;
  if (cotangent == NULL && accumulate) return HN_OK; /* adding zero */

  const int64_t step = (int64_t)sizeof(float);
  const float pixels = (float)((double)saved->height * (double)saved->width);
  for (int64_t b = 0; b < saved->batch; ++b) {
    const float g = cotangent ? load(origin(cotangent) + b * cotangent->strides[0] * step) : 0.0f;
    for (int64_t c = 0; c < 3; ++c) {
      const float value = g * kChannelWeight[c] / pixels;
      for (int64_t y = 0; y < saved->height; ++y) {
        char* row = origin(grad) +
                    (b * grad->strides[0] + c * grad->strides[1] + y * grad->strides[2]) * step;
        for (int64_t x = 0; x < saved->width; ++x) {
          char* p = row + x * grad->strides[3] * step;
          store(p, accumulate ? load(p) + value : value);
        }
      }
    }
  }
  return HN_OK;
}

static void HN_CALL redness_saved_release(hn_fn* fn, hn_saved* saved, hn_stream last_use) {
  (void)fn;
  (void)last_use; /* a GPU plugin frees in this stream's order */
  free(saved);
}

static const hn_fn_v1 kScore = {redness_open,     redness_close,        redness_info,
                                redness_slot,     redness_plan,         redness_forward,
                                redness_backward, redness_saved_release};

/* ---- the plugin
 * ----------------------------------------------------------------------------------------------------
 */

static hn_status HN_CALL redness_create(const hn_host_v1* host, const hn_config* options,
                                        hn_instance** out, hn_error* error) {
  if (out == NULL) return fail(error, HN_INVALID_ARGUMENT, "[redness] create without out");
  *out = NULL;
  /* The options come typed from the host; an absent one is HN_NOT_FOUND and means the default. */
  if (host != NULL && options != NULL && HN_HAS(host, hn_host_v1, config_str)) {
    hn_str device = HN_STR("cpu");
    const hn_status status = host->config_str(options, "device", &device);
    if (status == HN_INVALID_ARGUMENT)
      return fail(error, status, "[redness] the option device must be a text");
    if (device.len != 3 || memcmp(device.data, "cpu", 3) != 0)
      return fail(error, HN_UNSUPPORTED, "[redness] runs on device cpu only, got device %.*s",
                  (int)device.len, device.data);
    hn_str dtype = HN_STR("float32");
    if (host->config_str(options, "dtype", &dtype) == HN_INVALID_ARGUMENT)
      return fail(error, HN_INVALID_ARGUMENT, "[redness] the option dtype must be a text");
    if (dtype.len != 7 || memcmp(dtype.data, "float32", 7) != 0)
      return fail(error, HN_UNSUPPORTED, "[redness] computes in float32 only, got dtype %.*s",
                  (int)dtype.len, dtype.data);
  }
  hn_instance* instance = malloc(sizeof *instance);
  if (instance == NULL) return fail(error, HN_OUT_OF_MEMORY, "[redness] no memory for an instance");
  instance->host = host;
  *out = instance;
  return HN_OK;
}

static void HN_CALL redness_destroy(hn_instance* instance) { free(instance); }

/* An interface that is not there is NULL: redness needs no prompts (hn.cond/1) and holds no memory
 * (hn.memory/1). */
static const void* HN_CALL redness_get_interface(hn_instance* instance, const char* id) {
  (void)instance;
  return id != NULL && strcmp(id, HN_FN_V1) == 0 ? &kScore : NULL;
}

/* The one symbol. id and version stand in plugin.toml too, and the host compares them before it
 * calls anything. */
HN_EXPORT const hn_plugin_v1 hn_plugin_entry_v1 = {sizeof(hn_plugin_v1),
                                                   HN_ABI_MAJOR,
                                                   0,
                                                   0,
                                                   HN_STR("hn.reward.redness"),
                                                   HN_STR("0.1.0"),
                                                   redness_create,
                                                   redness_destroy,
                                                   redness_get_interface};
