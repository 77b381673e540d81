#include <hn/generator/pipeline_folder.hpp>
#include <hn/generator/prompt_store.hpp>
#include <hn/generator/text_encoder.hpp>

namespace hn {

TextEncoderBase::TextEncoderBase(std::string model, std::filesystem::path folder,
                                 const PipelineOptions& options, std::string encoder,
                                 std::string tokenizer, std::string prefix, bool quantises)
    : model_(std::move(model)),
      folder_(std::move(folder)),
      options_(options),
      encoder_(std::move(encoder)),
      tokenizer_(std::move(tokenizer)),
      prefix_(std::move(prefix)),
      device_(options.text_encoder == TextEncoderMode::kCpu && !options.device.is_meta()
                  ? at::Device(at::kCPU)
                  : options.device) {
  if (!quantises) options_.quantise = Quantise::kNone;
}

WeightMap TextEncoderBase::open_weights(at::Device device) const {
  WeightMap weights(open_part(folder_ / encoder_, options_.variant), options_.dtype, device,
                    model_ + " " + encoder_, prefix_);
  weights.set_quantise(options_.quantise);
  return weights;
}

void TextEncoderBase::check_ids(std::int64_t ids, std::int64_t vocabulary,
                                PipelineProblems& problems) const {
  if (ids > vocabulary)
    problems.refuse(tokenizer_ + " has " + std::to_string(ids) + " ids, " + encoder_ +
                    "'s vocabulary only " + std::to_string(vocabulary));
}

void TextEncoderBase::note_loaded(const WeightMap& weights) {
  bytes_ = weights.bytes();
  report_ = weights.report();
}

std::string TextEncoderBase::key() const {
  return "weights " + content_fingerprint(folder_ / encoder_) + ", tokenizer " +
         content_fingerprint(folder_ / tokenizer_) + ", variant " + options_.variant + ", " +
         c10::toString(options_.dtype) + " on " + at::Device(device_.type()).str();
}

}  // namespace hn
