#include <ATen/ATen.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>
#include <hn/formats/safetensors.hpp>
#include <hn/generator/prompt_store.hpp>
#include <hn/nn/weight_map.hpp>
#include <system_error>
#include <vector>

namespace hn {
namespace {

namespace fs = std::filesystem;

constexpr char kFormat[] = "hn-prompt-1", kEnding[] = ".prompt.safetensors";
constexpr std::uintmax_t kWhole = 16 << 20;  // files up to this size are hashed whole
constexpr std::size_t kPage = 4096, kPages = 64;

// 128 bits of FNV-1a, as two streams of different offsets. Only spreads: what is found is compared
// in full.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) {
      a_ = (a_ ^ static_cast<unsigned char>(c)) * kPrime;
      b_ = (b_ ^ static_cast<unsigned char>(c) ^ 0x5au) * kPrime;
    }
    add_number(text.size());
  }
  void add_number(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) {
      a_ = (a_ ^ ((number >> (8 * i)) & 255u)) * kPrime;
      b_ = (b_ ^ ((number >> (8 * i)) & 255u) ^ 0xa5u) * kPrime;
    }
  }
  std::string text() const {
    std::string digits;
    for (const std::uint64_t half : {a_, b_})
      for (int shift = 60; shift >= 0; shift -= 4)
        digits += "0123456789abcdef"[(half >> shift) & 15u];
    return digits;
  }

 private:
  static constexpr std::uint64_t kPrime = 0x100000001b3u;
  std::uint64_t a_ = 0xcbf29ce484222325u, b_ = 0x84222325cbf29ce4u;
};

std::string read_part(const InputFile& file, std::uintmax_t at, std::size_t most) {
  std::string bytes(most, '\0');
  std::size_t done = 0;
  while (done < most) {
    const ssize_t n =
        ::pread(file.descriptor(), bytes.data() + done, most - done, static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

void hash_file(const fs::path& path, Hash& hash) {
  const InputFile file(path, "[prompt_cache] " + path.string());
  const std::uintmax_t size = file.size();
  hash.add(path.filename().string());
  hash.add_number(size);
  if (size <= kWhole) {
    hash.add(read_part(file, 0, static_cast<std::size_t>(size)));
    return;
  }
  hash.add(read_part(file, 0, 16 * kPage));
  for (std::size_t i = 1; i <= kPages; ++i)
    hash.add(read_part(file, (size - kPage) / kPages * i, kPage));
}

TensorDtype stored_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return TensorDtype::kF32;
    case at::kBFloat16: return TensorDtype::kBF16;
    case at::kHalf: return TensorDtype::kF16;
    case at::kDouble: return TensorDtype::kF64;
    case at::kLong: return TensorDtype::kI64;
    case at::kBool: return TensorDtype::kBool;
    default: break;
  }
  throw Error(HN_UNSUPPORTED, std::string("[prompt_cache] expected float, bfloat16, half, double, "
                                          "int64 or bool, got ") +
                                  at::toString(type));
}

bool is_prompt_file(const fs::path& path) { return path.filename().string().ends_with(kEnding); }

}  // namespace

PromptStore::PromptStore(fs::path folder, std::string key, std::uint64_t limit,
                         std::function<void(const std::string&)> warn)
    : folder_(std::move(folder)), key_(std::move(key)), limit_(limit), warn_(std::move(warn)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (!fs::is_directory(folder_, error))
    throw Error(HN_NOT_FOUND, "[option prompt_cache] expected a folder that can be made, got " +
                                  folder_.string());
  for (const auto& entry : fs::directory_iterator(folder_, error))
    if (is_prompt_file(entry.path())) bytes_ += entry.file_size(error);
}

fs::path PromptStore::file_of(std::string_view prompt) const {
  Hash hash;
  hash.add(key_);
  hash.add(prompt);
  return folder_ / (hash.text() + kEnding);
}

std::optional<PromptStore::Tensors> PromptStore::find(std::string_view prompt) const {
  const fs::path path = file_of(prompt);
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  try {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const auto& meta = file.metadata();
    const auto holds = [&](const char* name, std::string_view value) {
      const auto found = meta.find(name);
      return found != meta.end() && found->second == value;
    };
    if (!holds("format", kFormat) || !holds("key", key_) || !holds("prompt", prompt))
      throw Error(HN_DATA_LOSS, path.string() + ": expected this model's and prompt's header");
    Tensors tensors;
    for (const TensorView& view : file.tensors()) {
      const auto options = at::TensorOptions().dtype(to_scalar_type(view.dtype));
      // A copy: the file may be removed, and others write it anew.
      tensors[view.name] =
          at::from_blob(const_cast<std::byte*>(view.data), view.shape, options).clone();
    }
    fs::last_write_time(path, fs::file_time_type::clock::now(), error);
    return tensors;
  } catch (const Error& broken) {
    warn_(std::string("[prompt_cache] the prompt is encoded anew: ") + broken.what());
    return std::nullopt;
  }
}

void PromptStore::put(std::string_view prompt, const Tensors& tensors) {
  const fs::path path = file_of(prompt);
  std::vector<at::Tensor> held;
  std::vector<TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) {
    held.push_back(tensor.detach().to(at::kCPU).contiguous());
    const at::Tensor& t = held.back();
    list.push_back(
        {name, stored_type(t.scalar_type()), t.sizes().vec(), t.const_data_ptr(), t.nbytes()});
  }
  try {
    std::error_code error;
    const std::uintmax_t old = fs::exists(path, error) ? fs::file_size(path, error) : 0;
    write_safetensors(path, list,
                      {{"format", kFormat}, {"key", key_}, {"prompt", std::string(prompt)}});
    bytes_ += fs::file_size(path, error);
    bytes_ -= std::min<std::uint64_t>(bytes_, old);
  } catch (const Error& failed) {
    warn_(std::string("[prompt_cache] a prompt is not kept: ") + failed.what());
  }
  if (bytes_ > limit_) shrink();
}

// Down to nine tenths of the limit, so that the next prompt does not begin it again.
void PromptStore::shrink() {
  struct Found {
    fs::file_time_type time;
    std::uint64_t size;
    fs::path path;
  };
  std::vector<Found> files;
  std::error_code error;
  bytes_ = 0;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (!is_prompt_file(entry.path())) continue;
    files.push_back({entry.last_write_time(error), entry.file_size(error), entry.path()});
    bytes_ += files.back().size;
  }
  std::sort(files.begin(), files.end(),
            [](const Found& a, const Found& b) { return a.time < b.time; });
  for (const Found& file : files) {
    if (bytes_ <= limit_ / 10 * 9) break;
    if (fs::remove(file.path, error)) bytes_ -= std::min(bytes_, file.size);
  }
}

std::optional<PromptStoreOption> prompt_store_option(const Config& config, bool by_default) {
  std::string given = config.str("prompt_cache", "");
  if (given.empty()) given = by_default ? "auto" : "off";
  const std::int64_t megabytes = config.i64("prompt_cache_mb", 4096);
  constexpr std::int64_t kMost = 1'000'000'000;
  if (megabytes < 1 || megabytes > kMost)
    throw Error(HN_INVALID_ARGUMENT, "[option prompt_cache_mb] expected 1 to " +
                                         std::to_string(kMost) + ", got " +
                                         std::to_string(megabytes));
  if (given == "off") return std::nullopt;
  const auto limit = static_cast<std::uint64_t>(megabytes) << 20;
  if (given != "auto") return PromptStoreOption{given, limit};
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const auto named = variable("HN_PROMPT_CACHE"); !named.empty())
    return PromptStoreOption{named, limit};
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return PromptStoreOption{fs::path(cache) / "hn" / "prompts", limit};
  if (const auto home = variable("HOME"); !home.empty())
    return PromptStoreOption{fs::path(home) / ".cache" / "hn" / "prompts", limit};
  throw Error(HN_NOT_FOUND,
              "[option prompt_cache] auto: expected HN_PROMPT_CACHE, XDG_CACHE_HOME or HOME in the "
              "environment, got none; give a folder, or \"off\"");
}

std::string content_fingerprint(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  if (fs::is_directory(folder, error)) {
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.is_regular_file(error)) files.push_back(entry.path());
  } else {
    files.push_back(folder);
  }
  std::sort(files.begin(), files.end());
  Hash hash;
  for (const fs::path& file : files) hash_file(file, hash);
  return hash.text();
}

}  // namespace hn
