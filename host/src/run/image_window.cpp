#include "run/image_window.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace hn::run {

std::vector<Decoded> decode_all(std::span<const ScoreItem> items, int threads) {
  std::vector<Decoded> out(items.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < items.size(); i = next++) {
      try {
        out[i].image = read_image(items[i].file);
      } catch (const std::exception& e) {
        out[i].error = e.what();
      }
    }
  };
  const auto wanted =
      std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), items.size());
  std::vector<std::jthread> others;
  for (std::size_t t = 1; t < wanted; ++t) others.emplace_back(work);
  work();
  return out;
}

std::future<std::vector<Decoded>> decode_ahead(std::span<const ScoreItem> items, int threads) {
  return std::async(std::launch::async, [items, threads] { return decode_all(items, threads); });
}

}  // namespace hn::run
