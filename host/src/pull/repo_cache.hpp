// One repository's folder in Hugging Face's cache, in the layout of its Python library
// (huggingface_hub 2.4, file_download.py):
//
//   models--OWNER--NAME/blobs/ETAG            contents, named by their sum
//                      /refs/REVISION         the commit that a branch or tag stood for
//                      /snapshots/COMMIT/FILE relative links into blobs; or, without symbolic
//                                             links, the files themselves
//   .locks/models--OWNER--NAME/ETAG.lock      held (flock) while ETAG is downloaded
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace hn::pull {

// A file's name inside a repository that may be made into a path: relative, without "..", ".",
// empty parts, backslashes and control characters. HN_DATA_LOSS otherwise: a server must not be
// able to write outside of the cache.
void check_file_name(const std::string& repo, const std::string& file);

// Held while it lives, across processes; the system drops it with the process.
class FileLock {
 public:
  // Waits for it. stop() is asked ten times a second and may throw; waiting() is called once when
  // somebody else has the lock. HN_INTERNAL with the system's reason when it cannot be made.
  FileLock(const std::filesystem::path& file, const std::function<void()>& stop,
           const std::function<void()>& waiting);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_ = -1;
};

class RepoCache {
 public:
  // symlinks: false where links shall not be made (HF_HUB_DISABLE_SYMLINKS).
  RepoCache(std::filesystem::path cache, std::string repo, bool symlinks = true);

  const std::string& repo() const { return repo_; }
  std::filesystem::path folder() const { return folder_; }
  std::filesystem::path snapshot(const std::string& commit) const;
  std::filesystem::path blob(const std::string& etag) const;
  std::filesystem::path lock(const std::string& etag) const;

  // What a revision stood for when it was last asked; a commit stands for itself.
  std::optional<std::string> commit_of(const std::string& revision) const;
  void write_ref(const std::string& revision, const std::string& commit) const;
  // snapshots/COMMIT/FILE -> ../../blobs/ETAG; replaces what points elsewhere. Without links, or
  // where the file system has none, the blob itself is put there, as huggingface_hub does: moved
  // when it is new, else copied, since another snapshot may need it. Nothing is done where the file
  // is there already without a blob. True: the file system refused a link.
  bool place(const std::string& commit, const std::string& file, const std::string& etag,
             bool is_new) const;
  // Where the file's bytes are: its blob, or the snapshot's own file; nothing where they are not.
  std::optional<std::filesystem::path> stored(const std::string& commit, const std::string& file,
                                              const std::string& etag) const;

 private:
  std::string repo_;
  std::filesystem::path cache_, folder_;
  bool symlinks_;
};

// A branch, a tag, a commit or another ref ("refs/pr/1"), which becomes a path below refs/:
// HN_INVALID_ARGUMENT where it would leave the folder, is empty or has control characters.
void check_revision(const std::string& revision);

bool is_commit(const std::string& text);  // 40 hex digits

}  // namespace hn::pull
