#include "pull/download.hpp"

#include <hn/cpp/error.hpp>

#include "support/cat.hpp"

namespace hn::pull {
namespace {

namespace fs = std::filesystem;
using host::cat;

constexpr int kTriesOfWholeFiles = 2;

class Blob {
 public:
  Blob(const RepoCache& cache, const std::string& commit, const FileFacts& facts,
       const KnownFile& known, const Meter& meter)
      : cache_(cache),
        commit_(commit),
        facts_(facts),
        meter_(meter),
        blob_(cache.blob(facts.etag)) {
    kind_ = sum_kind(facts.etag);
    sum_ = facts.etag;
    if (kind_ != Sum::kSha256 && !known.sha256.empty()) {
      kind_ = Sum::kSha256;
      sum_ = known.sha256;
    }
    bytes_ = facts.bytes ? facts.bytes : known.bytes;
  }

  // Where it is; only after is_there() or fetch().
  fs::path path() const { return cache_.stored(commit_, facts_.name, facts_.etag).value_or(blob_); }
  Sum kind() const { return kind_; }

  // What is wrong with a file; empty for nothing.
  std::string fault(const fs::path& file) const {
    const std::uint64_t size = fs::file_size(file);
    if (bytes_ && size != *bytes_) return cat("expected ", *bytes_, " bytes, got ", size);
    if (kind_ == Sum::kNone) return "";
    std::uint64_t done = 0;
    const std::string got = file_sum(file, kind_, [&](std::uint64_t n) {
      meter_.progress(cat("verifying ", facts_.name), done += n);
    });
    if (got == sum_) return "";
    return cat("expected ", sum_name(kind_), " ", sum_, ", got ", got);
  }

  // False: it has to be fetched.
  bool is_there(bool recheck) const {
    const auto stored = cache_.stored(commit_, facts_.name, facts_.etag);
    if (!stored) return false;
    std::error_code ignored;
    std::string wrong;
    if (recheck)
      wrong = fault(*stored);
    else if (bytes_ && fs::file_size(*stored) != *bytes_)
      wrong = cat("expected ", *bytes_, " bytes, got ", fs::file_size(*stored));
    if (wrong.empty()) return true;
    meter_.note(cat("[pull ", cache_.repo(), "] ", facts_.name, " in the cache is damaged (", wrong,
                    ") and is fetched again"));
    fs::remove(*stored, ignored);
    return false;
  }

  void fetch(const Source& source, TransferOptions options) const {
    for (int attempt = 1;; ++attempt) {
      const bool in_parts = bytes_ && options.part_bytes != 0 && *bytes_ > options.part_bytes;
      PartFile file(blob_, bytes_, in_parts ? options.part_bytes : 0);
      std::string wrong;
      try {
        transfer(source, file, options, [&] { meter_.progress(facts_.name, file.done()); });
        wrong = fault(file.data());
      } catch (const Stale& stale) {
        wrong = stale.what;
      } catch (const NoRanges&) {
        meter_.note(cat("[pull ", cache_.repo(), "] the server sends whole files only; ",
                        facts_.name, " cannot be resumed"));
        file.remove();
        options.part_bytes = 0;
        --attempt;
        continue;
      }
      if (wrong.empty()) {
        file.finish();
        return;
      }
      file.remove();
      const std::string text = cat("[pull ", cache_.repo(), "] ", facts_.name, ": ", wrong);
      if (attempt == kTriesOfWholeFiles)
        throw Error(HN_DATA_LOSS, cat(text, "; it was thrown away, ", attempt, " times"));
      meter_.note(cat(text, "; it is thrown away and fetched again"));
    }
  }

 private:
  const RepoCache& cache_;
  const std::string& commit_;
  const FileFacts& facts_;
  const Meter& meter_;
  fs::path blob_;
  std::optional<std::uint64_t> bytes_;
  Sum kind_ = Sum::kNone;
  std::string sum_;
};

}  // namespace

void check_known(const std::string& repo, const FileFacts& facts, const KnownFile& known) {
  const auto refuse = [&](const char* what, const std::string& ours, const std::string& theirs) {
    throw Error(HN_DATA_LOSS, cat("[pull ", repo, "] ", facts.name, ": the list of weights says ",
                                  what, " ", ours, ", the server has ", theirs));
  };
  if (known.bytes && facts.bytes && *known.bytes != *facts.bytes)
    refuse("bytes", cat(*known.bytes), cat(*facts.bytes));
  if (!known.sha256.empty() && sum_kind(facts.etag) == Sum::kSha256 && known.sha256 != facts.etag)
    refuse("sha256", known.sha256, facts.etag);
}

Fetched fetch_blob(const RepoCache& cache, const std::string& commit, const FileFacts& facts,
                   const KnownFile& known, const Source& source, const TransferOptions& options,
                   bool recheck, const Meter& meter) {
  check_known(cache.repo(), facts, known);
  const Blob blob(cache, commit, facts, known, meter);
  const FileLock lock(
      cache.lock(facts.etag), [&] { meter.progress(facts.name, 0); },
      [&] {
        meter.note(cat("[pull ", cache.repo(), "] ", facts.name,
                       ": another process is fetching it; waiting"));
      });
  Fetched fetched;
  fetched.downloaded = !blob.is_there(recheck);
  if (fetched.downloaded) blob.fetch(source, options);
  if (fetched.downloaded || recheck) fetched.verified = blob.kind();
  fetched.bytes = fs::file_size(blob.path());
  return fetched;
}

}  // namespace hn::pull
