// hnhost_sample and hnhost_score: everything is checked before the core begins, which then reads
// and writes the caller's tensors itself, on whatever device they lie.
#include <algorithm>
#include <cmath>
#include <hn/formats/json_file.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "capi/session.hpp"
#include "capi/tensors.hpp"
#include "config/ranges.hpp"

namespace hn::host {
namespace {

using Shape = std::vector<std::int64_t>;
using Use = CallerTensor::Use;

constexpr std::uint64_t kMostPromptTensors = 64;

Shape batched(std::int64_t batch, const Shape& shape) {
  Shape all = {batch};
  all.insert(all.end(), shape.begin(), shape.end());
  return all;
}

void check_metadata(const std::string& json, const std::string& where) {
  bool object = false;
  try {
    object = parse_ordered_json(json, where).is_object();
  } catch (const Error& error) {
    throw Error(HN_INVALID_ARGUMENT, error.what());  // the caller's, whatever a file's would be
  }
  if (!object)
    throw Error(HN_INVALID_ARGUMENT, cat(where, ": expected an object, got ", json.substr(0, 40)));
}

core::PromptTensor prompt_tensor(const hn_named_tensor& given, const char* function,
                                 const std::string& what) {
  const auto name = std::string(text_of(given.name, function, what + ": name"));
  if (name.empty())
    throw Error(HN_INVALID_ARGUMENT, cat("[", function, "] ", what, ": expected a name, got none"));
  const DLTensor& tensor = *need(given.tensor, function, (what + " (" + name + ")").c_str());
  Shape shape = name == "image" ? Shape{3, -1, -1}
                : name == "mask"
                    ? Shape{1, -1, -1}
                    : Shape(static_cast<std::size_t>(std::clamp(tensor.ndim, 0, HN_MAX_DIMS)), -1);
  const std::string where = cat("[", function, "] ", what, " (", name, ")");
  core::Tensor numbers =
      CallerTensor(&tensor, shape, DLDevice{kDLCPU, 0}, Use::kRead, where).copy();
  if (!std::all_of(numbers.data.begin(), numbers.data.end(),
                   [](float value) { return std::isfinite(value); }))
    throw Error(HN_INVALID_ARGUMENT, cat(where, ": expected finite numbers"));
  return {name, std::move(numbers)};
}

core::Prompt prompt_of(const hnhost_prompt* given, const char* function, const std::string& what) {
  const hnhost_prompt known = argument(given, function, what);
  core::Prompt prompt(std::string(text_of(known.text, function, what + ": text")));
  prompt.negative = text_of(known.negative, function, what + ": negative");
  prompt.json = text_of(known.json, function, what + ": json");
  for (const std::string* text : {&prompt.text, &prompt.negative})
    if (text->find('\0') != std::string::npos)
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", function, "] ", what, ": expected a text, got a zero byte in it"));
  if (!prompt.json.empty()) check_metadata(prompt.json, cat("[", function, "] ", what, ": json"));
  if (known.n_tensors > 0) {
    need(known.tensors, function, (what + ": tensors").c_str());
    if (known.n_tensors > kMostPromptTensors)
      throw Error(HN_INVALID_ARGUMENT, cat("[", function, "] ", what, ": expected at most ",
                                           kMostPromptTensors, " tensors, got ", known.n_tensors));
    std::vector<core::PromptTensor> tensors;
    for (std::uint64_t i = 0; i < known.n_tensors; ++i)
      tensors.push_back(prompt_tensor(known.tensors[i], function, cat(what, ": tensors ", i)));
    prompt.tensors = std::make_shared<const std::vector<core::PromptTensor>>(std::move(tensors));
  }
  return prompt;
}

std::vector<core::Prompt> prompts_of(const hnhost_prompt* const* given, std::uint64_t n,
                                     const char* function) {
  if (n == 0) return {};
  need(given, function, "prompts");
  if (n > static_cast<std::uint64_t>(kMostSamples))
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", function, "] expected at most ", kMostSamples, " prompts, got ", n));
  std::vector<core::Prompt> prompts;
  for (std::uint64_t i = 0; i < n; ++i)
    prompts.push_back(prompt_of(given[i], function, cat("prompts ", i)));
  return prompts;
}

// A call without prompts makes nothing: right for tensors of no samples, else a mistake.
void refuse_no_prompts(const hnhost_sample_args& args, const char* function) {
  for (const DLTensor* each : {args.noise, args.images, args.latents, args.delta})
    if (each != nullptr && each->ndim > 0 && each->shape != nullptr && each->shape[0] == 0) return;
  throw Error(HN_INVALID_ARGUMENT,
              cat("[", function,
                  "] expected a prompt for each sample (its text may be empty), got "
                  "none"));
}

}  // namespace

void sample(const SessionCall& call, const hnhost_sample_args& args) {
  hnhost_session& s = *call;
  const std::string where = cat("[", call.function(), "] ");
  if (s.rewards_alone)
    throw Error(HN_UNSUPPORTED, cat(where, "the session was opened with rewards alone"));
  if (args.images == nullptr && args.latents == nullptr && args.delta == nullptr)
    throw Error(HN_INVALID_ARGUMENT,
                cat(where, "expected images, latents or delta to write to, got none of them"));
  if (args.n_prompts == 0) refuse_no_prompts(args, call.function());
  const core::Shapes& shapes = s.core->shapes();
  core::SampleRequest request;
  request.prompts = prompts_of(args.prompts, args.n_prompts, call.function());
  const auto batch = static_cast<std::int64_t>(request.prompts.size());
  const Shape one = batched(batch, shapes.noise), picture = batched(batch, shapes.image);
  const auto tensor = [&](const DLTensor* given, const Shape& shape, Use use, const char* what) {
    return CallerTensor(given, shape, shapes.device, use, where + what);
  };
  const CallerTensor noise = tensor(args.noise, one, Use::kRead, "noise");
  const CallerTensor step_noise =
      tensor(args.step_noise, batched(shapes.steps - 1, one), Use::kRead, "step_noise");
  const CallerTensor images = tensor(args.images, picture, Use::kWritten, "images");
  const CallerTensor latents = tensor(args.latents, one, Use::kWritten, "latents");
  const CallerTensor delta = tensor(args.delta, one, Use::kWritten, "delta");
  if (batch == 0) return;
  if (args.seed > static_cast<std::uint64_t>(kMostSeed))
    throw Error(HN_INVALID_ARGUMENT,
                cat(where, "seed: expected 0 to ", kMostSeed, ", got ", args.seed));
  request.seed = args.seed;
  request.batch = std::min(batch, s.config.eval.batch);
  request.adapted = (args.flags & HNHOST_SAMPLE_UNADAPTED) == 0;
  if ((args.flags & HNHOST_SAMPLE_STRENGTH) != 0) {
    if (!std::isfinite(args.strength))
      throw Error(HN_INVALID_ARGUMENT, cat(where, "strength: expected a finite number"));
    request.strength = args.strength;
  }
  request.want_images = false;  // beside the caller's
  request.tensors = {noise.get(), step_noise.get(), images.get(), latents.get(), delta.get()};
  (void)s.core->sample(request);
}

void score(const SessionCall& call, const hnhost_score_args& args) {
  hnhost_session& s = *call;
  const std::string where = cat("[", call.function(), "] ");
  if (args.reward >= s.spec.rewards.size())
    throw Error(HN_INVALID_ARGUMENT, cat(where, "reward: expected an index below ",
                                         s.spec.rewards.size(), ", got ", args.reward));
  const core::Shapes& shapes = s.core->shapes();
  const auto tensor = [&](const DLTensor* given, const Shape& shape, Use use, const char* what) {
    return CallerTensor(given, shape, shapes.device, use, where + what);
  };
  need(args.images, call.function(), "images");
  need(args.scores, call.function(), "scores");
  // No samples is nothing to do, as for hnhost_sample.
  const bool none =
      args.images->ndim == 4 && args.images->shape != nullptr && args.images->shape[0] == 0;
  const CallerTensor images = tensor(args.images, {none ? 0 : -1, 3, -1, -1}, Use::kRead, "images");
  const std::int64_t count = images.shape()[0];
  core::ScoreRequest request;
  request.prompts = prompts_of(args.prompts, args.n_prompts, call.function());
  if (args.n_prompts != 0 && args.n_prompts != static_cast<std::uint64_t>(count))
    throw Error(HN_INVALID_ARGUMENT,
                cat(where, "expected ", count, " prompts or none, got ", args.n_prompts));
  const auto columns = static_cast<std::int64_t>(
      s.core->traits(static_cast<std::size_t>(args.reward)).columns.size());
  const CallerTensor scores = tensor(args.scores, {count}, Use::kWritten, "scores");
  const CallerTensor further = tensor(args.columns, {columns, count}, Use::kWritten, "columns");
  const CallerTensor gradient =
      tensor(args.image_grad, images.shape(), Use::kWritten, "image_grad");
  if (count == 0) return;
  request.reward = static_cast<std::size_t>(args.reward);
  request.batch = s.config.eval.batch;
  request.tensors = {images.get(), scores.get(), further.get(), gradient.get()};
  (void)s.core->score(request);
}

}  // namespace hn::host
