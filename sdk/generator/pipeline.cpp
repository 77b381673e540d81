#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/generator/pipeline.hpp>
#include <hn/nn/ops.hpp>
#include <hn/nn/tiles.hpp>

namespace hn {
namespace {

std::string shape_text(at::ScalarType dtype, const std::vector<std::int64_t>& shape) {
  std::string sizes;
  for (const std::int64_t size : shape)
    sizes += (sizes.empty() ? "" : ", ") + (size < 0 ? std::string("any") : std::to_string(size));
  return std::string(at::toString(dtype)) + " [" + sizes + "]";
}

bool fits(const at::Tensor& tensor, at::ScalarType dtype, const std::vector<std::int64_t>& shape) {
  if (!tensor.defined() || tensor.scalar_type() != dtype ||
      tensor.dim() != static_cast<std::int64_t>(shape.size()))
    return false;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] >= 0 && tensor.size(static_cast<std::int64_t>(d)) != shape[d]) return false;
  return true;
}

}  // namespace

std::unique_ptr<Cond> Pipeline::encode_prompt(std::string_view text) const {
  const c10::NoGradGuard no_grad;
  return restore_prompt(text, encode(text));
}

PromptTensors Pipeline::prompt_tensors(const Cond& cond) const {
  return static_cast<const EncodedPrompt&>(cond).states;
}

std::unique_ptr<Cond> Pipeline::restore_prompt(std::string_view text,
                                               const PromptTensors& states) const {
  const c10::NoGradGuard no_grad;
  auto prompt = std::make_unique<EncodedPrompt>();
  prompt->text = text;
  for (const auto& [name, shape] : prompt_states()) {
    const at::Tensor state = find_tensor(states, name);
    if (!fits(state, options_.dtype, shape))
      throw Error(HN_DATA_LOSS,
                  "[" + model_ + "] a prompt's " + name + ": expected " +
                      shape_text(options_.dtype, shape) + ", got " +
                      (state.defined() ? shape_text(state.scalar_type(), state.sizes().vec())
                                       : std::string("nothing")));
    prompt->states[name] = state.to(options_.device);
  }
  prompt->derived = derive(prompt->states);
  return prompt;
}

std::string Pipeline::text_key() const {
  std::string all;
  for (const auto& encoder : text_encoders_) all += (all.empty() ? "" : "; ") + encoder->key();
  return all;
}

void Pipeline::release_text_encoder() const {
  for (const auto& encoder : text_encoders_) encoder->release();
}

std::int64_t Pipeline::embedding_size() const { return prompt_states().front().shape.back(); }

at::Tensor Pipeline::embedding(const Cond& cond) const {
  const auto& prompt = static_cast<const EncodedPrompt&>(cond);
  return prompt.at(prompt_states().front().name).to(at::kFloat).mean(0);
}

at::Tensor Pipeline::decode(const at::Tensor& latents, const PassContext& context) const {
  const double scale = vae_->latent_scale();
  auto input = latents.to(options_.dtype);
  if (scale != 1) input = input / scale;
  const auto decoded =
      tiling_.cuts(input.size(2), input.size(3))
          ? decode_in_tiles(
                input, tiling_, vae_->factor(),
                [this](const at::Tensor& tile) { return vae_->decode(tile, nullptr); }, context.run)
          : vae_->decode(input, &context.run);
  return (decoded.to(wide()) * 0.5 + 0.5).clamp(0, 1);
}

at::Tensor Pipeline::encode(const at::Tensor& image, const PassContext& context) const {
  const double scale = vae_->latent_scale();
  const auto latents = vae_->encode((image * 2 - 1).to(options_.dtype), &context.run).to(wide());
  return scale == 1 ? latents : latents * scale;
}

at::ScalarType Pipeline::wide() const { return accumulate_type(options_.dtype); }

std::uint64_t Pipeline::bytes() const {
  std::uint64_t all = bytes_;
  for (const auto& encoder : text_encoders_) all += encoder->bytes();
  return all;
}

std::vector<std::string> Pipeline::notes() const {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& part, const QuantiseReport& report) {
    if (report.tensors > 0) lines.push_back(part + ": " + report.text(options_.quantise));
  };
  add(network_part_, report_);
  for (const auto& encoder : text_encoders_) add(encoder->part(), encoder->report());
  return lines;
}

std::vector<std::string> Pipeline::assumed() const {
  std::vector<std::string> lines;
  for (const auto& encoder : text_encoders_)
    for (auto& line : encoder->assumed()) lines.push_back(std::move(line));
  return lines;
}

Pipeline::Loading::Loading(Pipeline& pipeline, const std::string& class_name,
                           const std::vector<PipelinePart>& parts)
    : pipeline_(pipeline), problems_(pipeline.model_, pipeline.folder_) {
  check_pipeline_folder(pipeline.folder_, pipeline.model_, class_name, parts, problems_);
}

WeightMap Pipeline::Loading::open(const std::string& part, at::Device device,
                                  Quantise quantise) const {
  WeightMap weights(open_part(pipeline_.folder_ / part, pipeline_.options_.variant),
                    pipeline_.options_.dtype, device, pipeline_.model_ + " " + part);
  weights.set_quantise(quantise);
  return weights;
}

void Pipeline::Loading::finish() {
  problems_.finish();
  const Autoencoder& vae = *pipeline_.vae_;
  pipeline_.tiling_ = make_tiling(pipeline_.options_.vae_tile, vae.factor(), vae.overlap_share());
  if (!pipeline_.options_.device.is_meta())
    for (const auto& read : later_) read();
  for (const auto& encoder : pipeline_.text_encoders_) encoder->prepare();
}

}  // namespace hn
