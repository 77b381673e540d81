// The three generators through their ABI, each on a small model, for tests with one body for all;
// and copies of the models that a test may spoil.
#pragma once

#include <ostream>

#include "support/generator_client.hpp"
#include "support/model_copy.hpp"

namespace hn::test {

inline const fs::path kSource = HN_SOURCE_DIR;
inline const fs::path kEmoji = kSource / "plugins/generators/sana_sprint/weights/emoji-sprint";

// A generator, its small model, and what is known of both.
struct GeneratorCase {
  std::string plugin;
  Options options;                       // of create: the folder, and the picture's size
  std::int64_t channels, height, width;  // of the noise
  std::int64_t factor, unit;             // pixels a latent; what sizes are multiples of
  bool draws = false;                    // step noise
  std::string output_layer;
  std::vector<std::int64_t> output_a, output_b;  // its LoRA's shapes with rank 4
  std::string first_to_q;                        // of the layers that the target to_q chooses
  std::size_t to_q = 0;                          // how many those are
  std::uint64_t layers = 0, least_bytes = 0;
  std::int64_t embedding = 0;
  std::uint64_t least_handle = 0;  // bytes
  double matrix_size = 0.3;        // of the tests' LoRA
  double prompt_difference = 0;    // what another prompt changes in the mean pixel, at the least
  double bfloat16_error = 0.05;    // of the mean pixel, at the most

  std::vector<std::int64_t> noise_shape(std::int64_t batch) const {
    return {batch, channels, height, width};
  }
  std::vector<std::int64_t> image_shape(std::int64_t batch) const {
    return {batch, 3, height * factor, width * factor};
  }
  Options with(const Options& more) const {
    Options all = options;
    for (const auto& [key, value] : more) all[key] = value;
    return all;
  }
};
inline std::ostream& operator<<(std::ostream& out, const GeneratorCase& c) {
  return out << c.plugin;
}

inline std::vector<GeneratorCase> generator_cases() {
  using I = std::int64_t;
  GeneratorCase sana;
  sana.plugin = "sana_sprint";
  sana.options = {{"weights", kEmoji.string()}};
  sana.channels = 16, sana.height = sana.width = 8, sana.factor = 8, sana.unit = 16;
  sana.draws = true;
  sana.output_layer = "proj_out";
  sana.output_a = {4, 256}, sana.output_b = {64, 4};
  sana.first_to_q = "transformer_blocks.0.attn1.to_q", sana.to_q = 6 * 2;
  sana.layers = 1u + 5 + 2 + 6 * 11 + 1, sana.least_bytes = 30u << 20;
  sana.embedding = 128, sana.least_handle = 128u * 4;
  sana.matrix_size = 0.1, sana.prompt_difference = 0.01, sana.bfloat16_error = 0.01;

  GeneratorCase sd;
  sd.plugin = "sd_turbo";
  sd.options = {{"weights", (kSource / "tests/golden/sd_turbo/plain").string()}};
  sd.channels = 4, sd.height = sd.width = 8, sd.factor = sd.unit = 2;
  sd.output_layer = "conv_out";
  sd.output_a = {4, 4, 3, 3}, sd.output_b = {4, 4, 1, 1};
  // Two attentions each in one block on the way down, in the middle and in two on the way up.
  sd.first_to_q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
  sd.to_q = 2 * (1 + 1 + 2);
  // conv_in, the time embedding, 2 + 2 + 4 residual blocks with a shortcut where the width changes
  // (1 on the way down, 4 on the way up), 4 transformers of 12 layers, one up and one down sampler,
  // conv_out.
  sd.layers = 1u + 2 + 8 * 3 + 5 + 4 * 12 + 2 + 1, sd.least_bytes = 100u << 10;
  sd.embedding = 8, sd.least_handle = 16u * 8 * 4;
  sd.prompt_difference = 1e-4;

  GeneratorCase flux;
  flux.plugin = "flux_schnell";
  flux.options = {{"weights", (kSource / "tests/golden/flux_schnell/plain").string()},
                  {"max_sequence_length", I{12}},
                  {"width", I{12}},
                  {"height", I{8}}};
  flux.channels = 4, flux.height = 4, flux.width = 6, flux.factor = 2, flux.unit = 4;
  flux.output_layer = "proj_out";
  flux.output_a = {4, 12}, flux.output_b = {16, 4};
  // One double and one single block.
  flux.first_to_q = "transformer_blocks.0.attn.to_q", flux.to_q = 2;
  // Four of the embedders, two of the inputs, 14 of a double block, 6 of a single one, two last.
  flux.layers = 4u + 2 + 14 + 6 + 2, flux.least_bytes = 50u << 10;
  flux.embedding = 8, flux.least_handle = (12u * 8 + 8) * 4;
  flux.matrix_size = 0.2, flux.prompt_difference = 1e-5;
  return {sana, sd, flux};
}

// A small model as a folder of the published kind, with what the loading tests spoil in it.
class GeneratorCopy : public ModelCopy {
 public:
  explicit GeneratorCopy(const std::string& plugin)
      : ModelCopy(kSource / "tests/golden" / plugin / "plain", parts(plugin)), plugin_(plugin) {
    if (plugin == "sana_sprint")  // the golden model has no tokenizer of its own
      fs::copy(kEmoji / "tokenizer", root() / "tokenizer", fs::copy_options::recursive);
  }
  Outcome create(Options options = {}) const {
    options["weights"] = root().string();
    return Generator::try_create(plugin_, options);
  }

 private:
  static std::vector<std::string> parts(const std::string& plugin) {
    if (plugin == "sana_sprint") return {"transformer", "vae", "text_encoder", "scheduler"};
    if (plugin == "sd_turbo") return {"unet", "vae", "text_encoder", "scheduler", "tokenizer"};
    return {"transformer", "vae",       "text_encoder", "text_encoder_2",
            "scheduler",   "tokenizer", "tokenizer_2"};
  }
  std::string plugin_;
};

}  // namespace hn::test
