// cat(parts...): texts and numbers as one text.
//
// Debian builds Abseil with a string_view of its own, so absl::StrCat does not take the standard
// one; this maps it.
#pragma once

#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace hn::host {

inline absl::string_view to_absl(std::string_view text) { return {text.data(), text.size()}; }

template <class Part>
decltype(auto) cat_part(const Part& part) {
  if constexpr (std::is_convertible_v<const Part&, std::string_view>)
    return to_absl(part);
  else
    return (part);
}

template <class... Parts>
std::string cat(const Parts&... parts) {
  return absl::StrCat(cat_part(parts)...);
}

}  // namespace hn::host
