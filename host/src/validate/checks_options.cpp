// Options: what the manifest lists is read, and a size that is asked for is kept or refused.
#include <algorithm>
#include <filesystem>
#include <hn/formats/input_file.hpp>

#include "validate/check.hpp"
#include "validate/services.hpp"

namespace hn::validate {
namespace {

namespace fs = std::filesystem;

// Whether the code holds the key as a C string: an option that is read only where another one asks
// for it need not be read by what is tried here.
bool stands_in_code(const Subject& subject, const std::string& key) {
  constexpr std::size_t kMost = std::size_t{8} << 30;
  const std::string literal = key + '\0';
  std::vector<fs::path> files = {subject.library};
  std::error_code failed;
  if (!subject.bare)
    for (const auto& entry : fs::directory_iterator(subject.bundle, failed))
      if (entry.path() != subject.library &&
          entry.path().filename().string().find(".so") != std::string::npos)
        files.push_back(entry.path());
  return std::any_of(files.begin(), files.end(), [&](const fs::path& file) {
    return read_whole_file(file, kMost).find(literal) != std::string::npos;
  });
}

void options_read(Context& c) {
  forget_keys_read();
  {
    const Instance instance(c.entry(), c.subject().options);
    for (const std::string& name : functions_of(c.subject())) {
      Fn fn(instance, name, c.subject().options);
      Case(fn, {}).forward(false);
    }
  }
  const std::set<std::string> read = keys_read();
  std::string unread;
  for (const std::string& key : c.subject().option_keys)
    if (!read.contains(key) && !stands_in_code(c.subject(), key))
      unread += (unread.empty() ? "" : ", ") + key;
  expect(unread.empty(), "listed in the manifest, and never asked for by the code: " + unread);
}

void size_kept(Context& c) {
  const Slot* image = nullptr;
  for (const Slot& slot : c.fn().outputs())
    if (slot.semantic == "image_rgb01" && slot.shape.size() == 4) image = &slot;
  if (image == nullptr) throw Skip("no picture comes out");
  if (image->shape[2] <= 0 || image->shape[3] <= 0) throw Skip("pictures of any size come out");
  core::Options options = c.subject().options;
  const std::int64_t height = 2 * image->shape[2], width = 2 * image->shape[3];
  options["height"] = height;
  options["width"] = width;
  const std::string what =
      "width = " + std::to_string(width) + ", height = " + std::to_string(height);
  ErrorBuffer error;
  hn_instance* made = nullptr;
  hn_status status = c.entry()->create(services(), as_config(options), &made, error.get());
  if (status != HN_OK) return expect_refused(status, error, "create with " + what);
  c.entry()->destroy(made);
  const Instance instance(c.entry(), options);
  hn_fn* opened = nullptr;
  status = instance.fn().open(instance.get(), str(c.function()), as_config(options), &opened,
                              error.get());
  if (status != HN_OK) return expect_refused(status, error, "open with " + what);
  instance.fn().close(opened);
  const Fn fn(instance, c.function(), options);
  for (const Slot& slot : fn.outputs()) {
    if (slot.semantic != "image_rgb01") continue;
    expect(slot.shape == std::vector<std::int64_t>{image->shape[0], image->shape[1], height, width},
           "opened with " + what + ", its pictures are " + std::to_string(slot.shape[3]) + " x " +
               std::to_string(slot.shape[2]) + ": a size that cannot be kept must be refused");
  }
}

constexpr Check kChecks[] = {
    {"options.read", "Every option of the manifest is asked for by the code.", Scope::kPlugin,
     [](Context& c) {
       return c.subject().option_keys.empty() ? std::string("the manifest lists no options")
                                              : std::string();
     },
     &options_read, "forward.works"},
    {"options.size", "Another width and height are kept, or refused; never passed over.",
     Scope::kFunction,
     [](Context& c) {
       return c.function() == "generate" ? std::string() : std::string("about generate");
     },
     &size_kept, "open.works"},
};

}  // namespace

std::span<const Check> option_checks() { return kChecks; }

}  // namespace hn::validate
