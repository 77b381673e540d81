// What a fuzz target is: a function of some bytes, one file of targets/ each.
//
//   #include "fuzz/fuzz.hpp"
//   HN_FUZZ_TARGET(manifest) {
//     const auto parts = hn::fuzz::parts_of(input, {"plugin.toml"});
//     hn::fuzz::read([&] { ...; });
//   }
//
// A target finds something by a crash, a sanitizer's report, a time-out, an exception that is no
// hn::Error, or by what require() is told. The name is the file's, and the seeds' folder's.
#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hn::fuzz {

struct Target {
  std::string name;
  void (*run)(std::string_view input);
};
std::vector<Target>& targets();

struct Registration {
  Registration(const char* name, void (*run)(std::string_view)) {
    targets().push_back({name, run});
  }
};

#define HN_FUZZ_TARGET(NAME)                                                   \
  static void fuzz_##NAME(std::string_view input);                             \
  static const hn::fuzz::Registration registration_##NAME(#NAME, fuzz_##NAME); \
  static void fuzz_##NAME(std::string_view input)

// Runs `reader` and gives whether it took its input. An hn::Error is a refusal, which is as good,
// where it says what is wrong with the input: its text as a caller gets it is UTF-8, not empty, of
// at most 64 kB, and the code is not HN_INTERNAL, which would blame the program. All other
// exceptions go through.
bool read(const std::function<void()>& reader);
// How many inputs were taken since the program began.
std::size_t taken();

// Ends the run with `what` as the finding unless `condition` holds.
void require(bool condition, const std::string& what);

// Reads the first and the last byte of a range, so that the address sanitizer sees both.
void touch(const void* data, std::size_t bytes);

// Inputs of several files: a line "%% NAME" begins each, what stands before the first one is the
// first of `names`; other names are left out, and so is the line end before a "%%".
std::map<std::string, std::string> parts_of(std::string_view input,
                                            std::initializer_list<const char*> names);

// The program's own folder, below $TMPDIR. Empty where `clean` says so.
const std::filesystem::path& folder(bool clean = true);
// A file in it.
std::filesystem::path write(const std::string& name, std::string_view bytes);
// folder(), with all parts as files.
const std::filesystem::path& write_parts(const std::map<std::string, std::string>& parts);

}  // namespace hn::fuzz
