// Who accepted which licence, kept beside the snapshots of a repository.
#pragma once

#include <string>

#include "pull/repo_cache.hpp"
#include "pull/weights_list.hpp"

namespace hn::pull {

// hn-licences.json in the repository's folder: a list of {licence, url, revision, commit, time,
// accepted}, oldest first; "accepted" is "by the user" or "permissive".
bool licence_accepted(const RepoCache& cache, const ListedModel& model);
void record_licence(const RepoCache& cache, const ListedModel& model, const std::string& commit);

// "[pull sd-turbo] its licence, X (URL), has to be accepted: ..."; HN_UNSUPPORTED.
[[noreturn]] void refuse_without_licence(const ListedModel& model);

}  // namespace hn::pull
