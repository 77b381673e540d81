#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/stream_order.hpp>
#include <hn/reward/text_reward.hpp>
#include <string>
#include <utility>

namespace hn {
namespace {

struct Encoded final : Cond {
  explicit Encoded(at::Tensor v) : vector(std::move(v)) {}
  std::uint64_t size_bytes() const override { return vector.nbytes() + sizeof *this; }
  at::Tensor vector;  // [embedding_size()]
};

}  // namespace

std::vector<std::unique_ptr<Cond>> TextReward::encode(std::span<const Prompt> prompts,
                                                      hn_stream stream) {
  return translate_errors([&] {
    const Entry entry(stream, /*grad=*/false);
    std::vector<std::unique_ptr<Cond>> handles;
    if (prompts.empty()) return handles;
    const at::Tensor vectors = embed(prompts);
    const std::vector<std::int64_t> wanted{static_cast<std::int64_t>(prompts.size()),
                                           static_cast<std::int64_t>(embedding_size())};
    if (!vectors.defined() || vectors.sizes() != at::IntArrayRef(wanted))
      throw Error(HN_INTERNAL, "[embed] expected " + c10::str(at::IntArrayRef(wanted)) +
                                   ", one row a prompt, got " +
                                   (vectors.defined() ? c10::str(vectors.sizes()) : "nothing"));
    // A handle keeps its own numbers, not the batch.
    for (std::int64_t b = 0; b < wanted[0]; ++b)
      handles.push_back(std::make_unique<Encoded>(vectors[b].clone()));
    return handles;
  });
}

void TextReward::embedding(const Cond& cond, hn_stream stream, const DLTensor& out) {
  translate_errors([&] {
    const Entry entry(stream, /*grad=*/false);
    const at::Tensor& vector = used_here(static_cast<const Encoded&>(cond).vector);
    at::Tensor target = tensor_view(out);
    if (target.sizes() != vector.sizes() || target.scalar_type() != at::kFloat)
      throw Error(HN_INVALID_ARGUMENT, "[embedding] expected float32 " + c10::str(vector.sizes()) +
                                           ", got " + at::toString(target.scalar_type()) + " " +
                                           c10::str(target.sizes()));
    target.copy_(vector);
  });
}

at::Tensor TextReward::prompts(const Call& call) const {
  if (call.batch() == 0) {
    const hn_stream stream = call.raw().stream;
    const at::Device device =
        stream.device_type == kDLCUDA
            ? at::Device(at::kCUDA, static_cast<at::DeviceIndex>(stream.device_id))
            : at::Device(at::kCPU);
    return at::zeros({0, static_cast<std::int64_t>(embedding_size())},
                     at::TensorOptions().device(device));
  }
  std::vector<at::Tensor> rows;
  for (std::int64_t b = 0; b < (call.shared_cond() ? 1 : call.batch()); ++b)
    rows.push_back(used_here(call.cond<Encoded>(b).vector));
  return at::stack(rows);
}

}  // namespace hn
