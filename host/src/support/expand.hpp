// "~" and "$NAME" in a path that comes out of the environment.
#pragma once

#include <string>

namespace hn::host {

// A leading "~" or "~NAME" is a home folder: $HOME, else what the system's list of users says.
// Unknown users stay as they are. Python's os.path.expanduser.
std::string expand_user(const std::string& path);

// $NAME and ${NAME} are the environment's; unknown ones stay as they are, values are not looked
// through again. Python's os.path.expandvars.
std::string expand_variables(const std::string& path);

}  // namespace hn::host
