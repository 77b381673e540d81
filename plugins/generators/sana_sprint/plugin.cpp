// sana_sprint: one-step and few-step text-to-image with SANA-Sprint (arXiv 2503.09641), from any
// folder in diffusers layout. Options and layout on disk: README.md.
#include <hn/generator/generator_instance.hpp>
#include <hn/nn/model_options.hpp>

#include "model.hpp"

namespace {

std::unique_ptr<hn::LatentModel> load(const hn::Config& config) {
  return std::make_unique<hn::sana::Model>(
      hn::weights_option(config, "weights/emoji-sprint"), hn::pipeline_options(config),
      hn::sana::PromptOptions{.max_tokens = config.i64("max_sequence_length", 300),
                              .instruction = config.list("complex_human_instruction")});
}

using SanaSprint = hn::GeneratorPlugin<load>;

}  // namespace

HN_PLUGIN(SanaSprint, "hn.generator.sana_sprint", "0.1.0");
