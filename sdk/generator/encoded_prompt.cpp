#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/generator/encoded_prompt.hpp>
#include <hn/nn/stream_order.hpp>
#include <map>

namespace hn {

std::uint64_t EncodedPrompt::size_bytes() const {
  std::uint64_t bytes = sizeof(*this) + text.size();
  for (const PromptTensors* tensors : {&states, &derived})
    for (const auto& [name, tensor] : *tensors) bytes += tensor.nbytes();
  return bytes;
}

const at::Tensor& EncodedPrompt::at(const std::string& name) const {
  for (const PromptTensors* tensors : {&states, &derived})
    if (const auto found = tensors->find(name); found != tensors->end()) return found->second;
  throw Error(HN_INTERNAL, "[prompt] expected a tensor " + name + ", got none of this name");
}

std::vector<at::Tensor> DistinctPrompts::tensors(const std::string& name) const {
  std::vector<at::Tensor> all;
  all.reserve(prompts.size());
  for (const EncodedPrompt* prompt : prompts) all.push_back(used_here(prompt->at(name)));
  return all;
}

at::Tensor DistinctPrompts::stacked(const std::string& name) const {
  return at::stack(tensors(name));
}

DistinctPrompts distinct_prompts(std::span<const Cond* const> prompts, at::Device device) {
  DistinctPrompts distinct;
  std::map<const Cond*, std::int64_t> number;
  std::vector<std::int64_t> of_sample;
  for (const Cond* prompt : prompts) {
    const auto [place, fresh] =
        number.emplace(prompt, static_cast<std::int64_t>(distinct.prompts.size()));
    of_sample.push_back(place->second);
    if (fresh) distinct.prompts.push_back(static_cast<const EncodedPrompt*>(prompt));
  }
  const std::size_t count = distinct.prompts.size();
  if (count > 1 && count < prompts.size())
    distinct.of_sample = at::tensor(of_sample, at::kLong).to(device);
  return distinct;
}

}  // namespace hn
