// judge: does the picture show exactly what the prompt asks? 1 or 0, by an independent detector.
//
// Score-only: its image slot has no gradient, so best-of-N and evaluation use it and training by
// gradient is refused. Nothing is ever trained on it. Source:
// plugins/generators/sana_sprint/scripts/judge.py; categories after GenEval (arXiv 2310.11513).
#include <ATen/ATen.h>

#include <hn/nn/image_ops.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/nn/weight_audit.hpp>
#include <hn/torch/reward.hpp>

#include "detector.hpp"
#include "metadata.hpp"

namespace {

struct Encoded final : hn::Cond {
  explicit Encoded(judge::Wanted w) : wanted(std::move(w)) {}
  std::uint64_t size_bytes() const override {
    return sizeof *this + wanted.items.size() * sizeof(judge::Item);
  }
  judge::Wanted wanted;
};

std::filesystem::path weights_file(const hn::Config& config) {
  const std::filesystem::path path = hn::weights_option(config, "weights");
  return std::filesystem::is_directory(path) ? path / "judge.safetensors" : path;
}

class JudgeReward final : public hn::TorchReward, public hn::AuditsWeights {
 public:
  JudgeReward(const hn::Host& host, const hn::Config& config)
      : TorchReward(host), detector_(hn::translate_errors([&] {
          const hn::Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
          if (hn::dtype_option(config) != at::kFloat)
            throw hn::Error(HN_UNSUPPORTED,
                            "[judge] computes in float32 only: its verdicts are thresholds");
          return judge::Detector(weights_file(config), hn::device_option(config));
        })) {}

  bool differentiable() const override { return false; }
  std::vector<std::string> columns() const override {
    return {"objects", "count", "colors", "relation", "background", "category"};
  }
  at::Tensor score(const at::Tensor& image, const hn::Call& call) override {
    return scores(image, call)[0];
  }

  std::vector<at::Tensor> scores(const at::Tensor& image, const hn::Call& call) override {
    if (image.device() != detector_.device())
      throw hn::Error(HN_INVALID_ARGUMENT, "[judge] expected image_rgb01 on " +
                                               detector_.device().str() + " (option device), got " +
                                               image.device().str());
    const std::int64_t batch = call.batch();
    std::vector<at::Tensor> out(1 + columns().size());
    for (at::Tensor& column : out) column = at::zeros({batch}, at::kFloat);
    if (batch > 0) {
      const at::Tensor fitted = hn::resize_antialias(image, judge::kImageSize, judge::kImageSize,
                                                     hn::ResizeFilter::kBicubic)
                                    .clamp(0.0, 1.0);
      const auto findings = judge::read_out(detector_.forward(fitted * 2.0 - 1.0));
      for (std::int64_t b = 0; b < batch; ++b) {
        const judge::Wanted& wanted = call.cond<Encoded>(b).wanted;
        const judge::Verdict v = judge::decide(findings[static_cast<std::size_t>(b)], wanted);
        const float values[] = {
            static_cast<float>(v.right),        static_cast<float>(v.objects),
            static_cast<float>(v.count),        static_cast<float>(v.colors),
            static_cast<float>(v.relation),     static_cast<float>(v.background),
            static_cast<float>(wanted.category)};
        for (std::size_t i = 0; i < out.size(); ++i) out[i].data_ptr<float>()[b] = values[i];
      }
    }
    for (at::Tensor& column : out) column = column.to(image.device());
    return out;
  }

  bool has_cond() const override { return true; }
  std::uint32_t prompt_fields() const override { return HN_PROMPT_JSON; }
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> handles;
    for (const hn::Prompt& prompt : prompts)
      handles.push_back(std::make_unique<Encoded>(prompt.json().empty()
                                                      ? judge::parse_caption(prompt.text())
                                                      : judge::parse_metadata(prompt.json())));
    return handles;
  }

  std::vector<hn::MemoryUse> memory_use() const override {
    return {{hn::dl_device(detector_.device()), detector_.weight_bytes()}};
  }

 private:
  judge::Detector detector_;
};

}  // namespace

HN_PLUGIN(JudgeReward, "hn.reward.judge", "0.1.0");
