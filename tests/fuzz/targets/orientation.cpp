// EXIF and XMP as pictures carry them.
#include "files/orientation.hpp"

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(orientation) {
  const auto parts = hn::fuzz::parts_of(input, {"exif", "xmp"});
  const auto part = [&](const char* name) {
    const auto found = parts.find(name);
    return found == parts.end() ? std::string() : found->second;
  };
  hn::fuzz::read([&] {
    const int turn = hn::host::orientation_of(part("exif"), part("xmp"), "picture");
    hn::fuzz::require(turn >= 1 && turn <= 8, "an orientation of " + std::to_string(turn));
  });
}
