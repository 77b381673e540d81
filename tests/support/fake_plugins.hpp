// Plugins small enough for closed forms, opened in-process without a loader: a linear generator
// whose noise network is one LoRA layer, a quadratic reward with a gradient, and a score-only one.
// They count what is alive and fail on demand.
#pragma once

#include <atomic>
#include <cmath>
#include <hn/cpp/plugin.hpp>
#include <limits>
#include <map>
#include <numeric>

namespace hn::fake {

// What the tests see and set; one process, one test at a time.
struct State {
  std::atomic<int> instances{0}, functions{0}, saved{0}, conds{0};
  std::atomic<int> encode_calls{0}, encoded{0}, trims{0};
  std::map<std::string, int> calls;  // by "<function>.<stage>"
  // At `fault` ("<kind>:<point>"; kinds oom, lost, error, refuse, nan, inf), after `after` clean
  // passes, `times` times.
  std::string fault;
  int after = 0, times = 0;
  std::vector<std::string> read;    // prompts as they came: "text|negative|json|tensor:3x1x2"
  bool refuse_determinism = false;  // as a plugin does that cannot promise the same bits

  bool fires(const std::string& what) {
    if (fault != what) return false;
    if (after > 0) {
      --after;
      return false;
    }
    if (times == 0) return false;
    --times;
    return true;
  }
  void raise_at(const std::string& point) {
    ++calls[point];
    if (fires("oom:" + point)) throw Error(HN_OUT_OF_MEMORY, "[" + point + "] no room");
    if (fires("lost:" + point)) throw Error(HN_DEVICE_LOST, "[" + point + "] gone");
    if (fires("refuse:" + point)) throw Error(HN_UNSUPPORTED, "[" + point + "] not this one");
    if (fires("error:" + point)) throw Error(HN_INTERNAL, "[" + point + "] broken");
  }
  void note_determinism(bool wanted) {
    if (!wanted) return;
    ++calls["deterministic"];
    if (refuse_determinism) throw Error(HN_UNSUPPORTED, "[fake] cannot promise the same bits");
  }
  float poison(const std::string& point, float value) {
    if (fires("nan:" + point)) return std::numeric_limits<float>::quiet_NaN();
    if (fires("inf:" + point)) return std::numeric_limits<float>::infinity();
    return value;
  }
};
inline State& state() {
  static State s;
  return s;
}

struct Counted {
  explicit Counted(std::atomic<int>& n) : n_(n) { ++n_; }
  ~Counted() { --n_; }
  Counted(const Counted&) = delete;
  std::atomic<int>& n_;
};

// A number in [-1, 1) that depends on the text alone, and on nothing for ''.
inline float mark(std::string_view text) {
  std::uint32_t h = 2166136261u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return text.empty() ? 0.0f : static_cast<float>(h % 1000) / 500.0f - 1.0f;
}

struct Encoded final : Cond {
  explicit Encoded(std::string_view t) : text(t), counted(state().conds) {}
  std::uint64_t size_bytes() const override { return 1000; }
  std::string text;
  Counted counted;
};

inline std::string described(const Prompt& prompt) {
  std::string text(prompt.text());
  for (const std::string_view field : {prompt.negative(), prompt.json()}) {
    text += '|';
    text += field;
  }
  for (const hn_named_tensor& t : prompt.tensors()) {
    text += '|';
    text += view(t.name);
    text += shape_text(shape_of(*t.tensor)) + " " + std::to_string(data_of<float>(*t.tensor)[0]);
  }
  return text;
}

inline std::vector<std::unique_ptr<Cond>> encode_prompts(std::span<const Prompt> prompts) {
  ++state().encode_calls;
  state().raise_at("encode");
  std::vector<std::unique_ptr<Cond>> made;
  for (const Prompt& prompt : prompts) {
    state().read.push_back(described(prompt));
    const std::string_view p = prompt.text();
    if (p == "refused") throw Error(HN_INVALID_ARGUMENT, "[encode] this prompt is refused");
    made.push_back(std::make_unique<Encoded>(p));
    ++state().encoded;
  }
  return made;
}

inline constexpr std::int64_t kChannels = 2, kSide = 2, kNoise = kChannels * kSide * kSide;  // 8
inline constexpr std::int64_t kImage = 3 * kSide * kSide;                                    // 12

// Row-major access to contiguous tensors, which is what the core hands over.
inline float* at(const DLTensor* t, std::int64_t row) {
  std::int64_t stride = 1;
  for (int d = 1; d < t->ndim; ++d) stride *= t->shape[d];
  return data_of<float>(*t) + row * stride;
}

// out = base * x + scale * B (A (x + shift)); "noise_net" has base 0, the fine-tuned "generate"
// puts this before its picture.
struct LoraLayer {
  std::int64_t rank = 0;
  float scale = 1, base = 0;

  void forward(const float* x, float shift, const float* a, const float* b, float* out) const {
    for (std::int64_t i = 0; i < kNoise; ++i) out[i] = base * x[i];
    for (std::int64_t r = 0; r < rank; ++r) {
      float h = 0;
      for (std::int64_t i = 0; i < kNoise; ++i) h += a[r * kNoise + i] * (x[i] + shift);
      for (std::int64_t o = 0; o < kNoise; ++o) out[o] += scale * b[o * rank + r] * h;
    }
  }
  // Adds to each gradient that is not NULL.
  void backward(const float* x, float shift, const float* a, const float* b, const float* g,
                float* gx, float* ga, float* gb) const {
    for (std::int64_t i = 0; gx != nullptr && i < kNoise; ++i) gx[i] += base * g[i];
    for (std::int64_t r = 0; r < rank; ++r) {
      float h = 0, gh = 0;
      for (std::int64_t i = 0; i < kNoise; ++i) h += a[r * kNoise + i] * (x[i] + shift);
      for (std::int64_t o = 0; o < kNoise; ++o) gh += scale * b[o * rank + r] * g[o];
      for (std::int64_t o = 0; gb != nullptr && o < kNoise; ++o)
        gb[o * rank + r] += scale * g[o] * h;
      for (std::int64_t i = 0; i < kNoise; ++i) {
        if (ga != nullptr) ga[r * kNoise + i] += gh * (x[i] + shift);
        if (gx != nullptr) gx[i] += gh * a[r * kNoise + i];
      }
    }
  }
};

// The picture's matrix: picture_j = .5 + sum_i weight(j, i) x_i + .1 mark(prompt).
inline float weight(std::int64_t j, std::int64_t i) {
  return 0.1f * std::sin(1.0f + static_cast<float>(3 * j + 7 * i));
}

class LinearFunction final : public Function {
 public:
  LinearFunction(bool picture, std::int64_t rank, double alpha, std::int64_t steps, bool small)
      : picture_(picture), counted_(state().functions) {
    lora_.rank = rank;
    lora_.scale = rank > 0 ? static_cast<float>(alpha / static_cast<double>(rank)) : 0.0f;
    lora_.base = picture ? 1.0f : 0.0f;
    const std::vector<std::int64_t> noise{HN_DIM_BATCH, kChannels, kSide, kSide};
    inputs_ = {{"noise", "noise", noise, HN_SLOT_DIFF}};
    if (picture)
      inputs_.push_back({"step_noise",
                         "step_noise",
                         {steps - 1, HN_DIM_BATCH, kChannels, kSide, kSide},
                         HN_SLOT_OPTIONAL});
    if (rank > 0) {
      inputs_.push_back(
          {"net.0.to_q.lora_A.weight", "lora_a", {rank, kNoise}, HN_SLOT_PARAM | HN_SLOT_DIFF});
      inputs_.push_back(
          {"net.0.to_q.lora_B.weight", "lora_b", {kNoise, rank}, HN_SLOT_PARAM | HN_SLOT_DIFF});
    }
    if (picture) {
      outputs_ = {{"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, kSide, kSide}, HN_SLOT_DIFF}};
      if (!small)
        outputs_.push_back({"latents", "latents", noise, HN_SLOT_OPTIONAL | HN_SLOT_DIFF});
    } else {
      outputs_ = {{"offset", "offset", noise, HN_SLOT_DIFF}};
    }
    flags_ = HN_FN_NEEDS_COND;
  }

  std::unique_ptr<hn::Saved> forward(const Call& call) override {
    state().raise_at(name() + ".forward");
    state().note_determinism(call.deterministic());
    auto kept = std::make_unique<Kept>(call);
    for (std::int64_t b = 0; b < call.batch(); ++b) {
      std::vector<float> z(kNoise);
      lora_.forward(at(call.in(0), b), kept->shift(b), kept->a(*this), kept->b(*this), z.data());
      if (!picture_) {
        z[0] = state().poison("offset", z[0]);
        std::copy(z.begin(), z.end(), at(call.out(0), b));
        continue;
      }
      float extra = 0.1f * kept->shift(b);
      const DLTensor* steps = call.in(1);
      for (std::int64_t s = 0; steps != nullptr && s < steps->shape[0]; ++s)
        extra += 0.01f * data_of<float>(*steps)[(s * call.batch() + b) * kNoise];
      float* image = at(call.out(0), b);
      for (std::int64_t j = 0; j < kImage; ++j) {
        image[j] = 0.5f + extra;
        for (std::int64_t i = 0; i < kNoise; ++i)
          image[j] += weight(j, i) * z[static_cast<std::size_t>(i)];
      }
      image[0] = state().poison("image", image[0]);
      if (call.out(1) != nullptr) std::copy(z.begin(), z.end(), at(call.out(1), b));
    }
    return call.want_grad() ? std::move(kept) : nullptr;
  }

  void backward(hn::Saved& saved, const hn_vjp& vjp) override {
    state().raise_at(name() + ".backward");
    auto& kept = static_cast<Kept&>(saved);
    std::vector<float*> grads(inputs_.size(), nullptr);
    for (std::size_t i = 0; i < inputs_.size() && i < vjp.n_in; ++i) {
      if (vjp.grad[i] == nullptr) continue;
      grads[i] = at(vjp.grad[i], 0);
      if (vjp.accumulate == nullptr || vjp.accumulate[i] == 0)
        std::fill_n(grads[i], element_count(*vjp.grad[i]), 0.0f);
    }
    if (vjp.cotangent[0] == nullptr) return;
    for (std::int64_t b = 0; b < vjp.cotangent[0]->shape[0]; ++b) {
      const float* g = at(vjp.cotangent[0], b);
      std::vector<float> gz(g, g + (picture_ ? 0 : kNoise));
      if (picture_) {
        gz.assign(kNoise, 0.0f);
        for (std::int64_t j = 0; j < kImage; ++j)
          for (std::int64_t i = 0; i < kNoise; ++i)
            gz[static_cast<std::size_t>(i)] += weight(j, i) * g[j];
      }
      lora_.backward(at(kept.call.in(0), b), kept.shift(b), kept.a(*this), kept.b(*this), gz.data(),
                     grads[0] == nullptr ? nullptr : grads[0] + b * kNoise, param(grads, 0),
                     param(grads, 1));
    }
    if (grads[0] != nullptr) grads[0][0] = state().poison(name() + ".input_grad", grads[0][0]);
    if (float* a = param(grads, 0)) a[0] = state().poison("param_grad", a[0]);
  }

 private:
  struct Kept final : hn::Saved {
    explicit Kept(const Call& c) : call(c), counted(state().saved) {}
    float shift(std::int64_t b) const { return mark(call.cond<Encoded>(b).text); }
    const float* a(const LinearFunction& f) const {
      return f.lora_.rank > 0 ? data_of<float>(*call.in(f.params())) : nullptr;
    }
    const float* b(const LinearFunction& f) const {
      return f.lora_.rank > 0 ? data_of<float>(*call.in(f.params() + 1)) : nullptr;
    }
    Call call;  // borrows the host's tensors, as the contract allows until saved_release
    Counted counted;
  };
  std::string name() const { return picture_ ? "generate" : "noise_net"; }
  std::size_t params() const { return picture_ ? 2 : 1; }
  float* param(const std::vector<float*>& grads, std::size_t k) const {
    return lora_.rank > 0 ? grads[params() + k] : nullptr;
  }

  bool picture_;
  LoraLayer lora_;
  Counted counted_;
};

class Generator final : public Instance {
 public:
  Generator(const Host& host, const Config& config)
      : Instance(host),
        steps_(config.i64("steps", 1)),
        small_(config.boolean("small", false)),
        embedding_(static_cast<std::uint64_t>(config.i64("embedding", 0))),
        counted_(state().instances) {
    if (config.boolean("fail", false)) throw Error(HN_NOT_FOUND, "[fake] no weights");
  }
  std::unique_ptr<Function> open(std::string_view name, const Config& config) override {
    const std::int64_t rank = config.i64("lora.rank", 0);
    if (name == "generate" || (name == "noise_net" && !small_))
      return std::make_unique<LinearFunction>(name == "generate", rank, config.f64("lora.alpha", 1),
                                              steps_, small_);
    throw unknown_function(name);
  }
  bool has_cond() const override { return true; }
  std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt> prompts, hn_stream) override {
    return encode_prompts(prompts);
  }
  std::uint64_t embedding_size() const override { return embedding_; }
  void embedding(const Cond& cond, hn_stream, const DLTensor& out) override {
    state().raise_at("embedding");
    const float m = mark(static_cast<const Encoded&>(cond).text);
    for (std::uint64_t i = 0; i < embedding_; ++i)
      data_of<float>(out)[i] = 100 * std::sin(1.0f + static_cast<float>(i) + 3 * m);
    data_of<float>(out)[0] = state().poison("embedding", data_of<float>(out)[0]);
  }
  bool has_adapters() const override { return true; }
  const std::vector<LayerSpec>& layers(std::string_view) override {
    static const std::vector<LayerSpec> all = {{"net.0.to_q", HN_LAYER_LINEAR, kNoise, kNoise}};
    return all;
  }
  std::vector<MemoryUse> memory_use() const override { return {{{kDLCPU, 0}, 1234}}; }
  void trim(hn_stream) override { ++state().trims; }

 private:
  std::int64_t steps_;
  bool small_;
  std::uint64_t embedding_;  // numbers of the pooled embedding; 0: there is none
  Counted counted_;
};

// score_b = -mean_j (image_j - .4 - .2 mark(prompt))^2, or without prompts when "prompts" is false.
class Quadratic final : public Instance {
 public:
  Quadratic(const Host& host, const Config& config)
      : Instance(host),
        prompts_(config.boolean("prompts", true)),
        refuses_(config.find_str("refuses")),
        reads_(static_cast<std::uint32_t>(config.i64("reads", 0))),
        mixes_(config.boolean("mixes", false)),
        differentiable_(config.boolean("differentiable", true)),
        blends_(config.boolean("blends", false)),
        detached_(config.boolean("detached", false)),
        counted_(state().instances) {}
  std::unique_ptr<Function> open(std::string_view name, const Config&) override {
    if (name != "score") throw unknown_function(name);
    auto score = std::make_unique<Score>(prompts_, differentiable_, mixes_);
    score->blends = blends_;
    score->detached = detached_;
    return score;
  }
  bool has_cond() const override { return prompts_; }
  std::uint32_t prompt_fields() const override { return reads_; }
  std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt> prompts, hn_stream) override {
    for (const Prompt& p : prompts)
      if (refuses_ && p.text().find(*refuses_) != std::string_view::npos)
        throw Error(HN_INVALID_ARGUMENT, "[encode] no word for it");
    return encode_prompts(prompts);
  }
  void trim(hn_stream) override { ++state().trims; }

  static float target(std::string_view prompt) { return 0.4f + 0.2f * mark(prompt); }

 private:
  class Score final : public Function {
   public:
    Score(bool prompts, bool differentiable, bool mixes) : counted_(state().functions) {
      const std::uint32_t diff = differentiable ? HN_SLOT_DIFF : 0u;
      inputs_ = {{"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, diff}};
      outputs_ = {{"score", "score", {HN_DIM_BATCH}, diff},
                  {"brightness", "column", {HN_DIM_BATCH}, HN_SLOT_OPTIONAL}};
      flags_ = (prompts ? HN_FN_NEEDS_COND : 0u) | (mixes ? HN_FN_MIXES_SAMPLES : 0u);
    }
    bool blends = false;    // every score is that of the batch
    bool detached = false;  // the gradient is zero
    std::unique_ptr<hn::Saved> forward(const Call& call) override {
      state().raise_at("score.forward");
      state().note_determinism(call.deterministic());
      auto kept = std::make_unique<Kept>(call);
      const std::int64_t n = kept->numbers();
      for (std::int64_t b = 0; b < call.batch(); ++b) {
        const float* image = at(call.in(0), b);
        double sum = 0, mean = 0;
        for (std::int64_t j = 0; j < n; ++j) {
          const double e = image[j] - kept->target(b);
          sum += e * e;
          mean += image[j];
        }
        *at(call.out(0), b) =
            state().poison("score", static_cast<float>(-sum / static_cast<double>(n)));
        if (call.out(1) != nullptr)
          *at(call.out(1), b) = static_cast<float>(mean / static_cast<double>(n));
      }
      if (blends && call.batch() > 1) *at(call.out(0), 0) += *at(call.out(0), 1);
      return call.want_grad() ? std::move(kept) : nullptr;
    }
    void backward(hn::Saved& saved, const hn_vjp& vjp) override {
      state().raise_at("score.backward");
      auto& kept = static_cast<Kept&>(saved);
      const std::int64_t n = kept.numbers();
      const bool add = vjp.accumulate != nullptr && vjp.accumulate[0] != 0;
      for (std::int64_t b = 0; b < vjp.grad[0]->shape[0]; ++b) {
        const float* image = at(kept.call.in(0), b);
        float* grad = at(vjp.grad[0], b);
        for (std::int64_t j = 0; j < n; ++j) {
          const float g = *at(vjp.cotangent[0], b) * -2.0f * (image[j] - kept.target(b)) /
                          static_cast<float>(n);
          const float own = detached ? 0.0f : g;
          grad[j] = add ? grad[j] + own : own;
        }
      }
      float* first = at(vjp.grad[0], 0);
      first[0] = state().poison("image_grad", first[0]);
    }

   private:
    struct Kept final : hn::Saved {
      explicit Kept(const Call& c) : call(c), counted(state().saved) {}
      float target(std::int64_t b) const {
        return Quadratic::target(call.has_cond() ? call.cond<Encoded>(b).text : std::string());
      }
      std::int64_t numbers() const { return 3 * call.in(0)->shape[2] * call.in(0)->shape[3]; }
      Call call;
      Counted counted;
    };
    Counted counted_;
  };

  bool prompts_;
  std::optional<std::string> refuses_;  // prompts with this text
  std::uint32_t reads_;                 // HN_PROMPT_*
  bool mixes_;
  bool differentiable_;
  bool blends_, detached_;
  Counted counted_;
};

template <class Class>
const hn_plugin_v1* plugin(const char* id) {
  static const hn_plugin_v1 entry = {sizeof(hn_plugin_v1),
                                     HN_ABI_MAJOR,
                                     0u,
                                     0u,
                                     {id, std::char_traits<char>::length(id)},
                                     HN_STR("1.0.0"),
                                     &tables::create<Class>,
                                     &tables::destroy,
                                     &tables::get_interface,
                                     HN_ABI_MINOR,
                                     0u,
                                     nullptr};
  return &entry;
}
inline const hn_plugin_v1* generator_plugin() { return plugin<Generator>("test.generator.linear"); }
inline const hn_plugin_v1* reward_plugin() { return plugin<Quadratic>("test.reward.quadratic"); }

}  // namespace hn::fake
