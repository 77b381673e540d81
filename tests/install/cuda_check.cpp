// A small host for templates/reward_cuda on the first CUDA device, without LibTorch: the score
// against its formula, the gradient against difference quotients, odd strides, accumulation, an
// absent cotangent, a side stream, twice the same bits.
//
// usage: check LIBRARY
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <hn/hn.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

int failures = 0;
void expect(bool good, const char* what) {
  std::printf("%s %s\n", good ? "passed" : "FAILED", what);
  if (!good) ++failures;
}
void cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::printf("FAILED %s: %s\n", what, cudaGetErrorString(status));
  std::exit(1);
}
char text[2048];
hn_error error = {sizeof(hn_error), 0, text, sizeof text, 0};
void ok(hn_status status, const char* what) {
  if (status == HN_OK) return;
  std::printf("FAILED %s: code %d, %s\n", what, static_cast<int>(status), text);
  std::exit(1);
}

// A host that has no options and does nothing.
hn_status HN_CALL no_str(const hn_config*, const char*, hn_str*) { return HN_NOT_FOUND; }
hn_status HN_CALL no_i64(const hn_config*, const char*, int64_t*) { return HN_NOT_FOUND; }
hn_status HN_CALL no_f64(const hn_config*, const char*, double*) { return HN_NOT_FOUND; }
hn_status HN_CALL no_bool(const hn_config*, const char*, int32_t*) { return HN_NOT_FOUND; }
hn_status HN_CALL no_list(const hn_config*, const char*, uint64_t, hn_str*) { return HN_NOT_FOUND; }

constexpr int64_t kBatch = 2, kHeight = 5, kWidth = 7, kPlane = kHeight * kWidth,
                  kCount = kBatch * 3 * kPlane;

// Host index of [b,c,y,x] as channels last, the layout that the tensors here have.
int64_t at(int64_t b, int64_t c, int64_t i) { return b * 3 * kPlane + i * 3 + c; }
double formula(const std::vector<float>& x, int64_t b) {
  double sum = 0;
  for (int64_t i = 0; i < kPlane; ++i)
    sum += 0.299f * x[at(b, 0, i)] + 0.587f * x[at(b, 1, i)] + 0.114f * x[at(b, 2, i)];
  const double away = sum / kPlane - 0.25;
  return 1 - away * away;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::printf("FAILED dlopen: %s\n", dlerror());
    return 1;
  }
  const auto* entry = static_cast<const hn_plugin_v1*>(dlsym(library, "hn_plugin_entry_v1"));
  expect(entry != nullptr, "the entry");
  hn_host_v1 host{};
  host.struct_size = sizeof host;
  host.config_str = no_str;
  host.config_i64 = no_i64;
  host.config_f64 = no_f64;
  host.config_bool = no_bool;
  host.config_list = no_list;
  hn_instance* instance = nullptr;
  ok(entry->create(&host, nullptr, &instance, &error), "create");
  const auto* table = static_cast<const hn_fn_v1*>(entry->get_interface(instance, HN_FN_V1));
  hn_fn* fn = nullptr;
  ok(table->open(instance, HN_STR("score"), nullptr, &fn, &error), "open");

  std::vector<float> pixels(kCount);
  for (int64_t i = 0; i < kCount; ++i) pixels[i] = static_cast<float>((i * 37) % 101) / 101.0f;
  float *image = nullptr, *score = nullptr, *grad = nullptr, *above = nullptr;
  cuda(cudaMalloc(&image, kCount * sizeof(float)), "memory");
  cuda(cudaMalloc(&score, kBatch * sizeof(float)), "memory");
  cuda(cudaMalloc(&grad, kCount * sizeof(float)), "memory");
  cuda(cudaMalloc(&above, kBatch * sizeof(float)), "memory");
  const std::vector<float> weights = {2.0f, -0.5f};
  cuda(cudaMemcpy(image, pixels.data(), kCount * sizeof(float), cudaMemcpyHostToDevice), "copy");
  cuda(cudaMemcpy(above, weights.data(), kBatch * sizeof(float), cudaMemcpyHostToDevice), "copy");

  int64_t shape[4] = {kBatch, 3, kHeight, kWidth}, last[4] = {3 * kPlane, 1, 3 * kWidth, 3},
          one[1] = {kBatch}, step[1] = {1};
  const DLDataType f32 = {kDLFloat, 32, 1};
  const DLDevice device = {kDLCUDA, 0};
  const DLTensor in = {image, device, 4, f32, shape, last, 0},
                 out = {score, device, 1, f32, one, step, 0};
  const DLTensor slope = {grad, device, 4, f32, shape, last, 0},
                 cotangent = {above, device, 1, f32, one, step, 0};
  cudaStream_t stream = nullptr;
  cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");

  const DLTensor *ins[1] = {&in}, *outs[1] = {&out}, *grads[1] = {&slope},
                 *cotangents[1] = {&cotangent};
  const uint8_t need[1] = {1};
  hn_call call{};
  call.struct_size = sizeof call;
  call.flags = HN_CALL_WANT_GRAD | HN_CALL_DETERMINISTIC;
  call.stream = {kDLCUDA, 0, reinterpret_cast<uint64_t>(stream)};
  call.in = ins;
  call.n_in = 1;
  call.out = outs;
  call.n_out = 1;
  call.need_grad = need;
  std::vector<float> scores(kBatch), again(kBatch);
  hn_saved* saved = nullptr;
  ok(table->forward(fn, &call, &saved, &error), "forward");
  cuda(
      cudaMemcpyAsync(scores.data(), score, kBatch * sizeof(float), cudaMemcpyDeviceToHost, stream),
      "copy");
  cuda(cudaStreamSynchronize(stream), "stream");
  for (int64_t b = 0; b < kBatch; ++b)
    expect(std::fabs(scores[b] - formula(pixels, b)) < 1e-6, "the score equals its formula");

  hn_vjp vjp{};
  vjp.struct_size = sizeof vjp;
  vjp.stream = call.stream;
  vjp.cotangent = cotangents;
  vjp.n_out = 1;
  vjp.grad = grads;
  vjp.n_in = 1;
  std::vector<float> first(kCount), second(kCount);
  const auto backward = [&](std::vector<float>& to) {
    ok(table->backward(fn, saved, &vjp, &error), "backward");
    cuda(cudaMemcpyAsync(to.data(), grad, kCount * sizeof(float), cudaMemcpyDeviceToHost, stream),
         "copy");
    cuda(cudaStreamSynchronize(stream), "stream");
  };
  backward(first);
  double worst = 0;
  for (int64_t b = 0; b < kBatch; ++b)
    for (int64_t i = 0; i < 3 * kPlane; ++i) {
      const double eps = 1e-2;
      std::vector<float> up = pixels, down = pixels;
      up[b * 3 * kPlane + i] += static_cast<float>(eps);
      down[b * 3 * kPlane + i] -= static_cast<float>(eps);
      const double wanted = weights[b] * (formula(up, b) - formula(down, b)) / (2 * eps);
      worst = std::fmax(worst, std::fabs(wanted - first[b * 3 * kPlane + i]));
    }
  expect(worst < 1e-5, "the gradient equals difference quotients");
  const uint8_t add[1] = {1};
  vjp.accumulate = add;
  backward(second);
  worst = 0;
  for (int64_t i = 0; i < kCount; ++i)
    worst = std::fmax(worst, std::fabs(second[i] - 2 * first[i]));
  expect(worst < 1e-6, "accumulate adds");
  vjp.accumulate = nullptr;
  cotangents[0] = nullptr;
  backward(second);
  bool zero = true;
  for (const float value : second) zero = zero && value == 0.0f;
  expect(zero, "an absent cotangent is zero");
  table->saved_release(fn, saved, vjp.stream);

  saved = nullptr;
  call.flags = HN_CALL_DETERMINISTIC;
  ok(table->forward(fn, &call, &saved, &error), "forward again");
  cuda(cudaMemcpyAsync(again.data(), score, kBatch * sizeof(float), cudaMemcpyDeviceToHost, stream),
       "copy");
  cuda(cudaStreamSynchronize(stream), "stream");
  expect(saved == nullptr && std::memcmp(scores.data(), again.data(), kBatch * sizeof(float)) == 0,
         "the same bits again");
  call.stream = {kDLCPU, 0, 0};
  expect(table->forward(fn, &call, &saved, &error) == HN_UNSUPPORTED, "a CPU stream is refused");
  table->close(fn);
  entry->destroy(instance);
  return failures == 0 ? 0 : 1;
}
