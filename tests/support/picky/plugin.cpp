// A reward that does not answer everything: the mean of a picture, no number for a picture whose
// first number is 1 (white), and no prompt with the word "dog". With the option `nan_gradient` its
// gradient is NaN, and with `nan_after` so is every score after that many forward calls.
#include <cmath>
#include <hn/cpp/plugin.hpp>
#include <limits>

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Encoded final : hn::Cond {
  std::uint64_t size_bytes() const override { return sizeof *this; }
};

struct Kept final : hn::Saved {
  std::int64_t numbers = 0;
};

class Score final : public hn::Function {
 public:
  Score(bool nan_gradient, std::int64_t nan_after)
      : nan_gradient_(nan_gradient), calls_left_(nan_after) {
    inputs_ = {
        {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF}};
    outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
    flags_ = HN_FN_NEEDS_COND;
  }

  std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
    const DLTensor& image = *call.in(0);
    const std::int64_t numbers = image.shape[1] * image.shape[2] * image.shape[3];
    const bool spent = calls_left_ >= 0 && calls_left_-- == 0;
    if (spent) calls_left_ = 0;
    for (std::int64_t b = 0; b < image.shape[0]; ++b) {
      // The host hands over contiguous tensors.
      const float* picture = hn::data_of<float>(image) + b * numbers;
      double sum = 0;
      for (std::int64_t i = 0; i < numbers; ++i) sum += picture[i];
      hn::data_of<float>(*call.out(0))[b] =
          spent || picture[0] >= 1 ? kNaN : static_cast<float>(sum / static_cast<double>(numbers));
    }
    if (!call.want_grad()) return nullptr;
    auto kept = std::make_unique<Kept>();
    kept->numbers = numbers;
    return kept;
  }

  void backward(hn::Saved& saved, const hn_vjp& vjp) override {
    const std::int64_t numbers = static_cast<Kept&>(saved).numbers;
    const DLTensor& grad = *vjp.grad[0];
    const bool add = vjp.accumulate != nullptr && vjp.accumulate[0] != 0;
    for (std::int64_t b = 0; b < grad.shape[0]; ++b)
      for (std::int64_t i = 0; i < numbers; ++i) {
        const float g =
            nan_gradient_ ? kNaN
                          : hn::data_of<float>(*vjp.cotangent[0])[b] / static_cast<float>(numbers);
        float& into = hn::data_of<float>(grad)[b * numbers + i];
        into = add ? into + g : g;
      }
  }

 private:
  bool nan_gradient_;
  std::int64_t calls_left_;
};

class Picky final : public hn::Instance {
 public:
  Picky(const hn::Host& host, const hn::Config& config)
      : Instance(host),
        nan_gradient_(config.boolean("nan_gradient", false)),
        nan_after_(config.i64("nan_after", -1)) {}
  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    if (name != "score") throw unknown_function(name);
    return std::make_unique<Score>(nan_gradient_, nan_after_);
  }
  bool has_cond() const override { return true; }
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> made;
    for (const hn::Prompt& prompt : prompts) {
      if (prompt.text().find("dog") != std::string_view::npos)
        throw hn::Error(HN_UNSUPPORTED, "[picky] knows no dogs");
      made.push_back(std::make_unique<Encoded>());
    }
    return made;
  }

 private:
  bool nan_gradient_;
  std::int64_t nan_after_;
};

}  // namespace

HN_PLUGIN(Picky, "hn.test.picky", "1.0.0");
