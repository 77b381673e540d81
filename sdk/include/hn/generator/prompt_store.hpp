// Encoded prompts on disk, so that a second run needs no text encoder.
//
// One safetensors file a prompt in a folder that runs and processes may share: written atomically,
// named by a hash of the key and the prompt, with both in full in its header. A file that is broken
// or is another key's is as good as none. Never throws for a file; the folder's own errors are the
// constructor's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <hn/cpp/config.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hn {

class PromptStore {
 public:
  using Tensors = std::map<std::string, at::Tensor>;

  // key: everything beside the prompt that the tensors depend on. limit: bytes of the folder's
  // prompt files, above which those not used for the longest time are removed. warn: takes a line
  // for the log. The folder is made; HN_NOT_FOUND where that cannot be.
  PromptStore(std::filesystem::path folder, std::string key, std::uint64_t limit,
              std::function<void(const std::string&)> warn);

  // On the CPU, as they were put; nothing where there is no such file.
  std::optional<Tensors> find(std::string_view prompt) const;
  // Tensors of floating-point or integer type on any device.
  void put(std::string_view prompt, const Tensors& tensors);

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path file_of(std::string_view prompt) const;
  void shrink();

  std::filesystem::path folder_;
  std::string key_;
  std::uint64_t limit_;
  std::uint64_t bytes_ = 0;  // of all prompt files, as far as this process knows
  std::function<void(const std::string&)> warn_;
};

// Option `prompt_cache`: a folder, "off", or "auto" (default where the text encoder is not kept:
// HN_PROMPT_CACHE, else $XDG_CACHE_HOME/hn/prompts, else ~/.cache/hn/prompts), and
// `prompt_cache_mb` (default 4096). Nothing where it is off. Errors: HN_INVALID_ARGUMENT for a size
// below 1 MB, HN_NOT_FOUND where "auto" finds no home.
struct PromptStoreOption {
  std::filesystem::path folder;
  std::uint64_t limit = 0;
};
std::optional<PromptStoreOption> prompt_store_option(const Config& config, bool by_default);

// A hash over the files of a folder, without its subfolders, for PromptStore's key: small files
// whole, of large ones the size, the beginning and 64 pages spread over the rest. Two trainings of
// one model differ on nearly every page. A path that is a file stands for itself.
std::string content_fingerprint(const std::filesystem::path& folder);

}  // namespace hn
