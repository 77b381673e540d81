#include "scoring/image_window.hpp"

#include <algorithm>
#include <atomic>
#include <hn/formats/input_file.hpp>
#include <thread>

#include "files/picture_header.hpp"

namespace hn::host {
namespace {

// Most headers lie within; a JPEG's may come after more metadata than this.
constexpr std::size_t kHeaderBytes = 64 << 10;

// Calls work(0) ... work(count - 1) from several threads, the caller's among them. It must not
// throw.
template <class Work>
void for_each(std::size_t count, int threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  const auto some = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  const auto wanted = std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), count);
  std::vector<std::jthread> others;
  for (std::size_t t = 1; t < wanted; ++t) others.emplace_back(some);
  some();
}

// Empty for what is no regular file.
std::string file_start(const std::filesystem::path& path) {
  InputFile file(path);
  std::string start(kHeaderBytes, '\0');
  start.resize(file.read(start.data(), start.size()));
  return start;
}

// What the picture takes when it is decoded; 0 for a file that is no picture, or one too large:
// decoding says what is wrong.
std::uint64_t decoded_bytes(const std::filesystem::path& file, std::uint64_t max_pixels) {
  const auto bytes_of = [&](const std::string& text) {
    const std::uint64_t pixels = read_picture_header(text, "").pixels();
    return pixels > max_pixels ? 0 : 3 * pixels;
  };
  try {
    const std::string start = file_start(file);
    try {
      return bytes_of(start);
    } catch (const Error&) {
      return start.size() < kHeaderBytes ? 0 : bytes_of(read_whole_file(file));
    }
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace

Window next_window(std::span<const ScoreItem> items, std::size_t count, std::uint64_t bytes,
                   std::size_t batch, int threads, const host::PicturesConfig& options) {
  const std::size_t most = std::min(count, items.size());
  std::vector<std::uint64_t> sizes(most);
  for_each(most, threads,
           [&](std::size_t i) { sizes[i] = decoded_bytes(items[i].file, options.max_pixels); });
  const auto total = [&](std::size_t n) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += sizes[i];
    return sum;
  };
  std::size_t fit = std::min<std::size_t>(most, 1);
  while (fit < most && total(fit + 1) <= bytes) ++fit;
  if (fit < most && fit > batch) fit -= fit % batch;
  return {fit, total(fit)};
}

std::vector<Decoded> decode_all(std::span<const ScoreItem> items, int threads,
                                const host::PicturesConfig& options) {
  std::vector<Decoded> out(items.size());
  for_each(items.size(), threads, [&](std::size_t i) {
    try {
      out[i].image = read_image(items[i].file, options);
    } catch (const std::bad_alloc&) {
      out[i].error = "[" + items[i].file.string() + "] out of memory while it was decoded";
    } catch (const std::exception& e) {
      out[i].error = e.what();
    }
  });
  return out;
}

std::future<std::vector<Decoded>> decode_ahead(std::span<const ScoreItem> items, int threads,
                                               const host::PicturesConfig& options, bool ahead) {
  return std::async(ahead ? std::launch::async : std::launch::deferred,
                    [items, threads, options] { return decode_all(items, threads, options); });
}

}  // namespace hn::host
