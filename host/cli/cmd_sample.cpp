// hnhost sample: pictures and raw tensors as files.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "ask.hpp"
#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "shared_options.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  ModelFlags model;
  SetupFlags setup;
  DrawFlags draw;
  std::string noise_in, noise_out, latents_out, images_out, delta_out, out_dir;
  std::optional<std::int64_t> steps;
  std::int64_t seed = 0;
  std::int64_t batch = 16;
  std::string strength;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost sample --prompt 'a red cat' --out-dir pictures\n"
    "  hnhost sample --adapter runs/clip --prompts prompts.txt --images-out images.safetensors\n"
    "  hnhost sample --noise-in noise.safetensors --prompts prompts.txt --steps 2 \\\n"
    "      --latents-out latents.safetensors --delta-out delta.safetensors --adapter runs/clip\n"
    "\nTensors are float32 in safetensors files: --noise-in reads `noise` [B,C,h,w] (unit "
    "variance) and,\n"
    "when it is there, `step_noise` [steps-1,B,C,h,w]; the outputs hold `latents` [B,C,h,w],\n"
    "`images` [B,3,H,W] in [0,1], `delta` [B,C,h,w] and `noise` [B,C,h,w].";

int sample(const Options& o, const Command& command) {
  Overlay overlay;
  o.model.lay(overlay);
  if (o.steps) overlay.set("generator_options.steps", std::to_string(*o.steps));
  o.setup.lay(overlay);

  std::string request = o.draw.request(overlay.over_file(o.setup.config));
  const auto add = [&](const char* key, const std::string& toml) {
    request += toml_line(key, toml);
  };
  const auto add_text = [&](const char* key, const std::string& value) {
    if (!value.empty()) add(key, toml_text(value));
  };
  add_text("noise_in", o.noise_in);
  add_text("noise_out", o.noise_out);
  add_text("latents_out", o.latents_out);
  add_text("images_out", o.images_out);
  add_text("delta_out", o.delta_out);
  add_text("out_dir", o.out_dir);
  add("seed", std::to_string(o.seed));
  add("batch", std::to_string(o.batch));
  if (!o.strength.empty()) add("strength", toml_number(o.strength, "--strength"));

  const std::string text_out = ask(command, hnhost_sample_files, request);
  if (command.json) {
    print_json(text_out);
    return kOk;
  }
  const auto parsed = nlohmann::json::parse(text_out);
  for (const auto& file : parsed.at("files")) std::cout << file.get<std::string>() << "\n";
  std::cerr << parsed.at("samples") << " samples in " << number_cell(parsed.at("seconds"))
            << " s\n";
  return kOk;
}

}  // namespace

void add_sample(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("sample", "Draw pictures, with an adapter or without");
  verb->footer(kFooter);
  add_common(*verb, command);
  o->model.add_to(*verb);
  o->draw.add_to(*verb, "Only the first N prompts; 0: all");
  add_integer(*verb, "--steps", o->steps, {1, 10000}, "Steps of the generator");
  add_integer(*verb, "--seed", o->seed, kSeeds, "Of the noise that is not given [0]");
  add_integer(*verb, "--batch", o->batch, kBatches, "Samples at a time [16]");
  verb->add_option("--strength", o->strength, "Of the adapter: noise + S delta [1]")
      ->type_name("S");
  verb->add_option("--noise-in", o->noise_in, "`noise`, and `step_noise` if there")
      ->type_name("FILE");
  verb->add_option("--noise-out", o->noise_out, "Writes `noise` as used")->type_name("FILE");
  verb->add_option("--latents-out", o->latents_out, "Writes `latents`")->type_name("FILE");
  verb->add_option("--images-out", o->images_out, "Writes `images`")->type_name("FILE");
  verb->add_option("--delta-out", o->delta_out, "Writes `delta`")->type_name("FILE");
  verb->add_option("--out-dir", o->out_dir,
                   "PNG files, prompts.jsonl with their prompts, and the page sheet.html")
      ->type_name("DIR");
  o->setup.add_to(*verb);
  verb->callback([o, &command] { command.run = [o, &command] { return sample(*o, command); }; });
}

}  // namespace hn::cli
