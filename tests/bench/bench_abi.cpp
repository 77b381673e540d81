// What one crossing of the ABI costs without LibTorch: redness as it is, and a function that does
// nothing.
#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <hn/hn.h>

#include <array>
#include <hn/cpp/plugin.hpp>
#include <vector>

namespace {

hn_status no_str(const hn_config*, const char*, hn_str*) { return HN_NOT_FOUND; }
hn_status no_list(const hn_config*, const char*, std::uint64_t, hn_str*) { return HN_NOT_FOUND; }

hn_host_v1 plain_host() {
  hn_host_v1 host{};
  host.struct_size = sizeof host;
  host.config_str = &no_str;
  host.config_list = &no_list;
  return host;
}

// A picture and its score, as DLPack views; set up once, outside the loop.
struct Call {
  explicit Call(std::int64_t size)
      : pixels(static_cast<std::size_t>(3 * size * size), 0.5f),
        gradient(pixels.size()),
        image_shape{1, 3, size, size},
        image_strides{3 * size * size, size * size, size, 1} {
    image = {pixels.data(),      {kDLCPU, 0},          4, hn::kFloat32,
             image_shape.data(), image_strides.data(), 0};
    grad = image;
    grad.data = gradient.data();
    score = {&value, {kDLCPU, 0}, 1, hn::kFloat32, score_shape.data(), score_strides.data(), 0};
    call.struct_size = sizeof call;
    call.stream = {kDLCPU, 0, 0};
    call.in = in.data();
    call.n_in = 1;
    call.out = out.data();
    call.n_out = 1;
    vjp.struct_size = sizeof vjp;
    vjp.stream = {kDLCPU, 0, 0};
    vjp.cotangent = out.data();
    vjp.n_out = 1;
    vjp.grad = grads.data();
    vjp.n_in = 1;
  }
  void with_gradient() {
    call.flags = HN_CALL_WANT_GRAD;
    call.need_grad = need.data();
  }

  std::vector<float> pixels, gradient;
  float value = 1;
  std::array<std::int64_t, 4> image_shape, image_strides;
  std::array<std::int64_t, 1> score_shape{1}, score_strides{1};
  DLTensor image{}, grad{}, score{};
  std::array<const DLTensor*, 1> in{&image}, out{&score}, grads{&grad};
  std::array<std::uint8_t, 1> need{1};
  hn_call call{};
  hn_vjp vjp{};
};

struct Opened {
  explicit Opened(const hn_plugin_v1* entry) : entry_(entry) {
    if (entry == nullptr || entry->create(&host_, nullptr, &instance_, nullptr) != HN_OK) return;
    table = static_cast<const hn_fn_v1*>(entry->get_interface(instance_, HN_FN_V1));
    table->open(instance_, HN_STR("score"), nullptr, &fn, nullptr);
  }
  ~Opened() {
    if (fn != nullptr) table->close(fn);
    if (instance_ != nullptr) entry_->destroy(instance_);
  }
  const hn_fn_v1* table = nullptr;
  hn_fn* fn = nullptr;

 private:
  const hn_plugin_v1* entry_;
  hn_host_v1 host_ = plain_host();
  hn_instance* instance_ = nullptr;
};

const hn_plugin_v1* redness() {
  void* library = ::dlopen(HN_PLUGIN_DIR "/redness.hnp/libredness.so", RTLD_NOW | RTLD_LOCAL);
  return library == nullptr
             ? nullptr
             : static_cast<const hn_plugin_v1*>(::dlsym(library, HN_PLUGIN_ENTRY_V1));
}

void forward(benchmark::State& state, Opened& opened, Call& call) {
  if (opened.fn == nullptr) return state.SkipWithError("the plugin could not be opened");
  for ([[maybe_unused]] auto _ : state) {
    if (opened.table->forward(opened.fn, &call.call, nullptr, nullptr) != HN_OK)
      return state.SkipWithError("forward failed");
    benchmark::DoNotOptimize(call.value);
  }
}

void pair(benchmark::State& state, Opened& opened, Call& call) {
  if (opened.fn == nullptr) return state.SkipWithError("the plugin could not be opened");
  call.with_gradient();
  for ([[maybe_unused]] auto _ : state) {
    hn_saved* saved = nullptr;
    if (opened.table->forward(opened.fn, &call.call, &saved, nullptr) != HN_OK)
      return state.SkipWithError("forward failed");
    if (opened.table->backward(opened.fn, saved, &call.vjp, nullptr) != HN_OK)
      return state.SkipWithError("backward failed");
    opened.table->saved_release(opened.fn, saved, {kDLCPU, 0, 0});
    benchmark::DoNotOptimize(call.gradient.data());
  }
}

// An empty function through the checks of the C++ layer: the crossing and nothing else.
class Empty final : public hn::Instance {
 public:
  Empty(const hn::Host& host, const hn::Config&) : Instance(host) {}
  class Score final : public hn::Function {
   public:
    Score() {
      inputs_ = {
          {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF}};
      outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
    }
    std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
      return call.want_grad() ? std::make_unique<Kept>() : nullptr;
    }
    void backward(hn::Saved&, const hn_vjp&) override {}

   private:
    struct Kept final : hn::Saved {};
  };
  std::unique_ptr<hn::Function> open(std::string_view, const hn::Config&) override {
    return std::make_unique<Score>();
  }
};

}  // namespace

#define hn_plugin_entry_v1 empty_plugin_entry
HN_PLUGIN(Empty, "bench.reward.empty", "1.0.0");
#undef hn_plugin_entry_v1

namespace {

void raw_empty_forward(benchmark::State& state) {
  Opened opened(&empty_plugin_entry);
  Call call(64);
  forward(state, opened, call);
}
void raw_empty_pair(benchmark::State& state) {
  Opened opened(&empty_plugin_entry);
  Call call(64);
  pair(state, opened, call);
}
// range(0): side of the picture. 1 px is the crossing, 64 px the crossing and 12288 additions.
void redness_forward(benchmark::State& state) {
  Opened opened(redness());
  Call call(state.range(0));
  forward(state, opened, call);
}
void redness_pair(benchmark::State& state) {
  Opened opened(redness());
  Call call(state.range(0));
  pair(state, opened, call);
}

BENCHMARK(raw_empty_forward);
BENCHMARK(raw_empty_pair);
BENCHMARK(redness_forward)->Arg(1)->Arg(64);
BENCHMARK(redness_pair)->Arg(1)->Arg(64);

}  // namespace

BENCHMARK_MAIN();
