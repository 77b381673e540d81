#include "pull/repo_cache.hpp"

#include <absl/strings/str_replace.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <thread>

#include "pull/digest.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::pull {
namespace {

namespace fs = std::filesystem;
using host::cat;

void make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed)
    throw Error(HN_INTERNAL,
                cat("[pull] ", folder.string(), " cannot be made: ", failed.message()));
}

// An ETag becomes a file's name.
const std::string& checked_etag(const std::string& repo, const std::string& etag) {
  const bool good = !etag.empty() && etag.size() <= 128 && etag.front() != '.' &&
                    etag.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-_.") == std::string::npos;
  if (!good)
    throw Error(HN_DATA_LOSS, cat("[pull ", repo, "] the server gave the ETag '", etag,
                                  "', which cannot be a file's name"));
  return etag;
}

// A relative path without "..", ".", empty parts, backslashes and control characters.
bool stays_below(const std::string& path) {
  bool good = !path.empty() && path.front() != '/' && path.size() < 1024;
  for (const char c : path)
    good = good && static_cast<unsigned char>(c) >= 0x20 && c != '\\' && c != 0x7f;
  for (std::size_t begin = 0; good && begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    good = !part.empty() && part != "." && part != "..";
    begin = end + 1;
  }
  return good;
}

std::string folder_name(const std::string& repo) {
  return cat("models--", absl::StrReplaceAll(repo, {{"/", "--"}}));
}

}  // namespace

bool is_commit(const std::string& text) { return sum_kind(text) == Sum::kGit; }

void check_file_name(const std::string& repo, const std::string& file) {
  if (!stays_below(file))
    throw Error(HN_DATA_LOSS,
                cat("[pull ", repo, "] the server lists a file named '", file,
                    "', which would leave the snapshot's folder; nothing was written"));
}

void check_revision(const std::string& revision) {
  if (!stays_below(revision))
    throw Error(HN_INVALID_ARGUMENT,
                cat("[pull] revision: expected a branch, a tag or a commit, got '", revision, "'"));
}

FileLock::FileLock(const fs::path& file, const std::function<void()>& stop,
                   const std::function<void()>& waiting) {
  make_folder(file.parent_path());
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw Error(HN_INTERNAL,
                cat("[pull] ", file.string(), " cannot be opened: ", std::strerror(errno)));
  bool told = false;
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    try {
      if (reason != EWOULDBLOCK && reason != EINTR)
        throw Error(HN_INTERNAL,
                    cat("[pull] ", file.string(), " cannot be locked: ", std::strerror(reason)));
      if (!told && waiting) waiting();
      told = true;
      if (stop) stop();
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RepoCache::RepoCache(fs::path cache, std::string repo, bool symlinks)
    : repo_(std::move(repo)),
      cache_(std::move(cache)),
      folder_(cache_ / folder_name(repo_)),
      symlinks_(symlinks) {}

fs::path RepoCache::snapshot(const std::string& commit) const {
  return folder_ / "snapshots" / commit;
}

fs::path RepoCache::blob(const std::string& etag) const {
  return folder_ / "blobs" / checked_etag(repo_, etag);
}

fs::path RepoCache::lock(const std::string& etag) const {
  return cache_ / ".locks" / folder_name(repo_) / (checked_etag(repo_, etag) + ".lock");
}

std::optional<std::string> RepoCache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  std::string text;
  try {
    text = host::read_file(folder_ / "refs" / revision, 4096);
  } catch (const Error&) {
    return std::nullopt;
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return is_commit(text) ? std::optional(text) : std::nullopt;
}

void RepoCache::write_ref(const std::string& revision, const std::string& commit) const {
  if (revision == commit) return;
  const fs::path file = folder_ / "refs" / revision;
  make_folder(file.parent_path());
  if (commit_of(revision) != commit) write_file_atomically(file, commit);
}

std::optional<fs::path> RepoCache::stored(const std::string& commit, const std::string& file,
                                          const std::string& etag) const {
  std::error_code ignored;
  if (fs::is_regular_file(blob(etag), ignored)) return blob(etag);
  const fs::path own = snapshot(commit) / file;
  if (!fs::is_symlink(own, ignored) && fs::is_regular_file(own, ignored)) return own;
  return std::nullopt;
}

bool RepoCache::place(const std::string& commit, const std::string& file, const std::string& etag,
                      bool is_new) const {
  check_file_name(repo_, file);
  const fs::path pointer = snapshot(commit) / file, bytes = blob(etag);
  std::error_code failed, ignored;
  if (!fs::is_regular_file(bytes, ignored)) return false;  // stored() gave the snapshot's own
  make_folder(pointer.parent_path());
  // Under a name of its own, then renamed: a reader sees the old file or the new one.
  const fs::path fresh = cat(pointer.string(), ".", ::getpid(), ".link");
  fs::remove(fresh, ignored);
  bool refused = false;
  if (symlinks_) {
    const fs::path target = bytes.lexically_relative(pointer.parent_path());
    if (fs::is_symlink(pointer, ignored) && fs::read_symlink(pointer, ignored) == target)
      return false;
    fs::create_symlink(target, fresh, failed);
    refused = static_cast<bool>(failed);
  }
  if (!symlinks_ || refused) {
    failed.clear();
    const bool there = !fs::is_symlink(pointer, ignored) && fs::is_regular_file(pointer, ignored) &&
                       fs::file_size(pointer, ignored) == fs::file_size(bytes, ignored);
    if (there && !is_new) return refused;
    if (is_new)
      fs::rename(bytes, fresh, failed);
    else
      fs::copy_file(bytes, fresh, failed);
  }
  if (!failed) fs::rename(fresh, pointer, failed);
  if (failed) {
    fs::remove(fresh, ignored);
    throw Error(HN_INTERNAL,
                cat("[pull] ", pointer.string(), " cannot be made: ", failed.message()));
  }
  return refused;
}

}  // namespace hn::pull
