#include "validate/bundle.hpp"

#include <algorithm>

#include "support/cat.hpp"

namespace hn::validate {
namespace {

core::Options checked(const host::Manifest& manifest, core::Options given) {
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

Subject subject_of(host::Host& host, std::string_view bundle, core::Options options) {
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
  subject.core_file = host.core_file();
  subject.core_libtorch = std::string(host.core_libtorch());
  try {
    host::read_manifest(manifest.bundle, host::Reading::kStrict);
  } catch (const Error& e) {
    subject.manifest_problem = e.what();
  }
  for (const host::OptionSpec& option : manifest.options) subject.option_keys.push_back(option.key);
  subject.options = checked(manifest, std::move(options));
  subject.options.try_emplace("bundle", manifest.bundle.string());
  if (model != nullptr) {
    if (!model->weights_required) subject.options.try_emplace("weights", model->weights.string());
    for (const auto& [key, value] : model->options) subject.options.try_emplace(key, value);
  }
  if (subject.weights && subject.options.count("weights") == 0)
    throw Error(HN_INVALID_ARGUMENT,
                host::cat("[validate ", manifest.name,
                          "] has no weights of its own: name them, weights = \"FOLDER\""));
  host::add_defaults(manifest, subject.options);
  const auto& functions = subject.functions;
  if (std::find(functions.begin(), functions.end(), "noise_net") != functions.end()) {
    subject.options.try_emplace("lora.rank", std::int64_t{2});
    subject.options.try_emplace("lora.alpha", 4.0);
  }
  return subject;
}

}  // namespace hn::validate
