// plugin.toml, and a user's models file for the plugin that it describes.
#include "loader/manifest.hpp"

#include "fuzz/fuzz.hpp"
#include "loader/scan.hpp"

HN_FUZZ_TARGET(manifest) {
  using namespace hn::host;
  const auto parts = hn::fuzz::parts_of(input, {"plugin.toml", "models.toml"});
  const auto& bundle = hn::fuzz::write_parts(parts);
  hn::fuzz::write("libplugin.so", "not read");
  Manifest manifest;
  const bool good = hn::fuzz::read([&] { manifest = read_manifest(bundle); });
  // A listing shows a broken bundle as a row, and never fails.
  const BundleRow row = scan_bundle(bundle);
  hn::fuzz::require((row.status == "ok") == good, "the listing differs: " + row.reason);
  if (!good || !parts.contains("models.toml")) return;
  hn::fuzz::read([&] {
    static_cast<void>(
        read_user_models(bundle / "models.toml", [&](const std::string&) { return &manifest; }));
  });
}
