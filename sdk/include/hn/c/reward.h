/* A reward in plain C as one function over one picture: everything else that the ABI asks of a
 * plugin is here, once. The plugin is one file that includes this header once:
 *
 *   #define C_REWARD "sharpness"                       the name, which begins every message
 *   #define C_REWARD_ID "org.example.reward.sharpness" as in plugin.toml; left out: hn.reward.NAME
 *   #define C_REWARD_VERSION "0.1.0"                   as in plugin.toml
 *   #define C_REWARD_PLANES 3          H x W arrays of doubles that c_reward_score takes, for plan
 *   #include <hn/c/reward.h>
 *   static int c_reward_score(...) { ... }
 *
 * Every name of this header begins with c_reward_ or C_REWARD; but for them the plugin has all
 * names to itself. A reward with options of its own defines `struct c_reward_options` and
 * C_REWARD_READ_OPTIONS before the include, and c_reward_read_options after it. templates/minimal_c
 * is a whole one.
 *
 * What is taken care of: errors as code and text, any strides and byte_offset, unaligned addresses,
 * absent cotangents, accumulation, batch 0, unknown flags, structs of older and newer callers.
 * Backward runs c_reward_score once more on the borrowed picture, so nothing of the picture's size
 * is kept between forward and backward. Pictures are float32 in host memory. C11, no LibTorch; link
 * hn::c, which brings libm. */
#ifndef HN_C_REWARD_H
#define HN_C_REWARD_H

#include <hn/hn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef C_REWARD_ID
#define C_REWARD_ID "hn.reward." C_REWARD
#endif
#ifndef C_REWARD_PLANES
#define C_REWARD_PLANES 0
#endif
#ifndef C_REWARD_READ_OPTIONS
struct c_reward_options {
  char none; /* C does not allow an empty struct */
};
#endif
typedef struct c_reward_options c_reward_options;

/* One picture: float32 planes R, G, B of height x width numbers, one behind the other, in [0,1]. */
typedef struct c_reward_picture {
  const float* rgb;
  int64_t height, width; /* both above 0 */
} c_reward_picture;

/* The score of one picture, and with grad != NULL its derivative with respect to every number of
 * rgb (same layout; overwritten whole). 0, or -1 without memory. The plugin defines it. */
static int c_reward_score(const c_reward_options* options, const c_reward_picture* picture,
                          double* score, float* grad);

/* ---- errors */

/* Writes code and text into the caller's buffer and returns the code, so that a check is one line:
 * return c_reward_fail(...). Both the struct and its message may be NULL; length tells the caller
 * how long the whole text would have been. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static hn_status
c_reward_fail(hn_error* error, hn_status code, const char* format, ...) {
  if (error == NULL || !HN_HAS(error, hn_error, length)) return code;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  const int written =
      vsnprintf(error->message, error->message ? (size_t)error->capacity : 0, format, arguments);
  va_end(arguments);
  error->length = written < 0 ? 0 : (uint64_t)written;
  /* A cut text ends at a whole character. */
  if (error->message != NULL && error->capacity > 0 && error->length >= error->capacity) {
    size_t end = (size_t)error->capacity - 1;
    while (end > 0 && ((unsigned char)error->message[end - 1] & 0xC0u) == 0x80u) --end;
    if (end > 0 && ((unsigned char)error->message[end - 1] & 0x80u) != 0) {
      const unsigned char lead = (unsigned char)error->message[end - 1];
      const size_t size = lead >= 0xF0u ? 4 : lead >= 0xE0u ? 3 : 2;
      end = end - 1 + size <= (size_t)error->capacity - 1 ? end - 1 + size : end - 1;
    }
    error->message[end] = '\0';
  }
  return code;
}

#ifdef C_REWARD_READ_OPTIONS
/* Fills the plugin's own options; those that are absent get their defaults. The plugin defines it.
 */
static hn_status c_reward_read_options(const hn_host_v1* host, const hn_config* config,
                                       c_reward_options* options, hn_error* error);
#endif

/* Copies an answer into a struct that the caller allocated. An older caller has a shorter struct
 * and gets the fields that it knows, a newer one keeps its own trailing fields; its struct_size
 * stays as it was. */
static void c_reward_answer(void* out, const void* full, uint32_t full_size) {
  uint32_t size;
  memcpy(&size, out, sizeof size);
  const uint32_t common = size < full_size ? size : full_size;
  if (common > sizeof size)
    memcpy((char*)out + sizeof size, (const char*)full + sizeof size, common - sizeof size);
}

/* ---- tensors */

static int c_reward_is_float32(DLDataType t) {
  return t.code == kDLFloat && t.bits == 32 && t.lanes == 1;
}

/* Address of element 0: byte_offset belongs to every DLPack tensor. */
static char* c_reward_origin(const DLTensor* t) { return (char*)t->data + t->byte_offset; }

/* A view may start at any byte, so elements are read and written through memcpy; compilers make it
 * one plain move. */
static float c_reward_load(const char* p) {
  float value;
  memcpy(&value, p, sizeof value);
  return value;
}
static void c_reward_store(char* p, float value) { memcpy(p, &value, sizeof value); }

/* What every tensor must be here: there, float32, in host memory, with strides. what: its name in
 * the error text. */
static hn_status c_reward_check_tensor(const DLTensor* t, const char* what, int32_t ndim,
                                       hn_error* error) {
  if (t == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] %s is missing (NULL)", what);
  if (t->ndim != ndim)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD "] expected %s with %d dimensions, got %d", what, ndim,
                         t->ndim);
  if (!c_reward_is_float32(t->dtype))
    return c_reward_fail(
        error, HN_INVALID_ARGUMENT,
        "[" C_REWARD
        "] expected %s as float32 (DLPack code 2, 32 bits, 1 lane), got code %d, %d bits, "
        "%d lanes",
        what, t->dtype.code, t->dtype.bits, t->dtype.lanes);
  if (t->device.device_type != kDLCPU && t->device.device_type != kDLCUDAHost)
    return c_reward_fail(error, HN_UNSUPPORTED,
                         "[" C_REWARD "] expected %s in host memory, got DLPack device type %d",
                         what, (int)t->device.device_type);
  if (t->shape == NULL || t->strides == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] %s has no shape or no strides",
                         what);
  int empty = 0;
  for (int32_t i = 0; i < ndim; ++i) {
    if (t->shape[i] < 0)
      return c_reward_fail(error, HN_INVALID_ARGUMENT,
                           "[" C_REWARD "] %s has a negative size %lld in dimension %d", what,
                           (long long)t->shape[i], i);
    if (t->shape[i] == 0) empty = 1;
  }
  if (t->data == NULL && !empty)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] %s has no data", what);
  return HN_OK;
}

/* image or its gradient: [B,3,H,W] with at least one pixel; B may be 0. */
static hn_status c_reward_check_image(const DLTensor* t, const char* what, hn_error* error) {
  const hn_status status = c_reward_check_tensor(t, what, 4, error);
  if (status != HN_OK) return status;
  if (t->shape[1] != 3 || t->shape[2] == 0 || t->shape[3] == 0)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD
                         "] expected %s (B,3,H,W) with H and W above 0, got (%lld,%lld,%lld,%lld)",
                         what, (long long)t->shape[0], (long long)t->shape[1],
                         (long long)t->shape[2], (long long)t->shape[3]);
  return HN_OK;
}

/* score or its cotangent: [B]. */
static hn_status c_reward_check_score(const DLTensor* t, const char* what, int64_t batch,
                                      hn_error* error) {
  const hn_status status = c_reward_check_tensor(t, what, 1, error);
  if (status != HN_OK) return status;
  if (t->shape[0] != batch)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD "] expected %s (%lld), one number a sample, got (%lld)", what,
                         (long long)batch, (long long)t->shape[0]);
  return HN_OK;
}

static hn_status c_reward_check_stream(hn_stream stream, hn_error* error) {
  if (stream.device_type == kDLCPU) return HN_OK;
  return c_reward_fail(error, HN_UNSUPPORTED,
                       "[" C_REWARD "] runs on the CPU only, got a stream of DLPack device type %d",
                       (int)stream.device_type);
}

/* Calls visit(address, index in planar order) for every number of sample b. Strides count elements;
 * negative and zero ones are legal, so addresses are computed in signed 64 bit. */
#define C_REWARD_EACH(tensor, b, address, index, body)                                            \
  do {                                                                                            \
    const int64_t each_step = (int64_t)sizeof(float);                                             \
    const int64_t *each_stride = (tensor)->strides, *each_shape = (tensor)->shape;                \
    int64_t index = 0;                                                                            \
    for (int64_t each_c = 0; each_c < 3; ++each_c)                                                \
      for (int64_t each_y = 0; each_y < each_shape[2]; ++each_y) {                                \
        char* each_row =                                                                          \
            c_reward_origin(tensor) +                                                             \
            ((b)*each_stride[0] + each_c * each_stride[1] + each_y * each_stride[2]) * each_step; \
        for (int64_t each_x = 0; each_x < each_shape[3]; ++each_x, ++index) {                     \
          char* address = each_row + each_x * each_stride[3] * each_step;                         \
          body                                                                                    \
        }                                                                                         \
      }                                                                                           \
  } while (0)

/* ---- the function "score" */

struct hn_instance {
  const hn_host_v1* host;
  c_reward_options options;
};

struct hn_fn {
  hn_instance* instance;
};

/* Inputs stay valid and unchanged until saved_release, so the borrowed picture is all that backward
 * needs. */
struct hn_saved {
  const DLTensor* image;
};

static const int64_t c_reward_image_shape[4] = {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY};
static const int64_t c_reward_score_shape[1] = {HN_DIM_BATCH};

static hn_status HN_CALL c_reward_open(hn_instance* instance, hn_str name, const hn_config* options,
                                       hn_fn** out, hn_error* error) {
  (void)options; /* the function has no options beside those of create */
  if (instance == NULL || out == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] open without instance or out");
  *out = NULL;
  if (name.len != 5 || memcmp(name.data, "score", 5) != 0)
    return c_reward_fail(error, HN_NOT_FOUND,
                         "[" C_REWARD "] expected the function score, got %.*s", (int)name.len,
                         name.data);
  hn_fn* fn = malloc(sizeof *fn);
  if (fn == NULL)
    return c_reward_fail(error, HN_OUT_OF_MEMORY, "[" C_REWARD "] no memory for a function");
  fn->instance = instance;
  *out = fn;
  return HN_OK;
}

static void HN_CALL c_reward_close(hn_fn* fn) { free(fn); }

static hn_status HN_CALL c_reward_info(hn_fn* fn, hn_fn_info* out, hn_error* error) {
  if (fn == NULL || out == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] info without fn or out");
  const hn_fn_info full = {sizeof full, 0, 1, 1}; /* no flags: neither prompts nor randomness */
  c_reward_answer(out, &full, sizeof full);
  return HN_OK;
}

static hn_status HN_CALL c_reward_slot(hn_fn* fn, int32_t direction, uint64_t index, hn_slot* out,
                                       hn_error* error) {
  if (fn == NULL || out == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] slot without fn or out");
  if (index != 0 || (direction != HN_SLOT_INPUT && direction != HN_SLOT_OUTPUT))
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD
                         "] expected slot 0 of direction 0 or 1, got slot %llu of direction %d",
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
                         c_reward_image_shape};
  const hn_slot score = {
      sizeof score,        HN_SLOT_DIFF, HN_STR("score"), HN_STR("score"), float32, float32, 1, 0,
      c_reward_score_shape};
  c_reward_answer(out, direction == HN_SLOT_INPUT ? &image : &score, sizeof image);
  return HN_OK;
}

/* A further argument that says that it matters, and that is not known here. */
static hn_status c_reward_check_next(const hn_next* next, hn_error* error) {
  for (; next != NULL; next = next->next)
    if (next->flags & HN_FLAGS_CRITICAL)
      return c_reward_fail(error, HN_UNSUPPORTED,
                           "[" C_REWARD "] the argument %.*s is not known here", (int)next->id.len,
                           next->id.data);
  return HN_OK;
}

/* An unknown flag may change the meaning of the call, so it is refused. */
static hn_status c_reward_check_call(const hn_fn* fn, const hn_call* call, hn_error* error) {
  if (fn == NULL || call == NULL || !HN_HAS(call, hn_call, next))
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD "] call without fn, or a call struct that is too short");
  if (call->flags & HN_FLAGS_CRITICAL &
      ~(HN_CALL_WANT_GRAD | HN_CALL_DETERMINISTIC | HN_CALL_CAPTURING))
    return c_reward_fail(error, HN_UNSUPPORTED, "[" C_REWARD "] unknown call flags 0x%x",
                         (unsigned)call->flags);
  if (call->n_in != 1 || call->in == NULL || call->n_out != 1 || call->out == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD "] expected 1 input and 1 output, got %llu and %llu",
                         (unsigned long long)call->n_in, (unsigned long long)call->n_out);
  return c_reward_check_next(call->next, error);
}

static hn_status HN_CALL c_reward_plan(hn_fn* fn, const hn_call* call, hn_plan* out,
                                       hn_error* error) {
  hn_status status = c_reward_check_call(fn, call, error);
  if (status != HN_OK) return status;
  if (out == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] plan without out");
  const DLTensor* image = call->in[0];
  uint64_t pixels = 0; /* only the shape is read: data may be NULL here */
  if (image != NULL && image->ndim == 4 && image->shape != NULL && image->shape[2] > 0 &&
      image->shape[3] > 0)
    pixels = (uint64_t)image->shape[2] * (uint64_t)image->shape[3];
  /* One picture at a time: its copy, its gradient and what c_reward_score takes. */
  const uint64_t work = pixels * (2 * 3 * sizeof(float) + C_REWARD_PLANES * sizeof(double));
  const hn_plan full = {sizeof full, 0, sizeof(hn_saved), sizeof(hn_saved) + work};
  c_reward_answer(out, &full, sizeof full);
  return HN_OK;
}

static size_t c_reward_picture_numbers(const DLTensor* image) {
  return (size_t)3 * (size_t)image->shape[2] * (size_t)image->shape[3];
}

static hn_status HN_CALL c_reward_forward(hn_fn* fn, const hn_call* call, hn_saved** saved,
                                          hn_error* error) {
  if (saved != NULL) *saved = NULL; /* first of all, so that every error path leaves it so */
  hn_status status = c_reward_check_call(fn, call, error);
  if (status != HN_OK) return status;
  if ((status = c_reward_check_stream(call->stream, error)) != HN_OK) return status;
  const DLTensor* image = call->in[0];
  if ((status = c_reward_check_image(image, "image_rgb01", error)) != HN_OK) return status;
  const DLTensor* score = call->out[0];
  if ((status = c_reward_check_score(score, "score", image->shape[0], error)) != HN_OK)
    return status;
  const int want_grad = (call->flags & HN_CALL_WANT_GRAD) != 0;
  if (want_grad && saved == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD "] HN_CALL_WANT_GRAD without a place for saved");

  float* rgb = malloc(c_reward_picture_numbers(image) * sizeof *rgb);
  if (rgb == NULL)
    return c_reward_fail(error, HN_OUT_OF_MEMORY, "[" C_REWARD "] no memory for a picture");
  for (int64_t b = 0; b < image->shape[0] && status == HN_OK; ++b) {
    C_REWARD_EACH(image, b, p, i, { rgb[i] = c_reward_load(p); });
    const c_reward_picture picture = {rgb, image->shape[2], image->shape[3]};
    double value = 0;
    if (c_reward_score(&fn->instance->options, &picture, &value, NULL) != 0)
      status = c_reward_fail(error, HN_OUT_OF_MEMORY, "[" C_REWARD "] no memory for the score");
    c_reward_store(c_reward_origin(score) + b * score->strides[0] * (int64_t)sizeof(float),
                   (float)value);
  }
  free(rgb);
  if (status != HN_OK || !want_grad) return status;
  hn_saved* kept = malloc(sizeof *kept);
  if (kept == NULL)
    return c_reward_fail(error, HN_OUT_OF_MEMORY, "[" C_REWARD "] no memory for the saved state");
  kept->image = image;
  *saved = kept;
  return HN_OK;
}

/* dL/dx[b] = dL/dscore[b] * dscore[b]/dx[b]. */
static hn_status HN_CALL c_reward_backward(hn_fn* fn, hn_saved* saved, const hn_vjp* vjp,
                                           hn_error* error) {
  if (fn == NULL || saved == NULL || vjp == NULL || !HN_HAS(vjp, hn_vjp, next))
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD
                         "] backward without fn or saved, or a vjp struct that is too short");
  if (vjp->flags & HN_FLAGS_CRITICAL)
    return c_reward_fail(error, HN_UNSUPPORTED, "[" C_REWARD "] unknown vjp flags 0x%x",
                         (unsigned)vjp->flags);
  hn_status status = c_reward_check_stream(vjp->stream, error);
  if (status == HN_OK) status = c_reward_check_next(vjp->next, error);
  if (status != HN_OK) return status;
  if (vjp->n_in > 1 || vjp->n_out > 1)
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD
                         "] expected at most 1 cotangent and 1 gradient, got %llu and %llu",
                         (unsigned long long)vjp->n_out, (unsigned long long)vjp->n_in);
  const DLTensor* grad = vjp->n_in == 1 && vjp->grad != NULL ? vjp->grad[0] : NULL;
  if (grad == NULL) return HN_OK; /* not wanted */
  if ((status = c_reward_check_image(grad, "the gradient of image_rgb01", error)) != HN_OK)
    return status;
  const DLTensor* image = saved->image;
  if (grad->shape[0] != image->shape[0] || grad->shape[2] != image->shape[2] ||
      grad->shape[3] != image->shape[3])
    return c_reward_fail(error, HN_INVALID_ARGUMENT,
                         "[" C_REWARD
                         "] expected the gradient of image_rgb01 in the image's shape "
                         "(%lld,3,%lld,%lld), got (%lld,3,%lld,%lld)",
                         (long long)image->shape[0], (long long)image->shape[2],
                         (long long)image->shape[3], (long long)grad->shape[0],
                         (long long)grad->shape[2], (long long)grad->shape[3]);
  const DLTensor* cotangent =
      vjp->n_out == 1 && vjp->cotangent != NULL ? vjp->cotangent[0] : NULL; /* NULL = zero */
  if (cotangent != NULL && (status = c_reward_check_score(cotangent, "the cotangent of score",
                                                          image->shape[0], error)) != HN_OK)
    return status;
  const int accumulate = vjp->accumulate != NULL && vjp->accumulate[0] != 0;
  if (cotangent == NULL && accumulate) return HN_OK; /* adding zero */

  const size_t numbers = c_reward_picture_numbers(image);
  float* rgb = malloc(2 * numbers * sizeof *rgb);
  if (rgb == NULL)
    return c_reward_fail(error, HN_OUT_OF_MEMORY, "[" C_REWARD "] no memory for a gradient");
  float* slope = rgb + numbers;
  for (int64_t b = 0; b < image->shape[0] && status == HN_OK; ++b) {
    const float g = cotangent ? c_reward_load(c_reward_origin(cotangent) +
                                              b * cotangent->strides[0] * (int64_t)sizeof(float))
                              : 0.0f;
    if (g == 0.0f) { /* 0 times a slope that is not finite is still nothing */
      memset(slope, 0, numbers * sizeof *slope);
    } else {
      C_REWARD_EACH(image, b, p, i, { rgb[i] = c_reward_load(p); });
      const c_reward_picture picture = {rgb, image->shape[2], image->shape[3]};
      double value = 0;
      if (c_reward_score(&fn->instance->options, &picture, &value, slope) != 0) {
        status =
            c_reward_fail(error, HN_OUT_OF_MEMORY, "[" C_REWARD "] no memory for the gradient");
        break;
      }
    }
    C_REWARD_EACH(grad, b, p, i, {
      const float each = g * slope[i];
      c_reward_store(p, accumulate ? c_reward_load(p) + each : each);
    });
  }
  free(rgb);
  return status;
}

static void HN_CALL c_reward_saved_release(hn_fn* fn, hn_saved* saved, hn_stream last_use) {
  (void)fn;
  (void)last_use; /* a GPU plugin frees in this stream's order */
  free(saved);
}

static const hn_fn_v1
    c_reward_table = {c_reward_open, c_reward_close,   c_reward_info,     c_reward_slot,
                      c_reward_plan, c_reward_forward, c_reward_backward, c_reward_saved_release,
                      NULL /* shapes: no output has HN_DIM_ANY */};

/* ---- the plugin */

/* The standard option key must be absent or `only`. */
static hn_status c_reward_check_option(const hn_host_v1* host, const hn_config* config,
                                       const char* key, const char* only, const char* refusal,
                                       hn_error* error) {
  hn_str value = HN_STR("");
  const hn_status status = host->config_str(config, key, &value);
  if (status == HN_NOT_FOUND) return HN_OK;
  if (status != HN_OK)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] the option %s must be a text",
                         key);
  if (value.len != strlen(only) || memcmp(value.data, only, value.len) != 0)
    return c_reward_fail(error, HN_UNSUPPORTED, "[" C_REWARD "] %s %s only, got %s %.*s", refusal,
                         only, key, (int)value.len, value.data);
  return HN_OK;
}

static hn_status HN_CALL c_reward_create(const hn_host_v1* host, const hn_config* config,
                                         hn_instance** out, hn_error* error) {
  if (out == NULL)
    return c_reward_fail(error, HN_INVALID_ARGUMENT, "[" C_REWARD "] create without out");
  *out = NULL;
  hn_instance* instance = calloc(1, sizeof *instance);
  if (instance == NULL)
    return c_reward_fail(error, HN_OUT_OF_MEMORY, "[" C_REWARD "] no memory for an instance");
  instance->host = host;
  /* The options come typed from the host; an absent one is HN_NOT_FOUND and means the default. */
  const int given = host != NULL && config != NULL && HN_HAS(host, hn_host_v1, config_list);
  hn_status status = HN_OK;
  if (given) {
    status = c_reward_check_option(host, config, "device", "cpu", "runs on device", error);
    if (status == HN_OK)
      status = c_reward_check_option(host, config, "dtype", "float32", "computes in", error);
  }
#ifdef C_REWARD_READ_OPTIONS
  if (status == HN_OK)
    status = c_reward_read_options(given ? host : NULL, config, &instance->options, error);
#endif
  if (status != HN_OK) {
    free(instance);
    return status;
  }
  *out = instance;
  return HN_OK;
}

static void HN_CALL c_reward_destroy(hn_instance* instance) { free(instance); }

/* An interface that is not there is NULL: no prompts (hn.cond/1), no memory held (hn.memory/1). */
static const void* HN_CALL c_reward_get_interface(hn_instance* instance, const char* id) {
  (void)instance;
  return id != NULL && strcmp(id, HN_FN_V1) == 0 ? &c_reward_table : NULL;
}

/* The one symbol. id and version stand in plugin.toml too, and the host compares them before it
 * calls anything. */
const hn_plugin_v1 hn_plugin_entry_v1 = {sizeof(hn_plugin_v1),
                                         HN_ABI_MAJOR,
                                         0,
                                         0,
                                         HN_STR(C_REWARD_ID),
                                         HN_STR(C_REWARD_VERSION),
                                         c_reward_create,
                                         c_reward_destroy,
                                         c_reward_get_interface,
                                         HN_ABI_MINOR,
                                         0,
                                         NULL};

#endif
