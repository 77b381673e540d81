#include "model.hpp"

#include <fstream>
#include <hn/cpp/error.hpp>
#include <vector>

namespace my_generator {
namespace {

// Channels come last, so that a layer is one matrix product: [B,C,h,w] <-> [B,h,w,C].
at::Tensor to_last(const at::Tensor& x) { return x.permute({0, 2, 3, 1}); }
at::Tensor to_first(const at::Tensor& x) { return x.permute({0, 3, 1, 2}); }

at::Tensor branch(const at::Tensor& x, const Lora& lora) {
  return lora.scale * at::linear(at::linear(x, lora.a), lora.b);
}

at::Tensor layer(const at::Tensor& x, const at::Tensor& weight, const Lora& lora) {
  const at::Tensor y = at::linear(x, weight);
  return lora.a.defined() ? y + branch(x, lora) : y;
}

at::Tensor hidden(const at::Tensor& noise, const at::Tensor& in, const at::Tensor& prompts,
                  const Lora& lora) {
  return at::tanh(layer(to_last(noise), in, lora) + prompts.view({-1, 1, 1, kHidden}));
}

}  // namespace

Model::Model(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw hn::Error(HN_NOT_FOUND, "[my_generator] cannot read weights " + file.string());
  const auto read = [&](at::IntArrayRef shape) {
    std::vector<float> numbers(static_cast<std::size_t>(c10::multiply_integers(shape)));
    for (float& number : numbers)
      if (!(stream >> number))
        throw hn::Error(HN_DATA_LOSS, "[my_generator] " + file.string() +
                                          " ends early or holds what is no number");
    return at::tensor(numbers).view(shape);
  };
  in_ = read({kHidden, kChannels});
  out_ = read({kChannels, kHidden});
  rgb_ = read({3, kChannels});
  bias_ = read({3});
}

at::Tensor Model::embed(std::string_view prompt) {
  std::vector<float> sum(kHidden, 0.0f);
  std::size_t words = 0, from = 0;
  while (from < prompt.size()) {
    const std::size_t to = std::min(prompt.find(' ', from), prompt.size());
    if (to > from) {
      std::uint64_t state = 0xcbf29ce484222325ull;  // FNV-1a of the word, then a number a channel
      for (const char c : prompt.substr(from, to - from))
        state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
      for (float& value : sum) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        value += static_cast<float>(state >> 40) / 8388608.0f - 1.0f;
      }
      ++words;
    }
    from = to + 1;
  }
  return at::tensor(sum) / static_cast<double>(std::max<std::size_t>(words, 1));
}

at::Tensor Model::denoise(const at::Tensor& noise, const at::Tensor& prompts, const Lora& in,
                          const Lora& out) const {
  return noise + to_first(layer(hidden(noise, in_, prompts, in), out_, out));
}

at::Tensor Model::decode(const at::Tensor& latents) const {
  const at::Tensor rgb = to_first(at::linear(to_last(latents), rgb_, bias_));
  const std::vector<std::int64_t> size = {kSize * kScale, kSize * kScale};
  return at::sigmoid(at::upsample_bilinear2d(rgb, size, /*align_corners=*/false));
}

at::Tensor Model::offset(const at::Tensor& noise, const at::Tensor& prompts, const Lora& in,
                         const Lora& out) const {
  return to_first(branch(hidden(noise, in_, prompts, in), out));
}

std::uint64_t Model::bytes() const {
  return in_.nbytes() + out_.nbytes() + rgb_.nbytes() + bias_.nbytes();
}

}  // namespace my_generator
