/* my_raw_c: the mean of a picture's green channel, as a complete reward in C11, without
 * LibTorch and without C++.
 *
 * Read it from the bottom up: the one exported constant, create and destroy, the table of the
 * function "score", then forward and backward. The promises of the ABI that a plugin keeps by hand
 * here are marked (1) to (6). */
#include <hn/hn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* (1) Errors are a code and a text in the caller's buffer; the buffer may be absent, older, or
 * small. */
static hn_status fail(hn_error* error, hn_status code, const char* format, ...) {
  if (error == NULL || !HN_HAS(error, hn_error, length)) return code;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  const int written =
      vsnprintf(error->message, error->message ? (size_t)error->capacity : 0, format, arguments);
  va_end(arguments);
  error->length = written < 0 ? 0 : (uint64_t)written;
  /* A cut text ends at a whole character: of the last one, nothing but a whole one stays. */
  if (error->message != NULL && error->capacity > 0 && error->length >= error->capacity) {
    size_t end = (size_t)error->capacity - 1;
    while (end > 0 && ((unsigned char)error->message[end - 1] & 0xC0u) == 0x80u) --end;
    const unsigned char lead = end > 0 ? (unsigned char)error->message[end - 1] : 0;
    if (lead >= 0xC0u) {
      const size_t size = lead >= 0xF0u ? 4 : lead >= 0xE0u ? 3 : 2;
      end += end - 1 + size < (size_t)error->capacity ? size - 1 : (size_t)-1;
    }
    error->message[end] = '\0';
  }
  return code;
}

/* (2) A struct to be filled may be shorter (an older host) or longer (a newer one): struct_size
 * says how much room there is. */
static void answer(void* out, const void* full, uint32_t full_size) {
  uint32_t room;
  memcpy(&room, out, sizeof room);
  const uint32_t n = room < full_size ? room : full_size;
  if (n > sizeof room)
    memcpy((char*)out + sizeof room, (const char*)full + sizeof room, n - sizeof room);
}

/* (3) Tensors have any strides (in elements) and a byte_offset. */
static float* element(const DLTensor* t, int64_t b, int64_t c, int64_t y, int64_t x) {
  float* first = (float*)(void*)((char*)t->data + t->byte_offset);
  return first + b * t->strides[0] + c * t->strides[1] + y * t->strides[2] + x * t->strides[3];
}
static float* number(const DLTensor* t, int64_t b) {
  return (float*)(void*)((char*)t->data + t->byte_offset) + b * t->strides[0];
}

/* (4) What comes is checked: the host may be wrong, and its user wants to know where. */
static hn_status check(const DLTensor* t, const char* what, int32_t ndim, int64_t batch,
                       hn_error* error) {
  if (t == NULL || t->ndim != ndim || t->strides == NULL)
    return fail(error, HN_INVALID_ARGUMENT, "[my_raw_c] expected %s with %d dimensions and strides",
                what, (int)ndim);
  if (t->dtype.code != kDLFloat || t->dtype.bits != 32 || t->dtype.lanes != 1 ||
      t->device.device_type != kDLCPU)
    return fail(error, HN_UNSUPPORTED, "[my_raw_c] expected %s as float32 in host memory", what);
  if ((batch >= 0 && t->shape[0] != batch) ||
      (ndim == 4 && (t->shape[1] != 3 || t->shape[2] < 1 || t->shape[3] < 1)))
    return fail(error, HN_INVALID_ARGUMENT, "[my_raw_c] %s has another shape than expected", what);
  return HN_OK;
}

/* ---- the function "score": picture [B,3,H,W] -> [B] ---- */

struct hn_instance {
  int unused; /* C has no empty struct; weights would stand here */
};
struct hn_fn {
  hn_instance* instance;
};
struct hn_saved { /* what backward needs of forward: here the shape alone */
  int64_t batch, height, width;
};

static hn_status HN_CALL fn_open(hn_instance* instance, hn_str name, const hn_config* options,
                                 hn_fn** out, hn_error* error) {
  (void)options;
  *out = NULL;
  if (name.len != 5 || memcmp(name.data, "score", 5) != 0)
    return fail(error, HN_NOT_FOUND, "[my_raw_c] expected the function score, got %.*s",
                (int)name.len, name.data);
  hn_fn* fn = malloc(sizeof *fn);
  if (fn == NULL) return fail(error, HN_OUT_OF_MEMORY, "[my_raw_c] out of memory");
  fn->instance = instance;
  *out = fn;
  return HN_OK;
}
static void HN_CALL fn_close(hn_fn* fn) { free(fn); }

static hn_status HN_CALL fn_info(hn_fn* fn, hn_fn_info* out, hn_error* error) {
  (void)fn, (void)error;
  const hn_fn_info info = {sizeof info, 0, 1, 1};
  answer(out, &info, sizeof info);
  return HN_OK;
}

static hn_status HN_CALL fn_slot(hn_fn* fn, int32_t direction, uint64_t index, hn_slot* out,
                                 hn_error* error) {
  (void)fn;
  static const int64_t image_shape[] = {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY},
                       score_shape[] = {HN_DIM_BATCH};
  const DLDataType f32 = {kDLFloat, 32, 1};
  const hn_slot image = {
      sizeof image, HN_SLOT_DIFF, HN_STR("image_rgb01"), HN_STR("image_rgb01"), f32, f32, 4, 0,
      image_shape};
  const hn_slot score = {
      sizeof score, HN_SLOT_DIFF, HN_STR("score"), HN_STR("score"), f32, f32, 1, 0, score_shape};
  if (index != 0 || (direction != HN_SLOT_INPUT && direction != HN_SLOT_OUTPUT))
    return fail(error, HN_INVALID_ARGUMENT, "[my_raw_c] there is one input and one output");
  answer(out, direction == HN_SLOT_INPUT ? &image : &score, sizeof image);
  return HN_OK;
}

static hn_status HN_CALL fn_plan(hn_fn* fn, const hn_call* call, hn_plan* out, hn_error* error) {
  (void)fn, (void)call, (void)out;
  return fail(error, HN_UNSUPPORTED, "[my_raw_c] gives no estimate of its memory");
}

static int unknown_argument(const hn_next* next) {
  for (; next != NULL; next = next->next)
    if (next->flags & HN_FLAGS_CRITICAL) return 1;
  return 0;
}

static hn_status HN_CALL fn_forward(hn_fn* fn, const hn_call* call, hn_saved** saved,
                                    hn_error* error) {
  (void)fn;
  if (saved != NULL) *saved = NULL;
  if (!HN_HAS(call, hn_call, next) || call->n_in != 1 || call->n_out != 1)
    return fail(error, HN_INVALID_ARGUMENT,
                "[my_raw_c] expected a call with one input and one output");
  /* (5) An unknown flag of the critical half changes what the call means, so it is refused; so is a
   * further argument that says that it matters. */
  if (call->flags & HN_FLAGS_CRITICAL &
      ~(HN_CALL_WANT_GRAD | HN_CALL_DETERMINISTIC | HN_CALL_CAPTURING))
    return fail(error, HN_UNSUPPORTED, "[my_raw_c] unknown flags 0x%x", (unsigned)call->flags);
  if (unknown_argument(call->next))
    return fail(error, HN_UNSUPPORTED, "[my_raw_c] an argument is not known here");
  const DLTensor *image = call->in[0], *score = call->out[0];
  hn_status status = check(image, "image_rgb01", 4, -1, error);
  if (status == HN_OK) status = check(score, "score", 1, image->shape[0], error);
  if (status != HN_OK) return status;
  const int64_t batch = image->shape[0], height = image->shape[2], width = image->shape[3];
  hn_saved* kept = NULL;
  if (call->flags & HN_CALL_WANT_GRAD) {
    if (saved == NULL)
      return fail(error, HN_INVALID_ARGUMENT,
                  "[my_raw_c] HN_CALL_WANT_GRAD needs a place for saved");
    kept = malloc(sizeof *kept);
    if (kept == NULL) return fail(error, HN_OUT_OF_MEMORY, "[my_raw_c] out of memory");
    *kept = (hn_saved){batch, height, width};
    *saved = kept;
  }
  for (int64_t b = 0; b < batch; ++b) {
    double sum = 0;
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) sum += *element(image, b, 1, y, x);
    *number(score, b) = (float)(sum / ((double)height * (double)width));
  }
  return HN_OK;
}

/* d score[b] / d image[b,c,y,x] = 1 / (H W) for green, 0 else. */
static hn_status HN_CALL fn_backward(hn_fn* fn, hn_saved* saved, const hn_vjp* vjp,
                                     hn_error* error) {
  (void)fn;
  if (saved == NULL || !HN_HAS(vjp, hn_vjp, next) || vjp->n_in > 1 || vjp->n_out > 1)
    return fail(error, HN_INVALID_ARGUMENT,
                "[my_raw_c] expected a saved forward, one cotangent and one gradient");
  if (vjp->flags & HN_FLAGS_CRITICAL)
    return fail(error, HN_UNSUPPORTED, "[my_raw_c] unknown flags 0x%x", (unsigned)vjp->flags);
  if (unknown_argument(vjp->next))
    return fail(error, HN_UNSUPPORTED, "[my_raw_c] an argument is not known here");
  /* (6) A NULL gradient is not wanted, a NULL cotangent is zero, accumulate adds. */
  const DLTensor* grad = vjp->n_in == 1 ? vjp->grad[0] : NULL;
  const DLTensor* cotangent = vjp->n_out == 1 ? vjp->cotangent[0] : NULL;
  const int add = vjp->accumulate != NULL && vjp->accumulate[0] != 0;
  if (grad == NULL) return HN_OK;
  hn_status status = check(grad, "the gradient", 4, saved->batch, error);
  if (status == HN_OK && (grad->shape[2] != saved->height || grad->shape[3] != saved->width))
    status =
        fail(error, HN_INVALID_ARGUMENT, "[my_raw_c] the gradient must have the picture's shape");
  if (status == HN_OK && cotangent != NULL)
    status = check(cotangent, "the cotangent", 1, saved->batch, error);
  if (status != HN_OK) return status;
  const float pixels = (float)saved->height * (float)saved->width;
  for (int64_t b = 0; b < saved->batch; ++b) {
    const float green = cotangent != NULL ? *number(cotangent, b) / pixels : 0.0f;
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t y = 0; y < saved->height; ++y)
        for (int64_t x = 0; x < saved->width; ++x) {
          float* g = element(grad, b, c, y, x);
          *g = (add ? *g : 0.0f) + (c == 1 ? green : 0.0f);
        }
  }
  return HN_OK;
}

static void HN_CALL fn_saved_release(hn_fn* fn, hn_saved* saved, hn_stream last_use) {
  (void)fn, (void)last_use;
  free(saved);
}

static const hn_fn_v1 score_table = {
    fn_open,    fn_close,    fn_info,          fn_slot, fn_plan,
    fn_forward, fn_backward, fn_saved_release, NULL /* shapes: every output has a known size */};

/* ---- the plugin ---- */

static hn_status HN_CALL create(const hn_host_v1* host, const hn_config* options, hn_instance** out,
                                hn_error* error) {
  *out = NULL;
  hn_str device =
      HN_STR("cpu"); /* options come as typed values; an absent one leaves the default */
  const hn_status status = host->config_str(options, "device", &device);
  if (status == HN_INVALID_ARGUMENT)
    return fail(error, status, "[my_raw_c] the option device must be a text");
  if (device.len != 3 || memcmp(device.data, "cpu", 3) != 0)
    return fail(error, HN_UNSUPPORTED, "[my_raw_c] runs on cpu only, got device %.*s",
                (int)device.len, device.data);
  *out = calloc(1, sizeof **out);
  return *out != NULL ? HN_OK : fail(error, HN_OUT_OF_MEMORY, "[my_raw_c] out of memory");
}
static void HN_CALL destroy(hn_instance* instance) { free(instance); }

/* An interface that is not there is NULL: no prompts (hn.cond/1), no adapters, nothing cached. */
static const void* HN_CALL get_interface(hn_instance* instance, const char* id) {
  (void)instance;
  return id != NULL && strcmp(id, HN_FN_V1) == 0 ? &score_table : NULL;
}

/* The one symbol that the library exports. Id and version stand in plugin.toml too. */
const hn_plugin_v1 hn_plugin_entry_v1 = {
    sizeof(hn_plugin_v1),
    HN_ABI_MAJOR,
    0, /* needs nothing later than version 1.0 */
    0,
    HN_STR("org.example.reward.my_raw_c"),
    HN_STR("0.1.0"),
    create,
    destroy,
    get_interface,
    HN_ABI_MINOR, /* of these headers */
    0,
    NULL, /* no interface without an instance */
};
