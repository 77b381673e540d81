#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "crooked.hpp"

namespace crooked {
namespace {

constexpr std::int64_t kB = HN_DIM_BATCH, kAny = HN_DIM_ANY;

// score = weight of the prompt * gain * mean of the picture.
class Score final : public hn::Function {
 public:
  Score() {
    const bool latents = is("in_latents");  // no defect
    inputs_ = {{latents ? "crooked_space" : "image_rgb01",
                latents ? "latents" : "image_rgb01",
                {kB, is("four_colours") ? 4 : 3, kAny, kAny},
                HN_SLOT_DIFF},
               {"gain", "org.example.gain", {kB}, HN_SLOT_OPTIONAL}};
    if (is("judges_both"))
      inputs_.push_back({"space", "latents", {kB, 4, kAny, kAny}, HN_SLOT_OPTIONAL});
    outputs_ = {{"score", "score", {kB}, HN_SLOT_DIFF},
                {"largest", "column", {kB}, HN_SLOT_OPTIONAL}};
    flags_ = HN_FN_NEEDS_COND;
    if (is("claims_to_mix") || is("mixes_with_flag")) flags_ |= HN_FN_MIXES_SAMPLES;
  }

  hn_plan plan(const hn::Call& call) override {
    if (is("plans_by_data")) return {0, 0, static_cast<std::uint64_t>(at(*call.in(0), 0)), 99};
    return {0, 0, 64, 128};
  }

  std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
    enter();
    const DLTensor& image = *call.in(0);
    if (is("one_size") && image.shape[2] != 24)
      throw hn::Error(HN_INTERNAL, "[crooked] a buffer of another size");
    if (is("remembers_size") && image.shape[2] != 24) grown_ = 1.5f;
    if (is("refuses_budget") && call.raw().saved_budget_bytes != 0)
      throw hn::Error(HN_OUT_OF_MEMORY, "[crooked] the budget is too small");
    if (is("needs_all_inputs") && call.raw().n_in < 2)
      throw hn::Error(HN_INVALID_ARGUMENT, "[crooked] expected 2 inputs");
    auto kept = std::make_unique<Kept>();
    kept->shape.assign(image.shape, image.shape + 4);
    kept->out = call.out(0);
    const double numbers = static_cast<double>(image.shape[1] * image.shape[2] * image.shape[3]);
    for (std::int64_t b = 0; b < call.batch(); ++b) {
      const auto& prompt = call.cond<Encoded>(b);
      float weight = is("keeps_text") ? weight_of(prompt.text) : prompt.weight;
      weight *= grown_ * (call.in(1) != nullptr ? at(*call.in(1), b) : 1.0f);
      if (is("keeps_options") && hn::view(g_tone) != "plain") weight *= 2;
      double sum = 0;
      float largest = -INFINITY;
      each(image, b, [&](float& v) {
        sum += static_cast<double>(v);
        largest = std::max(largest, v);
      });
      at(*call.out(0), b) = static_cast<float>(static_cast<double>(weight) * sum / numbers);
      if (call.out(1) != nullptr) at(*call.out(1), b) = largest;
      kept->slopes.push_back(weight / static_cast<float>(numbers));
    }
    if (is("mixes_with_flag") && call.batch() > 1) at(*call.out(0), 0) += at(*call.out(0), 1);
    leave();
    g_trimmed = false;
    return call.want_grad() ? std::move(kept) : nullptr;
  }

  void backward(hn::Saved& saved, const hn_vjp& vjp) override {
    const Kept& kept = static_cast<Kept&>(saved);
    const DLTensor* cotangent = cotangent_of(vjp, 0, {kept.shape[0]});
    const Wanted wanted(vjp, 0);
    if (wanted.tensor == nullptr) return;
    require_shape(*wanted.tensor, kept.shape, "a gradient");
    for (std::int64_t b = 0; b < kept.shape[0]; ++b) {
      float g = cotangent == nullptr ? 0 : at(*cotangent, b);
      if (is("mixes_gradient") && cotangent != nullptr) g += 0.1f * at(*cotangent, 0);
      if (is("reads_output")) g *= std::isnan(at(*kept.out, b)) ? 2.0f : 1.0f;
      if (is("trims_saved") && g_trimmed) g *= 2;
      g *= kept.slopes[static_cast<std::size_t>(b)];
      each(*wanted.tensor, b, [&](float& into) { wanted.put(into, g); });
    }
  }

 private:
  struct Kept final : hn::Saved {
    std::vector<std::int64_t> shape;
    std::vector<float> slopes;
    const DLTensor* out = nullptr;
  };
  template <class Body>
  static void each(const DLTensor& t, std::int64_t b, Body body) {
    for (std::int64_t c = 0; c < t.shape[1]; ++c)
      for (std::int64_t y = 0; y < t.shape[2]; ++y)
        for (std::int64_t x = 0; x < t.shape[3]; ++x) body(at(t, b, c, y, x));
  }
  static void enter() {
    if (!is("one_at_a_time")) return;
    if (g_at_work++ > 0) throw hn::Error(HN_INTERNAL, "[crooked] somebody else is at work");
    ::usleep(100'000);
  }
  static void leave() {
    if (is("one_at_a_time")) --g_at_work;
  }
  float grown_ = 1;
};

// Every second row and column of a picture: an output whose size hangs on the input's.
class Encode final : public hn::Function {
 public:
  Encode() {
    inputs_ = {{"image_rgb01", "image_rgb01", {kB, 3, kAny, kAny}, HN_SLOT_DIFF}};
    outputs_ = {{"latents", "latents", {kB, 3, kAny, kAny}, HN_SLOT_DIFF}};
  }
  std::vector<std::vector<std::int64_t>> shapes(const hn::Call& call) override {
    const DLTensor& image = *call.in(0);
    if (is("reads_data")) at(image, 0) += 1;
    const std::int64_t batch = is("tells_another") && call.batch() == 3 ? 2 : call.batch();
    return {{batch, 3, image.shape[2] / 2, image.shape[3] / 2}};
  }
  std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
    const DLTensor &image = *call.in(0), &latents = *call.out(0);
    if (!is("takes_smaller")) require_shape(latents, shapes(call)[0], "latents");
    auto kept = std::make_unique<Kept>();
    kept->image.assign(image.shape, image.shape + 4);
    kept->latents.assign(latents.shape, latents.shape + 4);
    for (std::int64_t b = 0; b < latents.shape[0]; ++b)
      for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t y = 0; y < latents.shape[2]; ++y)
          for (std::int64_t x = 0; x < latents.shape[3]; ++x)
            at(latents, b, c, y, x) = at(image, b, c, 2 * y, 2 * x);
    return call.want_grad() ? std::move(kept) : nullptr;
  }
  void backward(hn::Saved& saved, const hn_vjp& vjp) override {
    const Kept& kept = static_cast<Kept&>(saved);
    const DLTensor* cotangent = cotangent_of(vjp, 0, kept.latents);
    const Wanted wanted(vjp, 0);
    if (wanted.tensor == nullptr) return;
    require_shape(*wanted.tensor, kept.image, "a gradient");
    for (std::int64_t b = 0; b < kept.image[0]; ++b)
      for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t y = 0; y < kept.image[2]; ++y)
          for (std::int64_t x = 0; x < kept.image[3]; ++x) {
            const bool taken = cotangent != nullptr && y % 2 == 0 && x % 2 == 0 &&
                               y / 2 < kept.latents[2] && x / 2 < kept.latents[3];
            wanted.put(at(*wanted.tensor, b, c, y, x),
                       taken ? at(*cotangent, b, c, y / 2, x / 2) : 0.0f);
          }
  }

 private:
  struct Kept final : hn::Saved {
    std::vector<std::int64_t> image, latents;
  };
};

// offset = B (A noise), over the channels of each pixel: one linear layer's adapter.
class NoiseNet final : public hn::Function {
 public:
  NoiseNet() {
    const std::uint32_t flags = HN_SLOT_DIFF | (is("loose_matrix") ? 0u : HN_SLOT_PARAM);
    const std::string layer = is("other_layer") ? "elsewhere" : "mix";
    inputs_ = {{"noise", "noise", {kB, 3, 4, 4}, HN_SLOT_DIFF},
               {layer + ".lora_A.weight", "lora_a", {kRank, 3}, flags},
               {layer + ".lora_B.weight", "lora_b", {3, kRank}, flags}};
    if (is("turned_matrix")) inputs_[2].shape = {kRank, 3};
    if (is("unused_input")) inputs_.push_back({"unused", "org.example.unused", {kB}, HN_SLOT_DIFF});
    outputs_ = {{"offset", "offset", {kB, 3, 4, 4}, HN_SLOT_DIFF}};
  }
  std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
    auto kept = std::make_unique<Kept>();
    kept->noise = call.in(0);
    kept->a = call.in(1);
    kept->b = call.in(2);
    each(call.batch(), [&](auto b, auto y, auto x) {
      for (int o = 0; o < 3; ++o) {
        float sum = 0;
        for (int r = 0; r < kRank; ++r) sum += at(*kept->b, o, r) * inner(*kept, r, b, y, x);
        at(*call.out(0), b, o, y, x) = sum;
      }
    });
    return call.want_grad() ? std::move(kept) : nullptr;
  }
  void backward(hn::Saved& saved, const hn_vjp& vjp) override {
    const Kept& kept = static_cast<Kept&>(saved);
    const auto sizes = [](const DLTensor& of) { return std::vector(of.shape, of.shape + of.ndim); };
    const DLTensor* t = cotangent_of(vjp, 0, sizes(*kept.noise));
    const DLTensor* sources[3] = {kept.noise, kept.a, kept.b};
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const Wanted wanted(vjp, i);
      if (wanted.tensor == nullptr) continue;
      if (i < 3) require_shape(*wanted.tensor, sizes(*sources[i]), "a gradient");
      if (!wanted.add) clear(*wanted.tensor);
      if (t == nullptr) continue;
      each(kept.noise->shape[0], [&](auto b, auto y, auto x) {
        for (int o = 0; o < 3; ++o)
          for (int r = 0; r < kRank; ++r) {
            const float g = at(*t, b, o, y, x), w = at(*kept.b, o, r);
            if (i == 2) at(*wanted.tensor, o, r) += g * inner(kept, r, b, y, x);
            for (int c = 0; c < 3 && i < 2; ++c)
              if (i == 0)
                at(*wanted.tensor, b, c, y, x) += g * w * at(*kept.a, r, c);
              else
                at(*wanted.tensor, r, c) += g * w * at(*kept.noise, b, c, y, x);
          }
      });
    }
  }

 private:
  static constexpr int kRank = 2;
  struct Kept final : hn::Saved {
    const DLTensor *noise = nullptr, *a = nullptr, *b = nullptr;  // borrowed until saved_release
  };
  template <class Body>
  static void each(std::int64_t batch, Body body) {
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t y = 0; y < 4; ++y)
        for (std::int64_t x = 0; x < 4; ++x) body(b, y, x);
  }
  static float inner(const Kept& kept, int r, std::int64_t b, std::int64_t y, std::int64_t x) {
    float sum = 0;
    for (int c = 0; c < 3; ++c) sum += at(*kept.a, r, c) * at(*kept.noise, b, c, y, x);
    return sum;
  }
  static void clear(const DLTensor& t) {
    const auto size = [&](int d) { return d < t.ndim ? t.shape[d] : 1; };
    for (std::int64_t a = 0; a < size(0); ++a)
      for (std::int64_t b = 0; b < size(1); ++b)
        for (std::int64_t c = 0; c < size(2); ++c)
          for (std::int64_t d = 0; d < size(3); ++d) at(t, a, b, c, d) = 0;
  }
};

}  // namespace

std::unique_ptr<hn::Function> make_score() { return std::make_unique<Score>(); }
std::unique_ptr<hn::Function> make_encode() { return std::make_unique<Encode>(); }
std::unique_ptr<hn::Function> make_noise_net() { return std::make_unique<NoiseNet>(); }

}  // namespace crooked
