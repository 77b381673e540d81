// A reward over the C++ layer, without LibTorch: the mean of the blue channel, with a prompt that
// it reads and a plan.
#include <hn/cpp/plugin.hpp>

namespace {

class Blue final : public hn::Instance {
 public:
  Blue(const hn::Host& host, const hn::Config& config) : Instance(host) {
    if (config.str("device", "cpu") != "cpu")
      throw hn::Error(HN_UNSUPPORTED, "[museum_cpp] runs on the CPU only");
    if (config.str("dtype", "float32") != "float32")
      throw hn::Error(HN_UNSUPPORTED, "[museum_cpp] computes in float32 only");
  }

  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    if (name != "score") throw unknown_function(name);
    return std::make_unique<Score>();
  }

 private:
  struct Kept final : hn::Saved {
    std::int64_t height = 0, width = 0;
  };

  class Score final : public hn::Function {
   public:
    Score() {
      inputs_ = {
          {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF}};
      outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
    }
    hn_plan plan(const hn::Call&) override { return {0, 0, sizeof(Kept), sizeof(Kept)}; }
    std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
      const DLTensor &image = *call.in(0), &score = *call.out(0);
      if (image.shape[2] < 1 || image.shape[3] < 1)
        throw hn::Error(HN_INVALID_ARGUMENT, "[museum_cpp] expected pictures with pixels");
      for (std::int64_t b = 0; b < call.batch(); ++b) {
        double sum = 0;
        for (std::int64_t y = 0; y < image.shape[2]; ++y)
          for (std::int64_t x = 0; x < image.shape[3]; ++x) sum += *at(image, b, y, x);
        hn::data_of<float>(score)[b * score.strides[0]] =
            static_cast<float>(sum / static_cast<double>(image.shape[2] * image.shape[3]));
      }
      if (!call.want_grad()) return nullptr;
      auto kept = std::make_unique<Kept>();
      kept->height = image.shape[2];
      kept->width = image.shape[3];
      return kept;
    }
    void backward(hn::Saved& saved, const hn_vjp& vjp) override {
      if (vjp.n_in == 0 || vjp.grad[0] == nullptr) return;
      const auto& kept = static_cast<const Kept&>(saved);
      const DLTensor& grad = *vjp.grad[0];
      if (grad.shape[1] != 3 || grad.shape[2] != kept.height || grad.shape[3] != kept.width)
        throw hn::Error(HN_INVALID_ARGUMENT, "[museum_cpp] the gradient has the picture's shape");
      const DLTensor* cotangent = vjp.n_out > 0 ? vjp.cotangent[0] : nullptr;
      if (cotangent != nullptr && cotangent->shape[0] != grad.shape[0])
        throw hn::Error(HN_INVALID_ARGUMENT, "[museum_cpp] one cotangent a sample");
      const bool add = vjp.accumulate != nullptr && vjp.accumulate[0] != 0;
      const auto pixels = static_cast<float>(kept.height * kept.width);
      for (std::int64_t b = 0; b < grad.shape[0]; ++b) {
        const float g = cotangent == nullptr
                            ? 0.0f
                            : hn::data_of<float>(*cotangent)[b * cotangent->strides[0]] / pixels;
        for (std::int64_t c = 0; c < 3; ++c)
          for (std::int64_t y = 0; y < kept.height; ++y)
            for (std::int64_t x = 0; x < kept.width; ++x) {
              float* to = at(grad, b, y, x) + (c - 2) * grad.strides[1];
              *to = (add ? *to : 0.0f) + (c == 2 ? g : 0.0f);
            }
      }
    }

   private:
    static float* at(const DLTensor& t, std::int64_t b, std::int64_t y, std::int64_t x) {
      return hn::data_of<float>(t) + b * t.strides[0] + 2 * t.strides[1] + y * t.strides[2] +
             x * t.strides[3];
    }
  };
};

}  // namespace

HN_PLUGIN(Blue, "org.example.reward.museum_cpp", "1.0.0");
