// hnhost score: rewards of given pictures, and their gradients.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.hpp"
#include "overlay.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  std::string config, images_in, prompts_file, scores_out, grad_out, device;
  std::vector<std::string> rewards, images, prompts, sets;
  std::optional<std::int64_t> threads;
  std::int64_t batch = 16;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost score --reward clip --image cat.png --prompt 'a cat'\n"
    "  hnhost score --reward clip --images-in images.safetensors --prompts prompts.txt \\\n"
    "      --scores-out score.safetensors --grad-out grad.safetensors\n"
    "\n--images-in reads `images` [B,3,H,W] in [0,1]; --scores-out writes `score` [B], --grad-out\n"
    "`image_grad` [B,3,H,W], the gradient of each picture's score.";

std::string list_of(const std::vector<std::string>& rewards) {
  std::string list = "[";
  for (const auto& each : rewards)
    // train = false: a score-only reward is welcome here.
    list += (list.size() > 1 ? ", " : "") + std::string("{name = ") + toml_text(each) +
            ", train = false}";
  return list + "]";
}

std::string request_text(const Options& o) {
  Overlay overlay;
  if (!o.rewards.empty()) overlay.set("reward", list_of(o.rewards));
  if (!o.device.empty()) overlay.set_text("device", o.device);
  if (o.threads) overlay.set("threads", std::to_string(*o.threads));
  for (const auto& each : o.sets) overlay.assign(each);
  std::string request = "config = " + toml_text(overlay.over_file(o.config)) + "\n";
  const auto add_text = [&](const char* key, const std::string& value) {
    if (!value.empty()) request += std::string(key) + " = " + toml_text(value) + "\n";
  };
  const auto add_list = [&](const char* key, const std::vector<std::string>& values) {
    if (!values.empty()) request += std::string(key) + " = " + toml_list(values) + "\n";
  };
  add_text("images_in", o.images_in);
  add_list("images", o.images);
  add_text("prompts_file", o.prompts_file);
  add_list("prompts", o.prompts);
  add_text("scores_out", o.scores_out);
  add_text("grad_out", o.grad_out);
  return request + "batch = " + std::to_string(o.batch) + "\n";
}

void print_table(const nlohmann::json& parsed, const std::vector<std::string>& images) {
  std::vector<std::vector<std::string>> rows = {{"image"}};
  const auto count = parsed.at("images").get<std::size_t>();
  for (std::size_t i = 0; i < count; ++i)
    rows.push_back({i < images.size() ? images[i] : std::to_string(i)});
  rows.push_back({"mean"});
  for (const auto& reward : parsed.at("rewards")) {
    rows[0].push_back(reward.at("name").get<std::string>());
    for (std::size_t i = 0; i < count; ++i)
      rows[i + 1].push_back(number_cell(reward.at("scores").at(i)));
    rows.back().push_back(number_cell(reward.at("mean").at("mean")));
  }
  std::cout << table_text(rows, {false, true, true, true, true, true, true, true});
}

int score(const Options& o, const Command& command) {
  if (o.rewards.empty() && o.config.empty())
    throw UsageError(HN_INVALID_ARGUMENT, "[score] expected --reward NAME, got none");
  const std::string request = request_text(o);
  const HostHandle host(command);
  catch_signals();
  const auto progress = std::make_unique<Progress>("", command.quiet);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_score_files(host.get(), str(request), progress->hooks(), out, error);
  });
  if (command.json) {
    print_json(text);
  } else {
    print_table(nlohmann::json::parse(text), o.images);
  }
  return kOk;
}

}  // namespace

void add_score(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("score", "Score given pictures; with gradients if wanted");
  verb->footer(kFooter);
  add_common(*verb, command);
  verb->add_option("--reward", o->rewards, "A reward; repeat")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--images-in", o->images_in, "safetensors with `images`")->type_name("FILE");
  verb->add_option("--image", o->images, "A PNG or JPEG file; repeat, or several")
      ->type_name("FILE");
  verb->add_option("--prompts", o->prompts_file, "One prompt a line")->type_name("FILE");
  verb->add_option("--prompt", o->prompts, "A prompt; repeat. One serves all pictures")
      ->type_name("TEXT")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--scores-out", o->scores_out, "Writes `score`")->type_name("FILE");
  verb->add_option("--grad-out", o->grad_out, "Writes `image_grad`")->type_name("FILE");
  verb->add_option("--batch", o->batch, "Pictures at a time [16]")->type_name("N");
  verb->add_option("--device", o->device, "cpu or cuda:N")->type_name("DEVICE");
  verb->add_option("--threads", o->threads, "Of the CPU; 0 = all cores")->type_name("N");
  verb->add_option("--config", o->config, "TOML; flags win over it")->type_name("FILE");
  verb->add_option("--set", o->sets, "Any key of the configuration; repeat")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  verb->callback([o, &command] { command.run = [o, &command] { return score(*o, command); }; });
}

}  // namespace hn::cli
