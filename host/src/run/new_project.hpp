// `hnhost new`: a template's copy with the user's name put in.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace hn::host {

// Copies templates/KIND to `folder`, which must not exist or be empty. Every occurrence of the
// template's placeholder names, in file names and in texts, becomes NAME: my_thing -> name,
// MY_THING -> NAME, MyThing -> Name. The copy appears under its final name whole or not at all.
//
// Errors: HN_NOT_FOUND (an unknown kind names the kinds; no templates beside this library),
// HN_INVALID_ARGUMENT (a name that is not lower-case letters, digits and '_'; a folder that is not
// empty), HN_INTERNAL (the file system's reason).
void new_project(const std::filesystem::path& templates, std::string_view kind,
                 std::string_view name, const std::filesystem::path& folder);

// share/hn/templates beside the folder of libhnhost.so, in a build tree and in an install tree.
// Errors: HN_NOT_FOUND names the place.
std::filesystem::path template_folder();

}  // namespace hn::host
