// Who else could have put code into a bundle.
#pragma once

#include <string>
#include <vector>

#include "loader/manifest.hpp"

namespace hn::host {

// Texts for warnings, one a file or folder of the bundle (manifest, library, the folders down to
// it) that anybody may write, or that belongs to somebody else than root and the user; and the
// folder that the bundle stands in, when anybody may exchange the bundle there. Root is not told of
// owners: in containers it works on files of the host's users. What a group may write is the user's
// choice of umask. Never fails.
std::vector<std::string> bundle_doubts(const Manifest& manifest);

}  // namespace hn::host
