#include "worker/policy.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "loader/bundle_doubts.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::worker {
namespace {

using core::Isolation;
using host::cat;

// Why a plugin is not trusted; empty: it is.
std::string distrust(const host::Manifest& manifest, const std::filesystem::path& installed) {
  const std::vector<std::string> doubts = host::bundle_doubts(manifest);
  if (!doubts.empty()) return doubts.front();
  std::error_code failed;
  const auto bundle = std::filesystem::weakly_canonical(manifest.bundle, failed);
  const auto folder = std::filesystem::weakly_canonical(installed, failed);
  const auto [end, ignored] =
      std::mismatch(folder.begin(), folder.end(), bundle.begin(), bundle.end());
  if (end == folder.end() && !folder.empty()) return "";
  return cat("it stands outside of the installation's folder ", installed.string());
}

}  // namespace

Policy parse_policy(std::string_view text) {
  std::string name(text);
  std::string where = "isolation of the host";
  if (name.empty()) {
    name = host::environment("HN_ISOLATION");
    where = "HN_ISOLATION";
  }
  if (name.empty() || name == "needed") return Policy::kNeeded;
  if (name == "never") return Policy::kNever;
  if (name == "untrusted") return Policy::kUntrusted;
  if (name == "always") return Policy::kAlways;
  throw Error(HN_INVALID_ARGUMENT,
              cat("[", where, "] expected never, needed, untrusted or always, got '", name, "'"));
}

Placement place(Policy policy, Isolation wanted, const host::Manifest& manifest,
                std::string_view core_libtorch, const std::filesystem::path& installed) {
  const bool strange = manifest.libtorch != "none" && manifest.libtorch != core_libtorch;
  if (policy == Policy::kNever) {
    if (wanted == Isolation::kProcess || wanted == Isolation::kSandbox)
      throw Error(HN_PERMISSION, cat("plugin ", manifest.name,
                                     ": the configuration puts it into a worker process, "
                                     "and the host's policy on isolation is never (HN_ISOLATION)"));
    return {};  // what cannot run here is refused by the loader, by name
  }
  std::string doubt;
  if (policy != Policy::kNeeded) doubt = distrust(manifest, installed);
  if (wanted == Isolation::kSandbox) return {wanted, "the configuration says so"};
  if (!doubt.empty()) {
    if (wanted != Isolation::kAuto)
      throw Error(HN_PERMISSION, cat("plugin ", manifest.name,
                                     ": isolation: the host's policy demands a sandbox "
                                     "(leave the key out, or say \"sandbox\"): ",
                                     doubt));
    return {Isolation::kSandbox, cat("it is not trusted: ", doubt)};
  }
  if (wanted == Isolation::kProcess) return {wanted, "the configuration says so"};
  if (policy == Policy::kAlways) {
    if (wanted == Isolation::kNone)
      throw Error(HN_PERMISSION, cat("plugin ", manifest.name,
                                     ": isolation = \"none\", and the "
                                     "host's policy is always"));
    return {Isolation::kProcess, "the host's policy is always"};
  }
  if (strange && wanted == Isolation::kAuto)
    return {Isolation::kProcess, cat("it was built with the LibTorch of build id ",
                                     manifest.libtorch, ", this host with ", core_libtorch)};
  return {};
}

}  // namespace hn::worker
