#include "core/random.hpp"

#include <cmath>
#include <numeric>
#include <utility>

namespace hn::core {
namespace {

using Block = std::array<std::uint32_t, 4>;

Block block_of(std::uint64_t seed, Stream stream, std::uint64_t index, std::uint32_t block,
               std::uint32_t sub) {
  return philox({block, static_cast<std::uint32_t>(stream) | (sub << 8),
                 static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32)},
                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

// Two normals from two words. u is in (0, 1], so the logarithm is finite.
std::pair<float, float> box_muller(std::uint32_t a, std::uint32_t b) {
  const float u = (static_cast<float>(a) + 1.0f) * 0x1p-32f;
  const float angle = static_cast<float>(b) * (0x1p-32f * 6.28318530717958647692f);
  const float radius = std::sqrt(-2.0f * std::log(u));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace

Block philox(Block counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

std::uint32_t random_bits(std::uint64_t seed, Stream stream, std::uint64_t index,
                          std::uint32_t position, std::uint32_t sub) {
  return block_of(seed, stream, index, position / 4, sub)[position % 4];
}

void fill_normal(std::span<float> out, std::uint64_t seed, Stream stream, std::uint64_t index,
                 std::uint32_t sub) {
  for (std::size_t i = 0; i < out.size(); i += 4) {
    const Block words = block_of(seed, stream, index, static_cast<std::uint32_t>(i / 4), sub);
    const auto [a, b] = box_muller(words[0], words[1]);
    const auto [c, d] = box_muller(words[2], words[3]);
    const float four[4] = {a, b, c, d};
    for (std::size_t k = 0; k < 4 && i + k < out.size(); ++k) out[i + k] = four[k];
  }
}

void fill_uniform(std::span<float> out, float bound, std::uint64_t seed, Stream stream,
                  std::uint64_t index) {
  for (std::size_t i = 0; i < out.size(); i += 4) {
    const Block words = block_of(seed, stream, index, static_cast<std::uint32_t>(i / 4), 0);
    for (std::size_t k = 0; k < 4 && i + k < out.size(); ++k)
      out[i + k] = bound * (static_cast<float>(words[k] >> 8) * 0x1p-23f - 1.0f);
  }
}

std::vector<std::uint32_t> shuffled(std::uint32_t n, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = n; i > 1; --i) {
    // The multiply-shift map of 32 bits onto [0, i): its bias is below i / 2^32.
    const std::uint64_t bits = random_bits(seed, Stream::kPromptOrder, epoch, i);
    std::swap(order[i - 1], order[(bits * i) >> 32]);
  }
  return order;
}

}  // namespace hn::core
