#include "detector.hpp"

#include <ATen/ATen.h>

#include <array>
#include <string>
#include <utility>

namespace judge {
namespace {

std::uint64_t elements_of(const hn::SafetensorsFolder& files) {
  std::uint64_t n = 0;
  for (const std::string& name : files.names())
    n += static_cast<std::uint64_t>(files.at(name).numel());
  return n;
}

}  // namespace

Detector::Detector(const std::filesystem::path& file, at::Device device)
    : Detector(hn::WeightMap(hn::SafetensorsFolder::open(file), at::kFloat, device, "judge"),
               elements_of(hn::SafetensorsFolder::open(file))) {}

Detector::Detector(hn::WeightMap weights, std::uint64_t elements)
    : device_(weights.device()), weight_bytes_(4 * elements) {
  const auto layer = [&](const std::string& name, std::vector<std::int64_t> shape) {
    return Layer{weights.take(name + ".weight", shape), weights.take(name + ".bias", {shape[0]})};
  };
  constexpr std::array<std::int64_t, 5> kChannels = {3, 32, 64, 128, 192};
  for (std::size_t i = 0; i + 1 < kChannels.size(); ++i) {
    const std::int64_t in = kChannels[i], out = kChannels[i + 1];
    const std::string n = "." + std::to_string(i);
    stages_.push_back({layer("down" + n, {out, in, 3, 3}), layer("gn" + n, {out}),
                       layer("res" + n, {out, out, 3, 3}), layer("gr" + n, {out})});
  }
  mix_ = layer("mix", {192, 128 + 192, 3, 3});
  objects_ = layer("cls", {static_cast<std::int64_t>(kObjects.size()), 192, 1, 1});
  colours_ = layer("col", {static_cast<std::int64_t>(kColours.size()) + 1, 192, 1, 1});
  background_ = layer("bg", {static_cast<std::int64_t>(kBackgrounds.size()), 192});
  weights.finish();
}

Logits Detector::forward(const at::Tensor& pictures) const {
  const auto conv = [](const at::Tensor& x, const Layer& l, std::int64_t stride,
                       std::int64_t padding) {
    return at::conv2d(x, l.weight, l.bias, stride, padding);
  };
  const auto norm = [](const at::Tensor& x, const Layer& l) {
    return at::silu(at::group_norm(x, 8, l.weight, l.bias, 1e-5));
  };
  at::Tensor x = pictures;
  std::vector<at::Tensor> levels;
  for (const Stage& s : stages_) {
    x = norm(conv(x, s.down, 2, 1), s.down_norm);
    x = x + norm(conv(x, s.residual, 1, 1), s.residual_norm);
    levels.push_back(x);
  }
  const at::Tensor wide = at::upsample_nearest2d(levels[3], {levels[2].size(2), levels[2].size(3)});
  const at::Tensor mixed = at::silu(conv(at::cat({levels[2], wide}, 1), mix_, 1, 1));
  return {conv(mixed, objects_, 1, 0), conv(mixed, colours_, 1, 0),
          at::linear(at::mean(levels[3], {2, 3}), background_.weight, background_.bias)};
}

std::vector<Finding> read_out(const Logits& logits) {
  const auto [score, object] = at::max(at::sigmoid(logits.objects), 1);
  const at::Tensor around = at::max_pool2d(score.unsqueeze(1), 3, 1, 1).squeeze(1);
  const at::Tensor peak =
      at::logical_and(at::ge(score, around), at::gt(score, kThreshold)).to(at::kCPU);
  const at::Tensor kinds = object.to(at::kCPU),
                   colours = at::argmax(logits.colours, 1).to(at::kCPU);
  const at::Tensor backgrounds = at::argmax(logits.background, 1).to(at::kCPU);
  const auto hit = peak.accessor<bool, 3>();
  const auto kind = kinds.accessor<std::int64_t, 3>();
  const auto colour = colours.accessor<std::int64_t, 3>();
  std::vector<Finding> findings(static_cast<std::size_t>(peak.size(0)));
  for (std::int64_t b = 0; b < peak.size(0); ++b) {
    Finding& f = findings[static_cast<std::size_t>(b)];
    f.background = static_cast<int>(backgrounds.data_ptr<std::int64_t>()[b]);
    for (std::int64_t y = 0; y < peak.size(1); ++y)
      for (std::int64_t x = 0; x < peak.size(2); ++x)
        if (hit[b][y][x])
          f.detections.push_back({static_cast<int>(kind[b][y][x]),
                                  static_cast<int>(colour[b][y][x]) - 1, static_cast<int>(x),
                                  static_cast<int>(y)});
  }
  return findings;
}

}  // namespace judge
