#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/nn/image_ops.hpp>
#include <string>
#include <vector>

namespace hn {
namespace {

double filter_support(ResizeFilter filter) { return filter == ResizeFilter::kBilinear ? 1.0 : 2.0; }

double filter_value(ResizeFilter filter, double x) {
  x = std::fabs(x);
  if (filter == ResizeFilter::kBilinear) return x < 1.0 ? 1.0 - x : 0.0;
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// For each output: the first input and the normalised weights from there on.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weight;
};

std::vector<Taps> make_taps(std::int64_t in, std::int64_t out, ResizeFilter filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale =
      std::max(scale, 1.0);  // antialias: the filter widens when the image shrinks
  const double support = filter_support(filter) * filter_scale;
  std::vector<Taps> taps(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    // Halves go up, as Pillow's conversions have it (there by cutting, for what is not negative).
    const auto nearest = [](double x) { return static_cast<std::int64_t>(std::floor(x + 0.5)); };
    const auto first = std::max<std::int64_t>(nearest(center - support), 0);
    const auto last = std::min<std::int64_t>(nearest(center + support), in);
    Taps& t = taps[static_cast<std::size_t>(i)];
    t.first = first;
    double sum = 0.0;
    for (std::int64_t x = first; x < last; ++x) {
      t.weight.push_back(
          filter_value(filter, (static_cast<double>(x) - center + 0.5) / filter_scale));
      sum += t.weight.back();
    }
    if (sum != 0.0)
      for (double& w : t.weight) w /= sum;
  }
  return taps;
}

constexpr int kPrecisionBits = 32 - 8 - 2;  // Pillow's PRECISION_BITS

struct FixedTaps {
  std::int64_t first = 0;
  std::vector<std::int32_t> weight;
};

std::vector<FixedTaps> make_fixed_taps(std::int64_t in, std::int64_t out, ResizeFilter filter) {
  std::vector<FixedTaps> fixed;
  for (const Taps& t : make_taps(in, out, filter)) {
    FixedTaps& f = fixed.emplace_back();
    f.first = t.first;
    for (const double w : t.weight)
      f.weight.push_back(
          static_cast<std::int32_t>((w < 0 ? -0.5 : 0.5) + w * (1 << kPrecisionBits)));
  }
  return fixed;
}

std::uint8_t clip8(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// One pass over every plane, along the rows or along the columns; `out` is the new length of that
// axis.
void pillow_pass(const std::uint8_t* from, std::uint8_t* to, std::int64_t planes,
                 std::int64_t in_height, std::int64_t in_width, std::int64_t out, bool horizontal,
                 ResizeFilter filter) {
  const auto taps = make_fixed_taps(horizontal ? in_width : in_height, out, filter);
  const std::int64_t out_height = horizontal ? in_height : out,
                     out_width = horizontal ? out : in_width;
  const std::int64_t step = horizontal ? 1 : in_width;
  for (std::int64_t p = 0; p < planes; ++p, from += in_height * in_width)
    for (std::int64_t y = 0; y < out_height; ++y)
      for (std::int64_t x = 0; x < out_width; ++x) {
        const FixedTaps& t = taps[static_cast<std::size_t>(horizontal ? x : y)];
        const std::uint8_t* source =
            horizontal ? from + y * in_width + t.first : from + t.first * in_width + x;
        std::int32_t sum = 1 << (kPrecisionBits - 1);
        for (const std::int32_t w : t.weight) {
          sum += *source * w;
          source += step;
        }
        *to++ = clip8(sum);
      }
}

void check_size(std::int64_t height, std::int64_t width, const char* where) {
  if (height <= 0 || width <= 0)
    throw Error(HN_INVALID_ARGUMENT, std::string("[") + where +
                                         "] expected a size of at least 1 x 1, got " +
                                         std::to_string(height) + " x " + std::to_string(width));
}

std::int64_t margin_before(std::int64_t size, std::int64_t crop, CropRounding rounding) {
  const std::int64_t margin = size - crop;
  if (rounding == CropRounding::kDown || margin % 2 == 0) return margin / 2;
  return (margin / 2) % 2 == 0 ? margin / 2 : margin / 2 + 1;  // n.5 rounds to the even neighbour
}

}  // namespace

std::array<std::int64_t, 2> short_edge_size(std::int64_t height, std::int64_t width,
                                            std::int64_t edge) {
  check_size(height, width, "short_edge_size");
  const auto longer = [&](std::int64_t l,
                          std::int64_t s) {  // upstream: int(edge * long / short) in float64
    return static_cast<std::int64_t>(static_cast<double>(edge * l) / static_cast<double>(s));
  };
  if (width <= height) return {longer(height, width), edge};
  return {edge, longer(width, height)};
}

at::Tensor resize_weights(std::int64_t in, std::int64_t out, ResizeFilter filter) {
  check_size(in, out, "resize_weights");
  at::Tensor matrix = at::zeros({out, in}, at::kFloat);
  auto* data = matrix.data_ptr<float>();
  for (const Taps& t : make_taps(in, out, filter)) {
    for (std::size_t k = 0; k < t.weight.size(); ++k)
      data[t.first + static_cast<std::int64_t>(k)] = static_cast<float>(t.weight[k]);
    data += in;
  }
  return matrix;
}

at::Tensor resize_antialias(const at::Tensor& image, std::int64_t height, std::int64_t width,
                            ResizeFilter filter) {
  check_size(height, width, "resize");
  check_size(image.size(-2), image.size(-1), "resize");
  if (image.size(-2) == height && image.size(-1) == width) return image;
  if (image.device().is_cpu() && image.dim() == 4) {
    return filter == ResizeFilter::kBicubic
               ? at::_upsample_bicubic2d_aa(image, {height, width}, false)
               : at::_upsample_bilinear2d_aa(image, {height, width}, false);
  }
  const at::Tensor rows = resize_weights(image.size(-2), height, filter).to(image.options());
  const at::Tensor columns = resize_weights(image.size(-1), width, filter).to(image.options());
  return at::matmul(rows, at::matmul(image, columns.t()));
}

at::Tensor resize_pillow(const at::Tensor& image, std::int64_t height, std::int64_t width,
                         ResizeFilter filter) {
  check_size(height, width, "resize_pillow");
  if (image.scalar_type() != at::kByte || !image.device().is_cpu())
    throw Error(HN_INVALID_ARGUMENT,
                std::string("[resize_pillow] expected uint8 on the CPU, got ") +
                    at::toString(image.scalar_type()) + " on " + image.device().str());
  const std::int64_t in_height = image.size(-2), in_width = image.size(-1);
  if (in_height == height && in_width == width) return image;
  check_size(in_height, in_width, "resize_pillow");
  const std::int64_t planes = image.numel() / (in_height * in_width);
  auto shape = image.sizes().vec();
  at::Tensor current = image.contiguous();
  const auto pass = [&](bool horizontal) {
    const std::int64_t now_height = current.size(-2), now_width = current.size(-1);
    const std::int64_t out = horizontal ? width : height;
    if (out == (horizontal ? now_width : now_height)) return;
    shape[shape.size() - (horizontal ? 1 : 2)] = out;
    const at::Tensor next = at::empty(shape, at::kByte);
    pillow_pass(current.const_data_ptr<std::uint8_t>(), next.data_ptr<std::uint8_t>(), planes,
                now_height, now_width, out, horizontal, filter);
    current = next;
  };
  // Pillow 13 takes the rows first where the height shrinks by more than twice as many lines as the
  // width; before 13 the columns always came first. The two differ by rounding between the passes.
  const bool rows_first = in_height > height && in_height - height > (in_width - width) * 2;
  pass(!rows_first);
  pass(rows_first);
  return current;
}

at::Tensor center_crop(const at::Tensor& image, std::int64_t height, std::int64_t width,
                       CropRounding rounding) {
  check_size(height, width, "center_crop");
  at::Tensor current = image;
  const std::int64_t missing_y = std::max<std::int64_t>(height - image.size(-2), 0);
  const std::int64_t missing_x = std::max<std::int64_t>(width - image.size(-1), 0);
  if (missing_y > 0 || missing_x > 0) {
    // torchvision puts the odd line below and right, transformers' Pillow path above and left.
    const std::int64_t extra = rounding == CropRounding::kHalfToEven ? 0 : 1;
    const std::int64_t top = (missing_y + extra) / 2, left = (missing_x + extra) / 2;
    current = at::constant_pad_nd(current, {left, missing_x - left, top, missing_y - top}, 0);
  }
  const std::int64_t y = margin_before(current.size(-2), height, rounding);
  const std::int64_t x = margin_before(current.size(-1), width, rounding);
  return current.narrow(-2, y, height).narrow(-1, x, width);
}

at::Tensor normalize_channels(const at::Tensor& image, std::span<const double> mean,
                              std::span<const double> std) {
  const auto channels = static_cast<std::int64_t>(mean.size());
  if (image.dim() < 3 || image.size(-3) != channels || mean.size() != std.size())
    throw Error(HN_INVALID_ARGUMENT, "[normalize] expected " + std::to_string(mean.size()) +
                                         " channels, got an image of shape " +
                                         c10::str(image.sizes()));
  // One multiply and one add: x * (1 / std) - mean / std.
  const auto column = [&](auto value) {
    at::Tensor t = at::empty({channels, 1, 1}, at::kFloat);
    for (std::int64_t c = 0; c < channels; ++c)
      t.data_ptr<float>()[c] = static_cast<float>(value(static_cast<std::size_t>(c)));
    return t.to(image.options());
  };
  const at::Tensor scale = column([&](std::size_t c) { return 1.0 / std[c]; });
  const at::Tensor shift = column([&](std::size_t c) { return -mean[c] / std[c]; });
  return at::addcmul(shift, image, scale);
}

}  // namespace hn
