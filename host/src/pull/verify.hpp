// Comparing weights on the disk with the sums that are known of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pull/weights_list.hpp"

namespace hn::pull {

// Every file of a folder and those below it, or one file. A file's sum is known where Hugging
// Face's cache holds it (the blob behind a snapshot's link is named by it: sha256, of small files
// git's SHA-1) and where the list of weights states it for the file of that name in the snapshot of
// its revision, or for any file with that very sum.
//
// {"path", "files": [{"file", "bytes", "state", "by", "kind", "expected", "got"}], "right",
// "wrong", "unknown"}, the files sorted by name. state: "right"; "wrong" (another sum, a link whose
// blob is gone, a file that cannot be read: "problem" says it); "unknown" (no sum is known; got is
// its sha256). by: "cache" or "list". advance(file, bytes so far, bytes of all) may throw to stop.
//
// Errors: HN_NOT_FOUND when nothing is there.
nlohmann::ordered_json verify(
    const std::filesystem::path& path, const WeightsList& list,
    const std::function<void(const std::string&, std::uint64_t, std::uint64_t)>& advance = {});

}  // namespace hn::pull
