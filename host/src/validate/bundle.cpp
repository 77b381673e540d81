#include "validate/bundle.hpp"

#include <algorithm>

#include "support/cat.hpp"
#include "support/toml_table.hpp"

namespace hn::validate {
namespace {

core::Options given_options(const host::Manifest& manifest, std::string_view text) {
  // One table, so that the reader of options takes dotted keys apart.
  host::TomlTable document =
      host::TomlTable::parse(host::cat("[options]\n", std::string(text), "\n"), "the options");
  core::Options given = document.find_options("options");
  document.finish();
  core::Options adapters;
  for (auto it = given.begin(); it != given.end();) {
    if (it->first.starts_with("lora.")) {
      adapters.insert(*it);
      it = given.erase(it);
    } else {
      ++it;
    }
  }
  host::check_options(manifest, given, host::cat("[validate ", manifest.name, "]"));
  given.merge(adapters);
  return given;
}

}  // namespace

Subject subject_of(host::Host& host, std::string_view bundle, std::string_view options) {
  const host::Choice choice = host.registry().find(bundle);
  const host::Manifest& manifest = *choice.plugin;
  const host::ModelSpec* model = choice.model != nullptr ? choice.model : manifest.default_model();

  Subject subject;
  subject.bundle = manifest.bundle;
  subject.library = manifest.library;
  subject.id = manifest.id;
  subject.version = manifest.version;
  subject.kind = std::string(host::kind_name(manifest.kind));
  subject.functions = manifest.functions;
  subject.libtorch = manifest.libtorch != "none";
  subject.weights = !manifest.models.empty();
  subject.open = [&host, &manifest] { return host.open_plugin(manifest).entry; };
  subject.options = given_options(manifest, options);
  subject.options.try_emplace("bundle", manifest.bundle.string());
  if (model != nullptr) {
    if (!model->weights_required) subject.options.try_emplace("weights", model->weights.string());
    for (const auto& [key, value] : model->options) subject.options.try_emplace(key, value);
  }
  if (subject.weights && subject.options.count("weights") == 0)
    throw Error(HN_INVALID_ARGUMENT,
                host::cat("[validate ", manifest.name,
                          "] has no weights of its own: name them, weights = \"FOLDER\""));
  const auto& functions = subject.functions;
  if (std::find(functions.begin(), functions.end(), "noise_net") != functions.end()) {
    subject.options.try_emplace("lora.rank", std::int64_t{2});
    subject.options.try_emplace("lora.alpha", 4.0);
  }
  return subject;
}

}  // namespace hn::validate
