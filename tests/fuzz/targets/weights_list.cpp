// The list of weights that can be pulled.
#include "pull/weights_list.hpp"

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(weights_list) {
  hn::fuzz::folder();
  const auto file = hn::fuzz::write("weights.toml", input);
  hn::fuzz::read([&] {
    const auto list = hn::pull::WeightsList::read({file});
    for (const hn::pull::ListedModel& model : list.models()) {
      hn::fuzz::require(list.find(model.name) != nullptr, "not found: " + model.name);
      for (const std::string& pattern : model.patterns(""))
        static_cast<void>(
            hn::pull::matches(pattern, "transformer/model-00001-of-00002.safetensors"));
    }
  });
}
